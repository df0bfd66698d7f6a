"""From POST to a server that answers: ours against JupyterHub's own local spawner."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from .harness import ROOT, Report, Sample, compare, middle_seconds, rounds_wanted

sys.path.insert(0, str(ROOT / "tests"))
from facility_world import (
    Person,
    free_port,
    running_facility,
    wait_until,
)

TEXT = """
Wall time from the POST until the server answers. Both start the same environment's
single-user server on the same machine. Ours resolves, selects, registers, records a
plan, ensures directories and makes a sandbox; stock, JupyterHub's simple local spawner,
starts a process.
"""
STOCK = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}/"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.Spawner.cmd = ["{environment}/bin/jupyterhub-singleuser"]
c.Spawner.args = ["--allow-root"]
c.Spawner.environment = {{"JUPYTER_RUNTIME_DIR": "{folder}/runtime"}}
c.JupyterHub.services = [{{"name": "bench", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [{{"name": "bench-role", "services": ["bench"],
  "scopes": ["admin:users", "admin:servers"]}}]
"""


class Stock:
    """JupyterHub with the dummy authenticator and SimpleLocalProcessSpawner."""

    def __init__(self, folder: Path, environment: str) -> None:
        token = secrets.token_hex(32)
        self.url = f"http://127.0.0.1:{(port := free_port())}/hub/api/"
        self.http = httpx.Client(
            headers={"Authorization": f"token {token}"}, timeout=30
        )
        config = folder / "config.py"
        config.write_text(
            STOCK.format(
                port=port,
                hub_port=free_port(),
                proxy_port=free_port(),
                environment=environment,
                folder=folder,
                token=token,
            )
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(config)],
            cwd=folder,
            stdout=(folder / "log").open("w"),
            stderr=subprocess.STDOUT,
        )
        wait_until(self.is_up, seconds=60, what="the stock hub")
        self.http.post(f"{self.url}users/bench")

    def is_up(self) -> bool:
        try:
            return self.http.get(self.url).status_code == 200
        except httpx.HTTPError:
            return False

    def server(self) -> Any:
        return self.http.get(f"{self.url}users/bench").json()["servers"].get("", {})

    def start(self) -> None:
        assert self.http.post(f"{self.url}users/bench/server").status_code in (201, 202)
        wait_until(lambda: self.server().get("ready"), seconds=60, what="stock server")

    def stop(self) -> None:
        self.http.delete(f"{self.url}users/bench/server")
        wait_until(lambda: not self.server(), seconds=60, what="stock server stopped")

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        self.http.close()


@contextmanager
def running_stock(folder: Path, environment: str) -> Iterator[Stock]:
    folder.mkdir()
    stock = Stock(folder, environment)
    try:
        yield stock
    finally:
        stock.end()


@contextmanager
def stopped_after(person: Person) -> Iterator[None]:
    try:
        yield
    finally:
        if person.server():
            person.stop()


def timed(start: Callable[[], None], stop: Callable[[], None]) -> Sample:
    def sample() -> float:
        begin = time.monotonic()
        start()
        seconds = time.monotonic() - begin
        stop()
        return seconds

    return sample


def main() -> int:
    report = Report("start", "Start of a server (`benchmarks/start.py`)", TEXT)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begin = time.monotonic()
        with running_facility(folder / "data") as facility:
            up_seconds = time.monotonic() - begin
            settings = json.loads((folder / "data/hub/settings.json").read_text())
            environment = next(iter(settings["environments"].values()))
            person = facility.person("student1")
            person.log_in()
            with (
                running_stock(folder / "stock", environment) as stock,
                stopped_after(person),
            ):
                ours = timed(lambda: person.start(profile="dodas-v5"), person.stop)
                found = compare(
                    ("ours", "stock"),
                    ours,
                    timed(stock.start, stock.stop),
                    rounds=rounds_wanted(5),
                )
    report.add(found)
    a, b = middle_seconds(found)
    report.note("from POST to an answer", f"{a:.2f} s, stock {b:.2f} s")
    report.note("`up` with everything built, to ready", f"{up_seconds:.1f} s")
    return report.publish()


if __name__ == "__main__":
    sys.exit(main())
