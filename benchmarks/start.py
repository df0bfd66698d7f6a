"""From POST to a server that answers: ours against JupyterHub's own local spawner.

Both start the same environment's single-user server on the same machine, in one run, in
rounds of A-B-B-A. Ours resolves, selects, registers, records a plan, ensures
directories and makes a sandbox; the stock spawner starts a process. The figure is the
median of the rounds' ratios.
"""

from __future__ import annotations

import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from facility_world import free_port, running_facility, wait_until  # noqa: E402

ROUNDS = int(os.environ.get("AF_ROUNDS", "5"))
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

    def server(self) -> dict:
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


def timed(start: Callable[[], None], stop: Callable[[], None]) -> float:
    begin = time.monotonic()
    start()
    seconds = time.monotonic() - begin
    stop()
    return seconds


def main() -> None:
    """Run the rounds and print a section of the record."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begin = time.monotonic()
        with running_facility(folder / "data") as facility:
            up_seconds = time.monotonic() - begin
            settings = json.loads((folder / "data/hub/settings.json").read_text())
            person = facility.person("student1")
            person.log_in()
            (folder / "stock").mkdir()
            stock = Stock(
                folder / "stock", next(iter(settings["environments"].values()))
            )
            try:
                rounds = run_rounds(person, stock)
            finally:
                stock.end()
                if person.server():
                    person.stop()
    report(up_seconds, rounds)


def run_rounds(person, stock: Stock) -> list[dict[str, float]]:
    def ours() -> float:
        return timed(lambda: person.start(profile="dodas-v5"), person.stop)

    def theirs() -> float:
        return timed(stock.start, stock.stop)

    ours()  # warms the file cache for both: it is one environment
    theirs()
    found = []
    for _ in range(ROUNDS):
        a1, b1, b2, a2 = ours(), theirs(), theirs(), ours()
        found.append({"ours": (a1 + a2) / 2, "stock": (b1 + b2) / 2})
    return found


def report(up_seconds: float, rounds: list[dict[str, float]]) -> None:
    ratios = [r["ours"] / r["stock"] for r in rounds]
    print("## Start of a server (`benchmarks/start.py`)")
    print()
    print(f"`up` with everything built: {up_seconds:.1f} s to ready.")
    print()
    print("| | seconds, median |")
    print("|---|---|")
    for key in ("ours", "stock"):
        print(f"| {key} | {statistics.median(r[key] for r in rounds):.2f} |")
    print()
    print(f"Ratio ours/stock, median of {len(rounds)} A-B-B-A rounds: ", end="")
    print(
        f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})."
    )
    print()
    print("Rounds: `" + json.dumps(rounds) + "`")


if __name__ == "__main__":
    main()
