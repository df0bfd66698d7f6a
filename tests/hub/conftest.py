"""What the hub's tests share: a hub in this process, an IAM and a service at the wire."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from jupyterhub.crypto import CryptKeeper
from jupyterhub.utils import url_path_join
from ports import free_port

sys.path.insert(0, str(Path(__file__).parent))

from fake_iam import CLIENT_ID, CLIENT_SECRET, FakeIAM
from fake_service import FakeService
from refresh_world import Visit, make_visit

from jupyterhub_af.hub import templates_dir
from jupyterhub_af.hub.authenticator import IAMAuthenticator
from jupyterhub_af.line.sessions import close_sessions

FACILITY = """
version: 1
name: Test facility
contact: support@example.org
iam: {issuer: "https://iam.example.org/"}
access:
  allowed_groups: [hackathon, cygno]
  admin_groups: [facility/admins]
profiles:
  - {slug: dodas, image: "registry.example.org/af/dodas:5"}
storage:
  - {name: private, kind: private, claim: af-areas}
"""


@dataclass
class Hub:
    """A hub, what it talks to, and what it logged."""

    app: Any
    iam: FakeIAM
    service: FakeService
    facility_file: Path
    log: pytest.LogCaptureFixture

    @property
    def url(self) -> str:
        return url_path_join(self.app.bind_url, "hub/")

    def browser(self) -> Browser:
        return Browser(self)

    def user(self, name: str) -> Any:
        users = self.app.users
        return users[name] if name in users else None  # noqa: SIM401 - not a dict

    def rules(self) -> list[str]:
        """Return the rules that were logged for logins that did not work."""
        lines = [r.getMessage() for r in self.log.records]
        marked = [line.split("rule ")[1] for line in lines if "nobody in, rule" in line]
        return [line.split(":")[0] for line in marked]


class Browser:
    """Somebody's browser: cookies, and redirects followed."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.http = httpx.AsyncClient(follow_redirects=True, timeout=20, verify=False)  # noqa: S501

    async def __aenter__(self) -> Browser:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def get(self, path: str, *, follow: bool = True) -> httpx.Response:
        url = urljoin(self._hub.url, path)
        return await self.http.get(url, follow_redirects=follow)

    async def log_in(self) -> httpx.Response:
        """Log in as the IAM's person; return the page that comes then."""
        return await self.get("oauth_login")

    async def begin(self) -> httpx.Response:
        """Go to the IAM and be sent back, but do not come back yet."""
        away = await self.get("oauth_login", follow=False)
        return await self.http.get(away.headers["Location"], follow_redirects=False)


@pytest.fixture
def proxy_on_path(monkeypatch):
    """Put configurable-http-proxy of AF_NODE_MODULES on PATH."""
    named = Path(os.environ.get("AF_NODE_MODULES", ""))
    folders = (named / ".bin", named / "node_modules" / ".bin")
    found = [f for f in folders if (f / "configurable-http-proxy").exists()]
    if not found:
        pytest.fail("AF_NODE_MODULES must name a folder with configurable-http-proxy.")
    monkeypatch.setenv("PATH", f"{found[0]}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
async def iam():
    async with FakeIAM().running() as running:
        yield running
        assert running.strangers == []


@pytest.fixture
async def service(tmp_path):
    async with FakeService(tmp_path).running() as running:
        yield running
        assert running.strangers == []


@pytest.fixture
def secret_file(tmp_path) -> Path:
    path = tmp_path / "client.secret"
    path.write_text(f"{CLIENT_SECRET}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def facility_file(tmp_path) -> Path:
    path = tmp_path / "facility.yaml"
    path.write_text(FACILITY)
    return path


@pytest.fixture
def hub_config(iam, service, secret_file, facility_file) -> dict[str, Any]:
    site = f"http://127.0.0.1:{free_port()}"
    return {
        "JupyterHub": {
            "bind_url": f"{site}/@/space%20word/",
            "hub_port": free_port(),
            "authenticator_class": IAMAuthenticator,
            "template_paths": [templates_dir()],
            "log_level": logging.DEBUG,
            # after a login people see the hub's home: nothing starts in these tests
            "redirect_to_server": False,
        },
        "ConfigurableHTTPProxy": {"api_url": f"http://127.0.0.1:{free_port()}"},
        "CryptKeeper": {"keys": [os.urandom(32)]},
        "FacilityAware": {
            "facility_file": str(facility_file),
            "issuer": iam.issuer,
            "service_url": service.url,
            "service_secret_file": str(service.secret_file),
        },
        # the test hub of JupyterHub allows everybody unless told otherwise
        "Authenticator": {"allow_all": False},
        "IAMAuthenticator": {
            "client_id": CLIENT_ID,
            "client_secret_file": str(secret_file),
            "oauth_callback_url": f"{site}/@/space%20word/hub/oauth_callback",
            # nobody waits for it: an IAM that is away refuses the connection
            "iam_timeout_seconds": 20,
        },
    }


@pytest.fixture
async def apps() -> AsyncIterator[list[Any]]:
    """Close what the test hubs leave open, after they have stopped."""
    started: list[Any] = []
    yield started
    for app in started:
        app.db_file.close()
    # what a stopping hub still told the service of was told over a new connection
    await close_sessions()
    CryptKeeper.clear_instance()


@pytest.fixture
async def start_hub(
    apps,
    proxy_on_path,
    hub_app,
    hub_config,
    iam,
    service,
    facility_file,
    caplog,
    monkeypatch,
) -> AsyncIterator[Callable[..., Awaitable[Hub]]]:
    """Give a function that starts a hub, with what is changed of its configuration."""
    CryptKeeper.clear_instance()
    caplog.set_level(logging.DEBUG)
    # the hub writes the proxy's pid where it is
    monkeypatch.chdir(facility_file.parent)

    async def start(**changes: Any) -> Hub:
        hub_config["IAMAuthenticator"].update(changes)
        apps.append(await hub_app(config=hub_config))
        return Hub(apps[-1], iam, service, facility_file, caplog)

    yield start
    for app in apps:
        # what a re-check began must not ask anew once its line is closed
        app.authenticator.rechecks.close()
        await app.authenticator.rechecks.settled()
        # the hub forgets the proxy's connections when it stops, and never closes them
        await app.http_server.close_all_connections()
    await close_sessions()


@pytest.fixture
async def visit(hub: Hub) -> AsyncIterator[Callable[..., Awaitable[Visit]]]:
    """Give a function that logs somebody in, on a clock that the test turns."""
    visits: list[Visit] = []

    async def begin(*args: Any, **more: Any) -> Visit:
        visits.append(await make_visit(hub, *args, **more))
        return visits[-1]

    yield begin
    for here in visits:
        here.rechecks.close()
        await here.rechecks.settled()
        await here.browser.http.aclose()


@pytest.fixture
async def hub(start_hub: Callable[..., Awaitable[Hub]]) -> Hub:
    return await start_hub()
