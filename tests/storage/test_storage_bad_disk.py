"""A file system that hangs for real, a full one that is mended, and an ordinary user."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fuse_world import hanging_file_system
from ports import free_port
from storage_world import ensure, layout, plan_for
from waiting import wait_until
from worlds import FACILITY_TEXT

from jupyterhub_af.policy.messages import Refusal, plan_to_json
from jupyterhub_af.storage.agent import NOT_ROOT, Agent
from jupyterhub_af.storage.backup.rounds import NO_POWER
from jupyterhub_af.storage.errors import AgentError

ORDINARY = 1_000_077
# also those areas that do not hang must answer in time, on a busy machine
DEADLINE_SECONDS = 2.5


def test_a_real_hang_is_named_in_time_seen_in_health_and_holds_up_no_other(tmp_path):
    async def ask() -> tuple[float, str, tuple[str, ...], tuple[str, ...]]:
        agent = Agent(tmp_path, deadline_seconds=DEADLINE_SECONDS)
        started = time.monotonic()
        with pytest.raises(AgentError) as refused:
            await agent.ensure_plan(plan_for("student1"))
        waited = time.monotonic() - started
        teacher = await agent.ensure_plan(plan_for("teacher1"))
        return waited, str(refused.value), teacher.made, await agent.find_problems()

    with hanging_file_system(tmp_path / "collab"):
        waited, message, made, problems = asyncio.run(ask())
    # it hangs until the file system is closed
    assert waited < 10 * DEADLINE_SECONDS
    assert message.startswith(
        "The storage did not answer within 2.5 seconds (area collabspace)."
    )
    assert "private/teacher1" in made
    assert len(problems) == 1
    assert "collabspace" in problems[0]


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    assert os.geteuid() == 0, "mounting needs root"
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    subprocess.run(command, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_what_a_full_disk_left_undone_is_made_when_there_is_room(tmp_path):
    with small_disk(tmp_path / "areas", "size=64k,nr_inodes=4,mode=0711") as volume:
        with pytest.raises(AgentError, match="No space left on device") as refused:
            ensure(volume, plan_for("student1"))
        assert (refused.value.status, refused.value.rule) == (507, "storage-full")
        subprocess.run(
            ["mount", "-o", "remount,nr_inodes=100", str(volume)], check=True
        )
        ensure(volume, plan_for("student1"))
        whole = tmp_path / "whole"
        whole.mkdir()
        ensure(whole, plan_for("student1"))
        assert layout(volume) == layout(whole)


def test_health_says_that_the_volume_is_read_only(tmp_path):
    with small_disk(tmp_path / "areas", "mode=0711") as volume:
        subprocess.run(["mount", "-o", "remount,ro", str(volume)], check=True)
        problems = asyncio.run(Agent(volume).find_problems())
    assert problems == ("The volume is mounted read-only.",)


@contextmanager
def agent_of(
    folder: Path, *words: str, user: int = 0
) -> Iterator[subprocess.Popen[str]]:
    """Run an agent with its log on a pipe, as a given uid."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterhub_af.storage", *words],
        cwd=folder,
        user=user,
        group=user,
        extra_groups=[],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder with what an agent needs; short, for the socket's path."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "areas").mkdir()
        (folder / "secret").write_text(secrets.token_hex(32))
        (folder / "secret").chmod(0o600)
        (folder / "facility.yaml").write_text(FACILITY_TEXT)
        yield folder


def words_for(folder: Path, **changed: str) -> list[str]:
    traits = {
        "volume": str(folder / "areas"),
        "socket": str(folder / "s"),
        "hub_secret_file": str(folder / "secret"),
        "facility_file": str(folder / "facility.yaml"),
        **changed,
    }
    return [f"--StorageApp.{key}={value}" for key, value in traits.items()]


def wait_until_ready(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    log = ""
    for line in process.stderr:
        log += line
        if "is ready at" in line:
            return log
    raise AssertionError(log)


def client(folder: Path) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=str(folder / "s"))
    return httpx.Client(transport=transport, base_url="http://agent", timeout=30)


def test_an_ordinary_user_s_agent_makes_directories_and_says_what_is_missing(place):
    for path in (place, *place.iterdir()):
        os.chown(path, ORDINARY, ORDINARY)
    secret = (place / "secret").read_text()
    body = plan_to_json(plan_for("student1"))
    with agent_of(place, *words_for(place), user=ORDINARY) as process:
        assert NOT_ROOT in wait_until_ready(process)
        with client(place) as http:
            headers = {"Authorization": f"Bearer {secret}"}
            first = http.post("/ensure", content=body, headers=headers)
            again = http.post("/ensure", content=body, headers=headers)
            health = http.get("/health").json()
    assert first.status_code == 200, first.text
    assert again.json() == {"made": [], "mended": []}
    assert health["problems"] == [NOT_ROOT, NO_POWER]
    found = layout(place / "areas")
    assert {(uid, gid) for uid, gid, _ in found.values()} == {(ORDINARY, ORDINARY)}
    assert found["private/student1"][2] == "0o700"


