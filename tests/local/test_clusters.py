"""Dask clusters of real servers: what they are made of, who reaches them, how they end."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from textwrap import dedent

import pytest
from cluster_world import (
    STOP_ALL,
    TWO_WORKERS,
    TWO_WORKERS_AND_WORK,
    parts_of,
    run,
    write_facility,
)
from facility_world import (
    RunningFacility,
    descendants,
    listening_ports,
    running_facility,
    start_facility,
    wait_until,
)
from kernel_world import Kernel, make_kernel

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def facility(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("af")
    file = write_facility(folder)
    with running_facility(folder / "data", "--facility", str(file)) as running:
        yield running


@pytest.fixture(scope="module")
def kernels(facility: RunningFacility):
    """Two students side by side, each with a server and a kernel."""
    found = {}
    for name in ("student1", "student2"):
        person = facility.person(name)
        person.log_in()
        person.start(profile="dodas-v5")
        found[name] = make_kernel(person)
    yield found
    for kernel in found.values():
        kernel.person.stop()


@pytest.fixture
def kernel(facility: RunningFacility, kernels: dict[str, Kernel]):
    """A new kernel of the first student; afterwards there is no cluster of theirs."""
    first = kernels["student1"]
    made = make_kernel(first.person)
    yield made
    made.end()
    # a test may have ended the gateway: what it does not hear is asked again
    wait_until(lambda: "all asked" in run(first, STOP_ALL), what="clusters stopped")
    folders = facility.data / "gateway" / "clusters"
    # they end some time after they were asked to
    wait_until(lambda: not list(folders.iterdir()), what="no cluster left")


def test_workers_are_the_person_with_the_servers_files_and_limits(kernel):
    lines = run(
        kernel,
        TWO_WORKERS
        + dedent("""
    def look():
        import os, resource
        def attempt(path):
            try:
                with open(path, "w") as file: file.write("x")
                return "yes"
            except OSError as error:
                return error.strerror
        return (
            os.getuid(), os.getgid(), os.getgroups(), os.environ["HOME"], os.getcwd(),
            attempt(f"/af/private/from-{os.environ['DASK_GATEWAY_CLUSTER_NAME'][:4]}"),
            attempt("/af/shared/a"), attempt("/etc/a"), os.environ["AF_PROFILE"],
        )
    def here():
        import os
        return (os.getuid(), os.getgid(), os.getgroups(), os.environ["HOME"], "/af/private",
                "yes", "Read-only file system", "Read-only file system", os.environ["AF_PROFILE"])
    print([tuple(map(str, v)) == tuple(map(str, here())) for v in client.run(look).values()])
    print(client.submit(sum, range(10)).result())
    import glob, os
    print([os.stat(p).st_uid == os.getuid() for p in glob.glob("/af/private/from-*")])
    """),
    )
    assert lines == ["[True, True]", "45", "[True]"]


def test_a_cluster_is_found_again_by_the_same_kernel_and_by_a_new_one(kernel, kernels):
    name = run(kernel, TWO_WORKERS + "print(mine.name, cluster() is mine)")[0].split()
    assert name[1] == "True"
    again = make_kernel(kernels["student1"].person)
    lines = run(
        again,
        """
    from jupyterlab_af.dask import cluster
    mine = cluster()
    client = mine.get_client()
    print(mine.name, len(client.scheduler_info()["workers"]))
    """,
    )
    again.end()
    assert lines == [f"{name[0]} 2"]


def test_nothing_hangs_where_stock_waits_for_itself(kernel):
    """Several clusters, a refused one, a lost variable, the collector in the loop's thread."""
    lines = run(
        kernel,
        """
    import gc, threading, time
    from jupyterlab_af.dask import cluster, ClusterError
    first = cluster(worker_cores=1)
    second = cluster(worker_cores=2)
    print(first.name != second.name)
    for size in (3, 4):
        try:
            cluster(worker_cores=size)
        except ClusterError as error:
            print(error)
    names = {first.name, second.name}
    del first
    second.loop.add_callback(gc.collect)
    gc.collect()
    time.sleep(0.5)
    print(cluster(worker_cores=1).name in names, cluster(worker_cores=2) is second)
    second.get_client().shutdown()
    print(second.status)
    """,
    )
    refused = "You have 2 Dask clusters and may have 2. Use the one you have, or stop one first."
    assert lines == ["True", refused, refused, "True True", "closed"]


