"""The agent as a process: who may ask, what it answers, and how it meets a bad disk."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from storage_world import ensure, layout, plan_for
from worlds import FACILITY_TEXT, edited

from jupyterhub_af.catalogue import NOT_IN_FORCE
from jupyterhub_af.policy.messages import EnsureReply, Refusal, plan_to_json
from jupyterhub_af.storage.agent import Agent
from jupyterhub_af.storage.ensure import ensure_directories
from jupyterhub_af.storage.errors import AgentError

COMMAND = [sys.executable, "-m", "jupyterhub_af.storage"]
# also those areas that do not hang must answer in time, on a busy machine
DEADLINE_SECONDS = 2.5


@dataclass
class Running:
    """An agent that runs, and the hub's line to it."""

    folder: Path
    secret: str
    process: subprocess.Popen[bytes]

    def ask(
        self, method: str, path: str, *, secret: str | None = None, content: bytes = b""
    ):
        transport = httpx.HTTPTransport(uds=str(self.folder / "agent.sock"))
        with httpx.Client(
            transport=transport, base_url="http://agent", timeout=30
        ) as client:
            headers = {"Authorization": f"Bearer {secret or self.secret}"}
            return client.request(method, path, headers=headers, content=content)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


SERVICE_GID = 990001


def arguments(folder: Path) -> list[str]:
    return [
        f"--StorageApp.service_socket={folder / 'door' / 'agent.sock'}",
        f"--StorageApp.service_secret_file={folder / 'service-secret'}",
        f"--StorageApp.volume={folder / 'areas'}",
        f"--StorageApp.socket={folder / 'agent.sock'}",
        f"--StorageApp.hub_secret_file={folder / 'secret'}",
        f"--StorageApp.facility_file={folder / 'facility.yaml'}",
    ]


def prepare(folder: Path, text: str = FACILITY_TEXT) -> str:
    secret = secrets.token_hex(32)
    (folder / "door").mkdir(mode=0o750)
    if os.geteuid() == 0:
        os.chown(folder / "door", 0, SERVICE_GID)
        (folder / "door").chmod(0o2750)
    (folder / "service-secret").write_text(secrets.token_hex(32))
    (folder / "service-secret").chmod(0o600)
    (folder / "areas").mkdir()
    (folder / "secret").write_text(secret)
    (folder / "secret").chmod(0o600)
    (folder / "facility.yaml").write_text(text)
    return secret


@contextmanager
def running(
    folder: Path,
    *options: str,
    text: str = FACILITY_TEXT,
    before: Callable[[Path], None] = lambda _volume: None,
):
    secret = prepare(folder, text)
    before(folder / "areas")
    with started(folder, secret, options) as agent:
        yield agent


@contextmanager
def started(folder: Path, secret: str, options: Sequence[str] = ()):
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*COMMAND, *arguments(folder), *options], stdout=log, stderr=log
        )
    agent = Running(folder, secret, process)
    deadline = time.monotonic() + 60
    while (
        "ready" not in agent.log
        and time.monotonic() < deadline
        and process.poll() is None
    ):
        time.sleep(0.05)
    assert "ready" in agent.log, agent.log
    try:
        yield agent
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def agent():
    # short: a socket's path has 107 characters
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as agent:
        yield agent


def refusal(answer: httpx.Response) -> Refusal:
    found = Refusal.model_validate_json(answer.content)
    assert found.message.endswith(".")
    return found


def test_the_service_s_door_opens_to_its_group_alone(agent):
    found = (agent.folder / "door" / "agent.sock").stat()
    assert oct(found.st_mode & 0o777) == "0o660"
    if os.geteuid() == 0:
        assert found.st_gid == SERVICE_GID
    assert oct((agent.folder / "agent.sock").stat().st_mode & 0o777) == "0o600"


def test_the_service_ensures_no_plan(agent):
    secret = (agent.folder / "service-secret").read_text()
    body = plan_to_json(plan_for("student1"))
    answer = agent.ask("POST", "/ensure", secret=secret, content=body)
    assert (answer.status_code, refusal(answer).rule) == (401, "wrong-secret")


def test_one_secret_for_two_pairs_refuses_the_start():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "service-secret").write_text(prepare(folder))
        ended = subprocess.run(
            [*COMMAND, *arguments(folder)], capture_output=True, text=True, timeout=60
        )
    assert ended.returncode == 1
    assert "each pair has its own" in ended.stderr


def test_the_hub_gets_what_was_made_and_nothing_the_second_time(agent):
    body = plan_to_json(plan_for("student1"))
    answer = agent.ask("POST", "/ensure", content=body)
    assert answer.status_code == 200
    assert "private/student1" in EnsureReply.model_validate_json(answer.content).made
    again = agent.ask("POST", "/ensure", content=body)
    assert again.json() == {"made": [], "mended": []}


def test_a_wrong_secret_makes_nothing(agent):
    before = layout(agent.folder / "areas")
    body = plan_to_json(plan_for("teacher1"))
    for secret in ("wrong", agent.secret[:-1], agent.secret.upper()):
        answer = agent.ask("POST", "/ensure", secret=secret, content=body)
        assert answer.status_code == 401
        assert agent.secret not in answer.text
        refusal(answer)
    assert layout(agent.folder / "areas") == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b"{", 400, id="half of something"),
        pytest.param(b'{"uid": 0}', 400, id="no plan"),
        pytest.param(b"\xff\xfe", 400, id="no text"),
        pytest.param(b"[" * 5000, 400, id="deep"),
        pytest.param(b" " * 2_000_000, 413, id="too much"),
    ],
)
def test_what_is_no_plan_is_refused_in_words(agent, body, status):
    answer = agent.ask("POST", "/ensure", content=body)
    assert answer.status_code == status
    refusal(answer)
    assert "Traceback" not in answer.text