def test_health_answers_while_an_area_hangs_and_people_wait_for_it(place):
    """The agent's loop waits for no disk: five wait for the area, and none holds it up."""
    secret = (place / "secret").read_text()
    headers = {"Authorization": f"Bearer {secret}"}
    body = plan_to_json(plan_for("student1"))

    def ask(_number: int) -> httpx.Response:
        with client(place) as http:
            return http.post("/ensure", content=body, headers=headers)

    words = words_for(place, deadline_seconds="10")
    with (
        hanging_file_system(place / "areas/collab"),
        agent_of(place, *words) as process,
        ThreadPoolExecutor(5) as pool,
    ):
        wait_until_ready(process)
        waiting = [pool.submit(ask, number) for number in range(5)]
        # as soon as somebody waits: the person's other areas are there
        wait_until((place / "areas/private/student1").exists, what="others are made")
        with client(place) as http:
            during = http.get("/health")
            teacher = http.post(
                "/ensure", content=plan_to_json(plan_for("teacher1")), headers=headers
            )
            assert not any(one.done() for one in waiting)
            refused = [one.result(30).json() for one in waiting]
            after = http.get("/health").json()["problems"]
    assert during.json()["status"] == "ok"
    assert "private/teacher1" in teacher.json()["made"]
    assert {one["rule"] for one in refused} == {"storage-slow"}
    silence = "The storage did not answer within 10 seconds (area collabspace)"
    assert [problem.split(".")[0] for problem in after] in (
        [silence],
        [silence, f"The area collabspace was not backed up: {silence}"],
    )


def test_a_long_body_without_a_length_is_cut_and_refused(place):
    secret = (place / "secret").read_text()
    with agent_of(place, *words_for(place)) as process:
        wait_until_ready(process)
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(30)
            line.connect(str(place / "s"))
            head = (
                "POST /ensure HTTP/1.1\r\nHost: agent\r\nTransfer-Encoding: chunked\r\n"
                f"Authorization: Bearer {secret}\r\n\r\n"
            )
            line.sendall(head.encode())
            # one byte more than is allowed, and the body does not end there
            piece = b"%x\r\n" % 65536 + b" " * 65536 + b"\r\n"
            line.sendall(piece * 16 + b"1\r\n \r\n")
            answer = line.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413")
    refused = Refusal.model_validate_json(answer.partition(b"\r\n\r\n")[2])
    assert refused.rule == "body-too-large"


def test_a_second_agent_does_not_take_the_socket_of_the_first(place):
    with agent_of(place, *words_for(place)) as first:
        wait_until_ready(first)
        with agent_of(place, *words_for(place)) as second:
            assert second.wait(60) == 1
            assert second.stderr is not None
            assert "stop it first." in second.stderr.read()
        with client(place) as http:
            assert http.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        pytest.param({"volume": "areas"}, "give an absolute path", id="a bare volume"),
        pytest.param({"socket": ""}, "Give StorageApp.socket", id="nowhere to listen"),
        pytest.param({"socket": "/x" * 80}, "cannot listen at", id="a long socket"),
        pytest.param({"first_gid": "5"}, "below StorageApp.first_gid", id="ranges"),
        pytest.param({"facility_file": "/none"}, "cannot be read", id="no facility"),
        pytest.param({"pid_file": "/none/pid"}, "cannot be written", id="no pid file"),
    ],
)
def test_what_keeps_it_from_starting_is_said_in_a_sentence(place, changed, words):
    with agent_of(place, *words_for(place, **changed)) as process:
        assert process.wait(60) == 1
        assert process.stderr is not None
        log = process.stderr.read()
    assert words in log
    assert "Traceback" not in log


def test_a_port_is_an_alternative_to_the_socket(place):
    port = free_port()
    with agent_of(place, *words_for(place, socket="", port=str(port))) as process:
        assert f"ready at http://127.0.0.1:{port}" in wait_until_ready(process)
        answer = httpx.get(f"http://127.0.0.1:{port}/health")
        assert answer.json()["status"] == "ok"
        refused = httpx.post(f"http://127.0.0.1:{port}/ensure", content=b"{}")
        assert refused.status_code == 401
