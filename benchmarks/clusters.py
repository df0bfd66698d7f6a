"""Dask clusters from a notebook: ours against the stock gateway, and LocalCluster."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from .harness import ROOT, Report, Sample, compare, middle_seconds, rounds_wanted

sys.path.insert(0, str(ROOT / "tests"))
from facility_world import free_port, running_facility, wait_until
from kernel_world import Kernel, make_kernel

from jupyterhub_af.local.up import DEMO_FACILITY

TEXT = """
All from one kernel of one server of a facility on one machine, wall time. Ours: clusters of
the facility, each process in a sandbox held to its cores and memory. Stock: Dask Gateway's
own server with its local backend (`UnsafeLocalBackend`, which is what runs without an
account on the machine for each person) and the same environment, same versions, no
sandbox. Two workers of one core each. LocalCluster: two worker processes inside the
server's own sandbox, without TLS and without a proxy. A start ends when the second worker
has joined; a round trip is one task and its result.
"""
STOCK = """
c.DaskGateway.address = "127.0.0.1:{port}"
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.Proxy.address = "127.0.0.1:{proxy_port}"
c.ClusterConfig.scheduler_cmd = ["{environment}/bin/dask", "scheduler"]
c.ClusterConfig.worker_cmd = ["{environment}/bin/dask", "worker"]
c.ClusterConfig.worker_memory = "1 G"
"""
SET_UP = """
import time
from dask.distributed import Client, LocalCluster
from dask_gateway import GatewayCluster
from dask_gateway.auth import BasicAuth
from jupyterlab_af.dask import cluster
inc = lambda x: x + 1

def make_ours():
    made = cluster()
    made.scale(2)
    return made
def make_stock():
    made = GatewayCluster(address="{address}", proxy_address="{proxy}", auth=BasicAuth("bench"))
    made.scale(2)
    return made
def make_alone():
    return LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="1GiB", dashboard_address=None)
makers = dict(ours=make_ours, stock=make_stock, alone=make_alone)

def start(kind):
    begin = time.perf_counter()
    made = makers[kind]()
    with Client(made, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        seconds = time.perf_counter() - begin
    made.close()
    time.sleep(1)
    print(seconds)
def many(kind, count=1000):
    begin = time.perf_counter()
    clients[kind].gather(clients[kind].map(inc, range(count), pure=False))
    print(time.perf_counter() - begin)
def trips(kind, count=50):
    begin = time.perf_counter()
    for n in range(count):
        clients[kind].submit(inc, n, pure=False).result()
    print((time.perf_counter() - begin) / count)
"""
OPEN = """
held = {kind: make() for kind, make in makers.items()}
clients = {kind: Client(made, set_as_default=False) for kind, made in held.items()}
for client in clients.values():
    client.wait_for_workers(2, timeout=60)
"""
ADOPT = """
import time
from jupyterlab_af.dask import cluster
begin = time.perf_counter()
mine = cluster()
print(time.perf_counter() - begin)
"""
CLOSE = """
for kind, made in held.items():
    clients[kind].close()
    made.close()
"""


@contextmanager
def running_stock(folder: Path, environment: str) -> Iterator[tuple[str, str]]:
    """Run the stock gateway; give its address and its scheduler proxy's."""
    folder.mkdir()
    port, proxy_port = free_port(), free_port()
    config = folder / "config.py"
    config.write_text(
        STOCK.format(port=port, proxy_port=proxy_port, environment=environment)
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask_gateway_server", "-f", str(config)],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    address = f"http://127.0.0.1:{proxy_port}"
    try:
        wait_until(lambda: is_up(f"{address}/api/health"), seconds=30, what="stock")
        yield address, f"gateway://127.0.0.1:{proxy_port}"
    finally:
        process.terminate()
        process.wait(60)


def is_up(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def sample(kernel: Kernel, code: str) -> Sample:
    """Return a sample whose seconds a kernel prints."""

    def measure() -> float:
        printed = kernel.run(code, seconds=180)
        return float(printed.strip().splitlines()[-1])

    return measure


def larger_facility(folder: Path) -> Path:
    """Return the demo's file with servers as large as the machine."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    text = DEMO_FACILITY.read_text(encoding="utf8")
    small = "slug: small, display_name: Small, cores: 1, memory: 2G"
    assert small in text
    file = folder / "facility.yaml"
    file.write_text(
        text.replace(
            small, small.replace("cores: 1, memory: 2G", "cores: 2, memory: 6G")
        )
    )
    return file


def measure(report: Report, kernel: Kernel, stock: tuple[str, str]) -> None:
    kernel.run(SET_UP.format(address=stock[0], proxy=stock[1]), seconds=60)
    rounds = rounds_wanted(5)

    def against(name: str, code: str, at_most: float) -> None:
        ours, theirs, alone = (
            sample(kernel, code.format(kind)) for kind in ("ours", "stock", "alone")
        )
        found = compare((f"{name}: ours", "stock"), ours, theirs, rounds=rounds)
        report.add(found, at_most=at_most)
        a, b = middle_seconds(found)
        c = alone()
        report.note(
            name,
            f"{a * 1000:.1f} ms, stock {b * 1000:.1f} ms, LocalCluster {c * 1000:.1f} ms",
        )

    against("time to two workers", "start('{}')", 1.15)
    kernel.run(OPEN, seconds=120)
    # 0.95 of the tasks in a second is 1/0.95 of the time
    against("time of 1000 tasks", "many('{}')", round(1 / 0.95, 3))
    against("round trip", "trips('{}')", 1.1)
    other = make_kernel(kernel.person)
    other.run("import jupyterlab_af.dask", seconds=60)
    seconds = sample(other, ADOPT)()
    report.check(
        "adopting an existing cluster in a new kernel",
        f"{seconds:.3f} s",
        bound="at most 0.3 s",
        passed=seconds <= 0.3,
    )
    kernel.run(CLOSE, seconds=60)


def main() -> int:
    report = Report("clusters", "Dask clusters (`benchmarks/clusters.py`)", TEXT)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        file = larger_facility(folder / "f")
        with running_facility(folder / "data", "--facility", str(file)) as facility:
            settings = json.loads((folder / "data/hub/settings.json").read_text())
            environment = next(iter(settings["environments"].values()))
            person = facility.person("student1")
            person.log_in()
            person.start(profile="dodas-v5")
            with running_stock(folder / "stock", environment) as stock:
                measure(report, make_kernel(person), stock)
            person.stop()
    return report.publish()


if __name__ == "__main__":
    sys.exit(main())
