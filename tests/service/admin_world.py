"""Service and storage agent as processes, in a data folder as ``up`` has it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fake_peers import FakeHub
from service_world import ServiceProcess, person, running


@dataclass
class Place:
    """A data folder as ``up`` has it, with a service and an agent that run."""

    data: Path
    service: ServiceProcess
    hub: FakeHub
    agent: subprocess.Popen | None = None

    @property
    def volume(self) -> Path:
        return self.data / "areas"

    def start_agent(self) -> None:
        traits = {
            "volume": self.volume,
            "socket": self.data / "hub.sock",
            "service_socket": self.data / "agent.sock",
            "hub_secret_file": self.service.folder / "hub",
            "service_secret_file": self.service.folder / "agent",
            "facility_file": self.service.facility_file,
        }
        given = [f"--StorageApp.{name}={value}" for name, value in traits.items()]
        log = self.data / "agent.log"
        log.write_text("")
        with log.open("ab") as output:
            self.agent = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub_af.storage", *given],
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + 30
        while "is ready at" not in log.read_text():
            assert self.agent.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop_agent(self, number: int = signal.SIGTERM) -> None:
        self.agent.send_signal(number)
        self.agent.wait(10)
        for name in ("hub.sock", "agent.sock"):
            (self.data / name).unlink(missing_ok=True)

    def add(self, name: str) -> int:
        """Let somebody log in who saves a file; return the uid."""
        with self.service.client() as client:
            account = client.post("/internal/accounts", json=person(name)).json()
        self.hub.users.add(name)
        for path in (f"private/{name}", f"backups/private/{name}"):
            folder = self.volume / path
            folder.mkdir(parents=True)
            (folder / "work.txt").write_text(f"work of {name}")
            for found in (folder, folder / "work.txt"):
                os.chown(found, account["uid"], account["uid"])
        return account["uid"]

    def log_in(self, name: str, **more: object):
        with self.service.client() as client:
            return client.post("/internal/accounts", json=person(name) | more)

    def audit(self) -> list[tuple[str, ...]]:
        with self.service.client(self.service.admin_secret) as client:
            found = client.get("/internal/admin/accounts").json()["accounts"]
            names = [line["name"] for line in found]
            lines = [
                client.get(f"/internal/admin/accounts/record?name={name}").json()
                for name in names
            ]
        return [
            (e["event"]["action"], e["event"]["target"], e["event"]["result"])
            for line in lines
            for e in line["events"]
            if e["event"]["actor"].startswith("unix:")
        ]


@contextmanager
def place_running():
    """Run a service and an agent; the hub is a stand-in at the wire."""
    # short: a socket's path has 107 characters
    with tempfile.TemporaryDirectory() as name, FakeHub().running() as hub:
        data = Path(name)
        folder = data / "service"
        folder.mkdir()
        (data / "areas").mkdir()
        more = {"agent_url": f"unix:{data / 'agent.sock'}"}
        service = ServiceProcess(folder, hub_url=hub.url, more=more)
        (data / "admin-secret").write_text(service.admin_secret)
        place = Place(data, service, hub)
        place.start_agent()
        try:
            with running(service):
                yield place
        finally:
            if place.agent.poll() is None:
                place.stop_agent()
