"""A real little world around the service: its process, a hub, a PostgreSQL server."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from fake_peers import SERVICE_TOKEN
from ports import free_port

ISSUER = "https://iam.example.org/"
CONTACT = "support@example.org"
ACCESS = "access:services!service=af"
GROUPS = ("hackathon", "hackathon/gw")
FACILITY = """\
version: 1
name: Test facility
contact: support@example.org
iam:
  issuer: https://iam.example.org/
access:
  allowed_groups: [hackathon]
  admin_groups: [facility/admins]
profiles:
  - slug: dodas-v5
    display_name: DODAS V5
    image: registry.example.org/af/dodas:5
    sizes: [{slug: small, cores: 1, memory: 2G}]
storage:
  - {name: private, kind: private}
  - {name: collab, kind: collab, folders: {GW: hackathon/gw}}
"""


def write_secret(path: Path) -> str:
    secret = secrets.token_hex(32)
    path.write_text(f"{secret}\n")
    path.chmod(0o600)
    return secret


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def person(name: str, **more: object) -> dict[str, object]:
    """Return an account request of somebody whose subject is their name."""
    return {
        "issuer": ISSUER,
        "subject": f"subject-of-{name}",
        "preferred_username": name,
        **more,
    }


@dataclass
class ServiceProcess:
    """The service as a process of its own, with everything it needs in one folder."""

    folder: Path
    database_url: str = ""
    hub_url: str = ""
    more: dict[str, object] = field(default_factory=dict)
    process: subprocess.Popen | None = None
    hub_secret: str = ""
    gateway_secret: str = ""
    agent_secret: str = ""
    admin_secret: str = ""
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.facility_file = self.folder / "facility.yaml"
        if not self.facility_file.exists():
            self.facility_file.write_text(FACILITY)
        self.socket = self.folder / "af.sock"
        self.log = self.folder / "log"
        self.database_url = self.database_url or f"sqlite:///{self.folder}/af.sqlite"
        self.hub_secret = write_secret(self.folder / "hub")
        self.gateway_secret = write_secret(self.folder / "gateway")
        self.agent_secret = write_secret(self.folder / "agent")
        self.admin_secret = write_secret(self.folder / "admin")

    @property
    def traits(self) -> dict[str, object]:
        return {
            "facility_file": str(self.facility_file),
            "database_url": self.database_url,
            "socket": str(self.socket),
            "hub_secret_file": str(self.folder / "hub"),
            "gateway_secret_file": str(self.folder / "gateway"),
            "agent_secret_file": str(self.folder / "agent"),
            "admin_secret_file": str(self.folder / "admin"),
            "pid_file": str(self.folder / "pid"),
        } | self.more

    @property
    def command(self) -> list[str]:
        given = [f"--ServiceApp.{name}={value}" for name, value in self.traits.items()]
        return [sys.executable, "-m", "jupyterhub_af.service", *given]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONWARNINGS": "error",
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{self.port}",
            "JUPYTERHUB_SERVICE_PREFIX": "/services/af/",
            "JUPYTERHUB_API_URL": f"{self.hub_url}/hub/api",
            "JUPYTERHUB_API_TOKEN": SERVICE_TOKEN,
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:services!service=af"]',
        }

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while "Ready: " not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(self.log.read_text())
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Stop it; return how long that took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        return time.monotonic() - begun

    def edit(self, text: str) -> None:
        """Put another text into the facility file's place, whoever looks meanwhile."""
        aside = self.facility_file.with_suffix(".new")
        aside.write_text(text)
        aside.replace(self.facility_file)

    def client(self, secret: str | None = None) -> httpx.Client:
        """Return a client of the internal API."""
        return httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self.socket)),
            base_url="http://af",
            headers=bearer(self.hub_secret if secret is None else secret),
            timeout=30,
        )

    def public(self, path: str, token: str = "", headers=None) -> httpx.Response:
        """Ask the public API."""
        if token:
            headers = {"Authorization": f"token {token}"}
        url = f"http://127.0.0.1:{self.port}/services/af/{path}"
        return httpx.get(url, headers=headers, timeout=30)

    def post(self, path: str, token: str, body: object = None) -> httpx.Response:
        """Post to the public API."""
        headers = {"Authorization": f"token {token}"}
        url = f"http://127.0.0.1:{self.port}/services/af/{path}"
        return httpx.post(url, headers=headers, json=body, timeout=30)


