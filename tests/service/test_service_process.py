"""The service as a process: starts or says why not, stops at once, forgets nothing."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import stat
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from ports import free_port
from service_world import (
    FACILITY,
    ServiceProcess,
    bearer,
    person,
    running,
)

from jupyterhub_af.catalogue import NOT_IN_FORCE
from jupyterhub_af.service.store import BUSY_SECONDS


@pytest.fixture
def one(tmp_path):
    """Return a service that does not run yet."""
    return ServiceProcess(tmp_path)


def refused(one: ServiceProcess, **more: object) -> str:
    """Start a service that must refuse to; return what it said."""
    one.more |= more
    ended = subprocess.run(
        one.command,
        env=one.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    said = ended.stdout + ended.stderr
    assert "Traceback" not in said
    assert one.hub_secret not in said
    return said


def test_every_problem_of_the_file_is_said_at_the_start(one):
    text = FACILITY.replace("2G", "2 potatoes").replace("admin_groups", "admins")
    one.facility_file.write_text(text)
    said = refused(one)
    assert f"{one.facility_file}:8: access.admins:" in said
    assert f"{one.facility_file}:13: profiles.0.sizes.0.memory:" in said


def test_a_taken_port_refuses_the_start(one):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", one.port))
        other.listen()
        assert f"Nothing can listen at 127.0.0.1:{one.port}" in refused(one)
    assert not one.socket.exists()


def test_a_second_service_never_takes_the_first_ones_socket(one):
    with running(one):
        assert "Another process answers at" in refused(one)
        with one.client() as client:
            assert client.get("/health").status_code == 200


def test_the_socket_of_a_dead_service_is_no_harm(one):
    with running(one):
        one.stop(signal.SIGKILL)
        assert one.socket.exists()
        one.start()
        with one.client() as client:
            assert client.get("/health").json()["status"] == "ok"


def test_what_it_writes_only_its_user_can_read(one):
    with running(one):
        made = [one.socket, one.folder / "pid", *one.folder.glob("af.sqlite*")]
        modes = {stat.S_IMODE(path.stat().st_mode) for path in made}
    assert modes == {0o600}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=str)
def test_it_stops_at_once_and_leaves_nothing(one, number):
    def seconds_to_stop() -> float:
        with running(one), one.client() as client:
            client.get("/health")
            seconds = one.stop(number)
            assert one.process.returncode == 0
        return seconds

    # others use the machine too
    assert any(seconds_to_stop() < 3 for _ in range(3))
    left = {path.name for path in one.folder.iterdir()}
    secrets = {"hub", "gateway", "agent", "admin"}
    assert left == {"facility.yaml", "af.sqlite", "log"} | secrets


def test_it_stops_at_once_while_a_request_waits_for_the_database(one):
    def ask() -> None:
        with pytest.raises(httpx.TransportError), one.client() as client:
            client.post("/internal/accounts", json=person("alice"))

    with running(one):
        other = sqlite3.connect(one.folder / "af.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.3)
        # closing may take 0.8 seconds, the request would wait for five
        assert one.stop() < BUSY_SECONDS - 1
        asking.join()
        other.close()


def test_a_locked_database_is_said_with_words(one):
    with running(one), one.client() as client:
        other = sqlite3.connect(one.folder / "af.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        reply = client.post("/internal/accounts", json=person("alice"))
        other.close()
        assert reply.status_code == 503
        assert reply.json()["rule"] == "database-unreachable"
        assert "subject-of-alice" not in one.log.read_text()
        again = client.post("/internal/accounts", json=person("alice"))
        assert again.json()["name"] == "alice"


def test_a_kill_in_the_middle_gives_no_number_twice(one):
    answered: dict[str, int] = {}
    port = free_port()
    one.more = {"internal_port": port}
    url = f"http://127.0.0.1:{port}/internal/accounts"

    def register(number: int) -> None:
        try:
            reply = client.post(url, json=person(f"p{number}"))
        except httpx.TransportError:
            return
        answered[reply.json()["name"]] = reply.json()["uid"]

    headers = bearer(one.hub_secret)
    with running(one), httpx.Client(headers=headers, timeout=30) as client:
        with ThreadPoolExecutor(8) as pool:
            for number in range(200):
                pool.submit(register, number)
            deadline = time.monotonic() + 60
            while len(answered) < 20 and time.monotonic() < deadline:
                time.sleep(0.01)
            one.stop(signal.SIGKILL)
        before = dict(answered)
        assert 20 <= len(before) < 200
        one.start()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(register, range(40)))
        last = client.post(url, json=person("last")).json()
    assert before.items() <= answered.items()
    assert len(set(answered.values())) == len(answered)
    assert last["uid"] > max(answered.values())


def test_it_runs_on_postgresql_with_a_password_from_a_file(tmp_path, postgresql):
    password = tmp_path / "password"
    password.write_text(postgresql.password)
    password.chmod(0o600)
    one = ServiceProcess(
        tmp_path,
        database_url=postgresql.empty_database(),
        more={"database_password_file": password},
    )
    with running(one), one.client() as client:
        with ThreadPoolExecutor(10) as pool:
            replies = pool.map(
                lambda n: client.post("/internal/accounts", json=person(f"p{n}")),
                range(50),
            )
            uids = {reply.json()["uid"] for reply in replies}
        assert len(uids) == 50
        assert client.get("/health").json()["status"] == "ok"
        assert postgresql.password not in one.log.read_text()


def test_an_edit_of_the_file_shows_in_the_health(one):
    with running(one), one.client() as hub, one.client("nobody") as anybody:
        before = anybody.get("/health").json()
        one.edit(FACILITY.replace("DODAS V5", "DODAS V6"))
        after = anybody.get("/health").json()
        assert after["facility_digest"] != before["facility_digest"]
        one.edit("version: 2\nsecret-looking: value")
        told = hub.get("/health").json()
        assert told["status"] == "degraded"
        assert told["facility_digest"] == after["facility_digest"]
        assert any("secret-looking" in problem for problem in told["problems"])
        shown = anybody.get("/health").json()
        assert shown["status"] == "degraded"
        assert "secret-looking" not in str(shown)
        assert shown["problems"] == [NOT_IN_FORCE]
        page = hub.get("/metrics").text
        assert f"af_facility_problems {len(told['problems'])}.0" in page
        assert "af_facility_accepted_timestamp_seconds 1" in page
        assert f'af_facility_info{{digest="{after["facility_digest"]}"}} 1.0' in page
        log = one.log.read_text()
        assert log.count("Kept the last good facility") == len(told["problems"])
        one.edit(FACILITY)
        assert anybody.get("/health").json() == before
        assert "af_facility_problems 0.0" in hub.get("/metrics").text


def test_a_port_for_the_internal_api_needs_the_secret_too(tmp_path):
    one = ServiceProcess(tmp_path)
    port = free_port()
    one.more = {"socket": "", "internal_port": port}
    with running(one):
        url = f"http://127.0.0.1:{port}/internal/accounts"
        assert httpx.post(url, json=person("alice")).status_code == 401
        # the public port has no internal address at all
        other = f"http://127.0.0.1:{one.port}/internal/accounts"
        assert httpx.post(other, json=person("alice")).status_code == 404


def test_the_ready_line_names_where_it_listens(one):
    with running(one):
        (line,) = one.log.read_text().splitlines()
        assert (
            f"Ready: {one.socket} and http://127.0.0.1:{one.port}/services/af/" in line
        )
        assert (one.folder / "pid").read_text() == f"{one.process.pid}\n"
        assert os.getpgid(one.process.pid)