def test_refusals_are_words_in_the_notebook(kernel):
    lines = run(
        kernel,
        """
    from jupyterlab_af.dask import cluster, ClusterError
    def attempt(work):
        try:
            work()
        except ClusterError as error:
            print(error)
    attempt(lambda: cluster(worker_cores=9))
    attempt(lambda: cluster(worker_memory="plenty"))
    mine = cluster()
    attempt(lambda: mine.scale(5))
    attempt(lambda: mine.adapt(maximum=5))
    """,
    )
    assert lines == [
        "worker_cores is 9 cores; here it goes from 1 core to 4 cores.",
        "worker_memory is 'plenty'; write GiB as a number, or a size such as 2G.",
        "5 workers of 1 core and 1 GiB are more than the 4 cores and 32 GiB that you may "
        "use. At most 4 fit.",
        "5 workers of 1 core and 1 GiB are more than the 4 cores and 32 GiB that you may "
        "use. At most 4 fit.",
    ]


def test_stocks_own_cluster_without_arguments_works(kernel):
    lines = run(
        kernel,
        """
    from dask_gateway import GatewayCluster
    stock = GatewayCluster()
    stock.scale(1)
    client = stock.get_client()
    print(client.submit(lambda x: x + 1, 41).result())
    print(stock.dashboard_link == f"/user/student1/jupyterlab-af/clusters/{stock.name}/status")
    stock.shutdown()
    """,
    )
    assert lines == ["42", "True"]


def test_no_port_of_a_cluster_tells_a_stranger_anything(facility, kernel, kernels):
    run(kernel, TWO_WORKERS)

    def open_ports() -> list[int]:
        parts = facility.cluster_parts().values()
        pids = {pid for part in parts for pid in descendants(part["pid"])}
        return sorted(listening_ports(pids))

    # a scheduler has its own port, the gateway's, and pages; a worker its own, its nanny's, pages
    wait_until(lambda: len(open_ports()) == 9, what="nine ports")
    ports = open_ports()
    lines = run(
        kernels["student2"],
        f"""
    import http.client, ssl, socket
    def attempt(port, path="/"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return "no HTTP"
    def shake(port):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
                with context.wrap_socket(line) as secret:
                    secret.sendall(b"x" * 64)
                    return secret.recv(1) or "closed"
        except OSError:
            return "closed"
    for port in {ports}:
        answers = [attempt(port, path) for path in ("/", "/status", "/json/identity.json", "/api/comm")]
        print(answers if set(answers) != {{"no HTTP"}} else shake(port))
    """,
    )
    allowed = {"[403, 403, 403, 403]", "closed", "[404, 404, 404, 405]"}
    assert set(lines) == allowed, lines
    assert lines.count("[403, 403, 403, 403]") == 3


def test_a_cluster_ends_with_its_server(facility, kernels):
    person = facility.person("researcher1")
    person.log_in()
    person.start(profile="dodas-v5")
    try:
        (name,) = run(make_kernel(person), TWO_WORKERS + "print(mine.name)")
        pids = {part["init_pid"] for part in parts_of(facility, name)}
        assert len(pids) == 3
    finally:
        person.stop()
    wait_until(lambda: not parts_of(facility, name), what="no cluster")
    wait_until(lambda: not [pid for pid in pids if Path(f"/proc/{pid}").exists()])


FIND_AND_USE = """
import time
from jupyterlab_af.dask import cluster
for _ in range(30):
    try:
        print(cluster().get_client().submit(sum, range(10)).result(timeout=10))
        break
    except Exception as error:
        said = error
        time.sleep(1)
else:
    print(repr(said))
"""