@contextmanager
def running(service: ServiceProcess):
    service.start()
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait(10)


class Stream:
    """An open event stream: what it said so far, and what it says next."""

    def __init__(self, service: ServiceProcess, token: str, last_id: str = "") -> None:
        headers = {"Authorization": f"token {token}"}
        if last_id:
            headers["Last-Event-ID"] = last_id.encode()
        self._client = httpx.Client(timeout=30)
        url = f"http://127.0.0.1:{service.port}/services/af/api/events"
        request = self._client.build_request("GET", url, headers=headers)
        self.answer = self._client.send(request, stream=True)
        self._lines = self.answer.iter_lines()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()
        self._client.close()

    def next(self, kind: str = "") -> dict[str, object]:
        """Return the next event, of a kind if one is given; {} at the end."""
        found: dict[str, object] = {}
        deadline = time.monotonic() + 60
        for line in self._lines:
            # there is a line at least every ten seconds, also where nothing happens
            assert time.monotonic() < deadline, f"no event of the kind {kind!r}"
            key, _, value = line.partition(": ")
            if line and not line.startswith(":"):
                found[key] = json.loads(value) if key == "data" else value
            elif found and kind in ("", found["event"]):
                return found
            elif not line:
                found = {}
        return {}

    def take(self, count: int) -> list[dict[str, object]]:
        """Return the next events."""
        return [self.next() for _ in range(count)]


class PostgreSQL:
    """A real server of our own, on a Unix socket, as an ordinary user."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        assert found, "these tests need PostgreSQL: apt-get install postgresql"
        self.bin = found[-1]
        self.folder = Path(tempfile.mkdtemp(prefix="af-pg-"))
        self.password_file = self.folder / "password"
        self.password_file.write_text(secrets.token_hex(16))
        self.password_file.chmod(0o600)
        # initdb and postgres refuse to run as root
        self.user = {}
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid}
            for path in (self.folder, self.password_file):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)

    @contextmanager
    def running(self):
        data = self.folder / "data"
        self._make_data(data)
        options = ["-c", "listen_addresses=", "-c", "fsync=off"]
        with (self.folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [self.bin / "postgres", "-D", data, "-k", self.folder, *options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self.user,
            )
        try:
            self._wait(server)
            yield self
        finally:
            server.send_signal(signal.SIGQUIT)  # at once: the data is thrown away
            server.wait(20)
            shutil.rmtree(self.folder)

    def _wait(self, server: subprocess.Popen) -> None:
        log, deadline = self.folder / "log", time.monotonic() + 60
        while "ready to accept connections" not in log.read_text():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)

    def _make_data(self, data: Path) -> None:
        options = ("-U", "af", "-A", "scram-sha-256", "--no-sync")
        password = f"--pwfile={self.password_file}"
        subprocess.run(
            [self.bin / "initdb", "-D", data, *options, password],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **self.user,
        )

    @property
    def password(self) -> str:
        return self.password_file.read_text()

    def empty_database(self) -> str:
        """Return the URL of the database, emptied, without the password."""
        place = {"host": str(self.folder), "user": "af", "dbname": "postgres"}
        # where only SQLite is tested, the driver need not be there
        import psycopg

        with psycopg.connect(**place, password=self.password, autocommit=True) as link:
            link.execute("DROP SCHEMA public CASCADE")
            link.execute("CREATE SCHEMA public")
        return f"postgresql://af@/postgres?host={self.folder}"