def test_a_plan_for_root_is_refused_in_words(agent):
    body = plan_to_json(replace(plan_for("teacher1"), uid=0))
    answer = agent.ask("POST", "/ensure", content=body)
    assert answer.status_code == 400
    assert refusal(answer).rule == "plan-ids"


def test_health_says_which_facility_is_obeyed(agent):
    answer = agent.ask("GET", "/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert len(answer.json()["facility_digest"]) == 16


def test_health_follows_the_edited_file_and_tells_nobody_what_is_in_it(agent):
    path = agent.folder / "facility.yaml"
    before = agent.ask("GET", "/health", secret="nobody").json()
    try:
        path.write_text(edited(("DODAS V5", "DODAS V6")))
        after = agent.ask("GET", "/health", secret="nobody").json()
        path.write_text("version: 1\nsecret-looking: value\n")
        bad = agent.ask("GET", "/health", secret="nobody").json()
    finally:
        path.write_text(FACILITY_TEXT)
    assert after["facility_digest"] != before["facility_digest"]
    assert (after["status"], after["problems"]) == ("ok", [])
    assert bad == after | {"status": "degraded", "problems": [NOT_IN_FORCE]}
    assert agent.log.count("secret-looking: is not a key here") == 1
    assert agent.ask("GET", "/health").json() == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(None, "cannot be read: No such file", id="no file"),
        pytest.param("version: 2", "version: ", id="a bad one"),
    ],
)
def test_without_a_good_facility_file_it_does_not_start(tmp_path, text, words):
    prepare(tmp_path)
    (tmp_path / "facility.yaml").unlink()
    if text is not None:
        (tmp_path / "facility.yaml").write_text(text)
    done = subprocess.run(
        [*COMMAND, *arguments(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_socket_is_the_owner_s_and_the_log_holds_no_secret(agent):
    mode = stat.S_IMODE((agent.folder / "agent.sock").stat().st_mode)
    assert mode == 0o600
    assert agent.secret not in agent.log


def test_it_ends_when_asked_and_takes_its_socket_along():
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as agent:
        agent.process.send_signal(signal.SIGTERM)
        assert agent.process.wait(30) == 0
        assert not (Path(name) / "agent.sock").exists()


def test_an_open_secret_file_and_a_missing_one_keep_it_from_starting(tmp_path):
    prepare(tmp_path)
    (tmp_path / "secret").chmod(0o644)
    done = subprocess.run(
        [*COMMAND, *arguments(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "is open to others" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (tmp_path / "secret").unlink()
    done = subprocess.run(
        [*COMMAND, *arguments(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "cannot be read" in done.stdout + done.stderr


@contextmanager
def small_disk(folder: Path, options: str):
    assert os.geteuid() == 0, "mounting needs root"
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_named_and_leaves_nothing_open(tmp_path):
    with small_disk(tmp_path / "areas", "size=64k,nr_inodes=4,mode=0711") as volume:
        with pytest.raises(AgentError) as refused:
            ensure(volume, plan_for("student1"))
        assert refused.value.status in (503, 507)
        assert (
            "full" in str(refused.value).lower()
            or "space" in str(refused.value).lower()
        )
        modes = {path: mode for path, (_, _, mode) in layout(volume).items()}
        assert set(modes.values()) <= {"0o711", "0o700", "0o755", "0o2775"}, modes


def test_a_read_only_disk_is_named(tmp_path):
    with small_disk(tmp_path / "areas", "mode=0711") as volume:
        subprocess.run(["mount", "-o", "remount,ro", str(volume)], check=True)
        with pytest.raises(AgentError) as refused:
            ensure(volume, plan_for("student1"))
        assert refused.value.status in (503, 507)
        assert "read-only" in str(refused.value).lower()


def test_an_area_that_hangs_is_named_in_time_and_holds_up_no_other(tmp_path):
    """The work of one area never ends; the deadline answers, and others go on."""
    volume = tmp_path / "areas"
    volume.mkdir()
    release = threading.Event()

    def hang(place, directories, owners):
        if any(directory.path.startswith("collab") for directory in directories):
            release.wait(60)
        return ensure_directories(place, directories, owners)

    async def ask() -> tuple[float, str, EnsureReply]:
        agent = Agent(volume, deadline_seconds=DEADLINE_SECONDS, ensure=hang)
        started = time.monotonic()
        with pytest.raises(AgentError) as refused:
            await agent.ensure_plan(plan_for("student1"))
        waited = time.monotonic() - started
        # the teacher has no folder, so nothing of hers hangs
        return waited, str(refused.value), await agent.ensure_plan(plan_for("teacher1"))

    try:
        waited, message, reply = asyncio.run(ask())
    finally:
        release.set()
    assert waited < 10 * DEADLINE_SECONDS
    assert "collabspace" in message
    assert "private/teacher1" in reply.made