def test_clusters_go_on_while_the_gateway_is_started_again(facility, kernel, kernels):
    run(kernel, TWO_WORKERS)
    before = facility.cluster_parts()
    gateway = facility.pids()["gateway"]
    os.kill(gateway, signal.SIGKILL)
    assert run(kernel, "print(client.submit(sum, range(10)).result())") == ["45"]
    wait_until(
        lambda: facility.pids().get("gateway") not in (None, gateway), seconds=60
    )
    lines = run(
        kernel,
        """
    import time
    for _ in range(300):
        try:
            mine.scale(3)
            break
        except ClusterError as error:
            time.sleep(0.2)
    client.wait_for_workers(3, timeout=150)
    try:
        mine.scale(5)
    except ClusterError as error:
        print(error)
    print(client.submit(sum, range(10)).result())
    """,
    )
    assert "At most 4 fit." in lines[0]
    assert lines[1:] == ["45"]
    assert set(before) < set(facility.cluster_parts())
    # the way to it is known again, also to who comes anew
    other = make_kernel(kernels["student1"].person)
    assert run(other, FIND_AND_USE) == ["45"]
    other.end()


def test_clusters_go_on_while_their_proxy_is_started_again(facility, kernel):
    run(kernel, TWO_WORKERS)
    before = facility.cluster_parts()
    proxy = facility.pids()["dask-proxy"]
    os.kill(proxy, signal.SIGKILL)
    wait_until(
        lambda: facility.pids().get("dask-proxy") not in (None, proxy), seconds=60
    )
    assert run(kernel, FIND_AND_USE) == ["45"]
    assert facility.cluster_parts() == before


def test_sandboxes_that_the_gateway_does_not_know_are_ended(facility, kernel):
    run(kernel, TWO_WORKERS)
    pids = {part["init_pid"] for part in facility.cluster_parts().values()}
    gateway = facility.pids()["gateway"]
    os.kill(gateway, signal.SIGSTOP)
    (facility.data / "gateway" / "dask-gateway.sqlite").unlink()
    os.kill(gateway, signal.SIGKILL)
    wait_until(
        lambda: not [pid for pid in pids if Path(f"/proc/{pid}").exists()], seconds=60
    )
    wait_until(lambda: facility.cluster_parts() == {}, what="nothing kept")


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGKILL], ids=["asked", "killed"]
)
def test_nothing_is_left_of_a_cluster_when_up_ends(tmp_path, number):
    folder = tmp_path / "f"
    facility = start_facility(
        folder / "data", "--facility", str(write_facility(folder))
    )
    try:
        person = facility.person("student1")
        person.log_in()
        person.start(profile="dodas-v5")
        run(make_kernel(person), TWO_WORKERS)
        parts = facility.cluster_parts().values()
        pids = {part["init_pid"] for part in parts} | {part["pid"] for part in parts}
        groups = [Path(group) for part in parts for group in part["groups"]]
        assert len(pids) == 6
    finally:
        for person in facility.people:
            person.http.close()
        facility.process.send_signal(number)
        facility.process.wait(90)
    wait_until(
        lambda: not [pid for pid in pids if Path(f"/proc/{pid}").exists()], seconds=90
    )
    wait_until(lambda: not [group for group in groups if group.exists()])


def test_an_idle_cluster_ends_by_itself(tmp_path):
    folder = tmp_path / "f"
    file = write_facility(folder)
    file.write_text(file.read_text().replace("idle_timeout: 30m", "idle_timeout: 12s"))
    with running_facility(folder / "data", "--facility", str(file)) as facility:
        person = facility.person("student1")
        person.log_in()
        person.start(profile="dodas-v5")
        kernel = make_kernel(person)
        assert run(kernel, TWO_WORKERS_AND_WORK) == ["45"]
        began = time.monotonic()
        wait_until(lambda: not facility.cluster_parts(), what="idle end")
        assert time.monotonic() - began > 6
        assert run(kernel, "print(cluster().name != mine.name)") == ["True"]


def test_no_secret_of_a_cluster_is_anywhere_else(facility, kernel):
    run(kernel, TWO_WORKERS)
    plans = json.dumps(list(facility.plans().values()))
    # what `up` prints has the demo's passwords, on purpose
    seen = facility.logs() + plans
    found = [name for name, secret in facility.secrets().items() if secret in seen]
    assert found == []
    for key in facility.data.glob("gateway/clusters/*/inside/dask.pem"):
        assert key.read_text().splitlines()[3] not in seen
        assert key.stat().st_mode & 0o777 == 0o400
