"""One login: what the hub's process works for it, ours and GenericOAuthenticator."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from jupyterhub_af.hub import templates_dir
from jupyterhub_af.hub.discovery import KEEP_FAILURE_SECONDS

from .harness import ROOT, Report, Round, compare, cpu_seconds_of, rounds_wanted

sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "tests" / "hub"))
sys.path.insert(0, str(ROOT / "tests" / "service"))
from fake_iam import CLIENT_ID, CLIENT_SECRET
from ports import free_port
from service_world import ServiceProcess, running

AT_MOST = 1.1
GROUPS = 50
LOGINS = 20
TEXT = f"""
CPU time of the hub's process for one login of a person with {GROUPS} groups: the way to
the IAM, and the way back, until the browser has its cookie. Every other process is a
process of its own: IAM, service, browser; there is no proxy. Ours: `IAMAuthenticator`,
which verifies the ID token, asks the service for the account and tells its audit.
Stock: oauthenticator's `GenericOAuthenticator` with the same IAM, groups, admin groups,
PKCE and encrypted state, plus one check of the same ID token's signature.
"""
FACILITY = """\
version: 1
name: Benchmark facility
contact: support@example.org
iam: {{issuer: "{issuer}"}}
access: {{allowed_groups: [experiment], admin_groups: [facility/admins]}}
profiles: [{{slug: one, image: "registry.example.org/af/one:5"}}]
storage: [{{name: private, kind: private}}]
"""


@dataclass
class Hub:
    """A hub in a process of its own."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def log_in(self) -> None:
        """Be a new browser that logs in."""
        with httpx.Client(timeout=20) as browser:
            away = browser.get(f"{self.url}oauth_login")
            assert away.status_code == 302, self.log.read_text()
            back = httpx.get(away.headers["Location"])
            assert back.status_code == 302, back.text
            done = browser.get(back.headers["Location"])
            is_in = "jupyterhub-hub-login" in done.cookies
            assert (done.status_code, is_in) == (302, True), self.log.read_text()

    def cpu_seconds(self, logins: int = LOGINS) -> float:
        """Return what the hub's process works for one login."""
        begin = cpu_seconds_of(self.process.pid)
        for _ in range(logins):
            self.log_in()
        return (cpu_seconds_of(self.process.pid) - begin) / logins


@contextmanager
def running_iam() -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "benchmarks.iam_process", str(GROUPS)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        yield json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(20) == 0


@contextmanager
def running_hub(folder: Path, config: dict[str, dict[str, Any]]) -> Iterator[Hub]:
    """Run a hub in its own folder, with what both have and what is given."""
    folder.mkdir()
    port = free_port()
    url = f"http://127.0.0.1:{port}/hub/"
    both: dict[str, dict[str, Any]] = {
        "JupyterHub": {
            "bind_url": f"http://127.0.0.1:{free_port()}/",
            "hub_port": port,
            "proxy_class": "benchmarks.hub_parts.NoProxy",
        },
        "CryptKeeper": {"keys": ["00" * 32]},
        "OAuthenticator": {
            "client_id": CLIENT_ID,
            "oauth_callback_url": f"{url}oauth_callback",
        },
    }
    lines = [
        f"c.{owner}.{name} = {value!r}"
        for part in (both, config)
        for owner, values in part.items()
        for name, value in values.items()
    ]
    (folder / "config.py").write_text("\n".join(lines))
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", "config.py"],
            cwd=folder,
            stdout=output,
            stderr=output,
        )
    try:
        wait_for(url, process, log)
        yield Hub(process, url, log)
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if httpx.get(f"{url}health").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(log.read_text())
        time.sleep(0.1)


def ours(folder: Path, service: ServiceProcess) -> dict[str, dict[str, Any]]:
    secret = folder / "client.secret"
    secret.write_text(CLIENT_SECRET)
    secret.chmod(0o600)
    return {
        "JupyterHub": {
            "authenticator_class": "jupyterhub_af.hub.authenticator.IAMAuthenticator",
            "template_paths": [templates_dir()],
        },
        "FacilityAware": {
            "facility_file": str(service.facility_file),
            "service_url": f"unix:{service.socket}",
            "service_secret_file": str(service.folder / "hub"),
        },
        "IAMAuthenticator": {"client_secret_file": str(secret)},
    }


def stock(iam: dict[str, str]) -> dict[str, dict[str, Any]]:
    issuer = iam["issuer"]
    return {
        "JupyterHub": {
            "authenticator_class": "benchmarks.hub_parts.SignedGenericOAuthenticator"
        },
        "SignedGenericOAuthenticator": {
            "client_secret": CLIENT_SECRET,
            "public_key": iam["key"],
            "issuer": issuer,
            "authorize_url": f"{issuer}authorize",
            "token_url": f"{issuer}token",
            "userdata_url": f"{issuer}userinfo",
            "username_claim": "preferred_username",
            "scope": ["openid", "profile", "email", "offline_access"],
            "enable_auth_state": True,
            "manage_groups": True,
            "auth_state_groups_key": "oauth_user.groups",
            "allowed_groups": {"experiment"},
            "admin_groups": {"facility/admins"},
        },
    }


def quiet_rounds(a: Hub, b: Hub, rounds: int) -> list[Round]:
    """Measure single logins, each after so long that ours asks for discovery again."""
    found = []
    for _ in range(rounds):
        seconds = []
        for first, second in ((a, b), (b, a)):
            time.sleep(KEEP_FAILURE_SECONDS + 1)
            seconds += [first.cpu_seconds(1), second.cpu_seconds(1)]
        found.append(Round((seconds[0], seconds[3]), (seconds[1], seconds[2])))
    return found


def milliseconds(rounds: tuple[Round, ...] | list[Round]) -> str:
    a = statistics.median(s for r in rounds for s in r.a) * 1000
    b = statistics.median(s for r in rounds for s in r.b) * 1000
    return f"{a:.1f} ms, stock {b:.1f} ms"


def main() -> int:
    report = Report("login", "One login (`benchmarks/login.py`)", TEXT)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        iam = stack.enter_context(running_iam())
        (folder / "service").mkdir()
        (folder / "service" / "facility.yaml").write_text(FACILITY.format(**iam))
        service = stack.enter_context(running(ServiceProcess(folder / "service")))
        a = stack.enter_context(running_hub(folder / "ours", ours(folder, service)))
        b = stack.enter_context(running_hub(folder / "stock", stock(iam)))
        found = compare(
            ("ours", "stock"), a.cpu_seconds, b.cpu_seconds, rounds=rounds_wanted(7)
        )
        quiet = quiet_rounds(a, b, rounds_wanted(5))
    report.add(found, at_most=AT_MOST)
    report.note("CPU of a login", milliseconds(found.last.rounds))
    report.note(
        "the same, the first in ten seconds (ours asks the IAM where it is)",
        f"{statistics.median(r.ratio for r in quiet):.2f}: {milliseconds(quiet)}",
    )
    return report.publish()


if __name__ == "__main__":
    sys.exit(main())
