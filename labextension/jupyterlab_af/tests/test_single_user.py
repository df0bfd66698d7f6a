"""A whole single-user server, as a facility starts it, against a hub at the wire."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from jupyterlab_af.tests.hubs import BROWSER, SCOPE, FakeHub
from jupyterlab_af.tests.worlds import CREDENTIAL, answering, running_service

PROVIDER = "jupyterlab_af.hub_auth.FacilityIdentityProvider"
OTHER = "the-token-of-nobody"
PREFIX = "/user/student1/"
END = {"rule": "denied", "reason": "Ask.", "since": 0.0, "ends_at": 0.0}


def free_port() -> int:
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return own.getsockname()[1]


def environ_of(hub, service, port, home) -> dict[str, str]:
    """Return what a hub gives its server."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "HOME": str(home),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERHUB_API_TOKEN": CREDENTIAL,
        "JUPYTERHUB_API_URL": f"{hub.url}/hub/api",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-student1",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps([SCOPE]),
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{PREFIX}oauth_callback",
        "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}{PREFIX}",
        "JUPYTERHUB_USER": "student1",
        "AF_SERVICE_URL": service.url,
    }


@dataclass
class World:
    """A running server, its hub and service, and what it wrote."""

    hub: FakeHub
    service: object
    home: Path
    client: httpx.Client

    def get(self, path, token=BROWSER, **more):
        """Return the answer to a browser with a token."""
        headers = {"Authorization": f"token {token}"} if token else {}
        return self.client.get(f"{PREFIX}{path}", headers=headers, **more)


def wait_until_there(client, process, log) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            client.get(f"{PREFIX}api")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text())


@pytest.fixture
def world(tmp_path):
    hub, port = FakeHub(), free_port()
    log = tmp_path / "server.log"
    with answering(hub) as hub.url, running_service() as service, log.open("wb") as out:
        command = [
            *(sys.executable, "-m", "jupyterhub.singleuser", "--debug"),
            f"--ServerApp.identity_provider_class={PROVIDER}",
            "--allow-root",
            # each request asks the hub again
            "--FacilityHubAuth.cache_max_age=0",
            "--FacilityHubAuth.answer_seconds=0",
        ]
        process = subprocess.Popen(
            command,
            env=environ_of(hub, service, port, tmp_path),
            cwd=tmp_path,
            stdout=out,
            stderr=out,
        )
        base = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=base, trust_env=False, timeout=60) as client:
            try:
                wait_until_there(client, process, log)
                yield World(hub, service, tmp_path, client)
            finally:
                process.terminate()
                process.wait()


def test_the_courtesy_is_the_owners_and_ends(world):
    assert world.get("api/contents").status_code == 200
    world.hub.deny("student1")
    world.service.end = END | {"ends_at": time.time() + 3600}
    assert world.get("api/contents").status_code == 200
    assert world.get("lab").status_code == 200
    assert world.get("api/contents", token=OTHER).status_code == 403
    # a browser that is not known is asked to log in, at the hub
    login = world.get("lab", token="")
    assert login.status_code == 302
    assert login.headers["Location"].startswith("/hub/api/oauth2/authorize?")
    world.service.end = END | {"ends_at": time.time() - 1}
    assert world.get("api/contents").status_code == 403
    assert world.get("lab").status_code == 302


def test_a_person_reads_why_a_page_cannot_be_had(world):
    world.hub.status = 500
    page = world.get("lab")
    assert page.status_code == 503
    assert "JupyterHub does not answer" in page.text
    assert "Traceback" not in page.text
    answer = world.get("api/contents")
    assert answer.status_code == 503
    assert "What runs in it goes on" in answer.json()["message"]


def test_the_servers_own_token_is_in_no_file_on_no_page_and_in_no_log(world):
    pages = [
        world.get(path)
        for path in ("no/such/page", "lab", "lab/tree/none", "files/none", "api/none")
    ]
    written = [path for path in world.home.rglob("*") if path.is_file()]
    assert [path.name for path in written if path.name.startswith("jpserver-")]
    told = [*(page.text for page in pages), *(read_text(path) for path in written)]
    # the page of the Lab has the browser's own, as the stock one
    assert BROWSER in pages[1].text
    assert not [text for text in told if CREDENTIAL in text]


def read_text(path: Path) -> str:
    return path.read_text(errors="replace")
