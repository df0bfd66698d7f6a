"""The agent that runs backups: in rounds and when asked, and what it says of failures."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import httpx
import pytest
from facility_world import descendants
from fuse_world import hanging_file_system
from test_storage_process import Running, running, started
from waiting import wait_until
from worlds import edited

from jupyterhub_af.policy.backup_messages import (
    BackupListReply,
    BackupListRequest,
    BackupPurgeReply,
    BackupPurgeRequest,
    BackupRunReply,
    BackupRunRequest,
    TreeBackups,
)
from jupyterhub_af.policy.messages import AuditEvent
from jupyterhub_af.policy.storage_messages import TreeName
from jupyterhub_af.storage.backup.times import parse_name, to_name

STUDENT, OTHER, GW = 1_000_001, 1_000_002, 2_000_001
BACKUP = "backup: {every: 15m, keep: 48}"
PRIVATE = "quota: 20G}", f"quota: 20G, {BACKUP}}}"


class Audit(BaseHTTPRequestHandler):
    """The service's end of the line, which keeps what it is told."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        event = AuditEvent.model_validate_json(self.rfile.read(length))
        self.server.events.append(event)  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def address_string(self) -> str:
        return "agent"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@dataclass
class World:
    """A running agent, its volume, and who hears its audit."""

    agent: Running
    events: list[AuditEvent]

    @property
    def volume(self) -> Path:
        return self.agent.folder / "areas"

    def ask(self, path: str, message: Any) -> httpx.Response:
        secret = (self.agent.folder / "service-secret").read_text()
        body = message.model_dump_json().encode()
        return self.agent.ask("POST", path, secret=secret, content=body)

    def run(self, **which: Any) -> tuple[TreeName, ...]:
        answer = self.ask("/backup/run", BackupRunRequest(**which))
        return BackupRunReply.model_validate_json(answer.content).trees

    def list(self, **which: Any) -> BackupListReply:
        answer = self.ask("/backup/list", BackupListRequest(**which))
        return BackupListReply.model_validate_json(answer.content)

    def wait_for(
        self, is_so: Callable[[TreeBackups], bool], **which: Any
    ) -> TreeBackups:
        def look() -> TreeBackups | None:
            found = self.list(**which).trees
            return found[0] if found and all(is_so(tree) for tree in found) else None

        try:
            return wait_until(look, seconds=120)
        except AssertionError as error:
            error.add_note(self.agent.log)
            raise

    def problems(self) -> str:
        return " ".join(self.agent.ask("GET", "/health").json()["problems"])


def make_tree(volume: Path, source: str, uid: int, gid: int, mode: int) -> Path:
    tree = volume / source
    tree.mkdir(parents=True)
    os.chown(tree, uid, gid)
    tree.chmod(mode)
    (tree / "file").write_text("text")
    return tree


@contextmanager
def world_with(
    *options: str, text: str = edited(PRIVATE), before: Callable[[Path], None]
) -> Iterator[World]:
    # short: a socket's path has 107 characters
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        socket = str(folder / "service.sock")
        with ThreadingUnixStreamServer(socket, Audit) as service:
            service.events = []  # type: ignore[attr-defined]
            threading.Thread(target=service.serve_forever, daemon=True).start()
            url = f"--StorageApp.service_url=unix:{socket}"
            with running(folder, url, *options, text=text, before=before) as agent:
                yield World(agent, service.events)  # type: ignore[attr-defined]
            service.shutdown()


def three_trees(volume: Path) -> None:
    make_tree(volume, "collab/collabspace/GW", 0, GW, 0o2770)
    make_tree(volume, "collab/collabspace/not-in-the-file", 0, GW, 0o2770)
    make_tree(volume, "private/student1", STUDENT, STUDENT, 0o700)
    make_tree(volume, "private/student2", OTHER, OTHER, 0o700)


COLLAB = TreeName(area="collabspace", kind="collab", owner="GW")
PRIVATE_TREE = TreeName(area="private", kind="private", owner="student1")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with world_with(before=three_trees) as world:
        yield world


def test_every_tree_of_the_areas_with_backups_has_one_soon_after_the_start(world):
    world.wait_for(lambda tree: bool(tree.generations))
    found = world.list()
    assert [(tree.tree.area, tree.tree.owner) for tree in found.trees] == [
        ("private", "student1"),
        ("private", "student2"),
        ("collabspace", "GW"),
    ]
    assert set(found.space_bytes) == {"private", "collabspace"}
    for tree, owner, mode in (
        (COLLAB, (0, GW), 0o550),
        (PRIVATE_TREE, (STUDENT, STUDENT), 0o500),
    ):
        folder = world.volume / "backups" / tree.area / tree.owner
        status = folder.stat()
        assert (status.st_uid, status.st_gid) == owner
        assert status.st_mode & 0o7777 == mode
        assert (folder / ".work").exists() is False


def test_asked_for_one_tree_its_change_is_there_when_it_is_idle(world):
    world.wait_for(lambda tree: tree.state == "idle" and bool(tree.generations))
    file = world.volume / "collab" / "collabspace" / "GW" / "file"
    file.write_text("a later text")
    assert world.run(tree=COLLAB) == (COLLAB,)
    found = world.wait_for(lambda tree: tree.state == "idle", tree=COLLAB)
    newest = found.generations[0]
    assert found.failure is None
    assert newest.new_files == 1
    folder = world.volume / "backups" / "collabspace" / "GW" / newest.name
    assert (folder / "file").read_text() == "a later text"


def test_asked_many_times_at_once_a_tree_is_copied_one_at_a_time(world):
    world.wait_for(lambda tree: tree.state == "idle" and bool(tree.generations))
    file = world.volume / "private" / "student1" / "file"
    file.write_text("many")
    before = len(world.list(tree=PRIVATE_TREE).trees[0].generations)
    threads = [
        threading.Thread(target=world.run, kwargs={"area": "private"}) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = world.wait_for(lambda tree: tree.state == "idle", tree=PRIVATE_TREE)
    assert found.failure is None
    assert len(found.generations) == before + 1


@pytest.mark.parametrize(
    ("which", "rule"),
    [
        ({"area": "shared"}, "no-backup"),
        ({"area": "nowhere"}, "no-backup"),
        ({"tree": COLLAB.model_copy(update={"owner": "HEP"})}, "no-tree"),
        ({"tree": COLLAB.model_copy(update={"owner": "../../etc"})}, "no-tree"),
        ({"tree": COLLAB.model_copy(update={"kind": "private"})}, "no-tree"),
    ],
    ids=["no backups", "no area", "not there yet", "a path", "another kind"],
)
def test_what_is_not_backed_up_is_refused_with_words(world, which, rule):
    answer = world.ask("/backup/run", BackupRunRequest(**which))
    assert (answer.status_code, answer.json()["rule"]) == (404, rule)
    assert answer.json()["message"].endswith(".")


def test_a_purged_path_is_gone_at_once_and_its_room_free_after_the_run(world):
    folder = world.volume / "private" / "student2"
    tree = PRIVATE_TREE.model_copy(update={"owner": "student2"})
    (folder / "token.txt").write_text("secret")
    world.run(tree=tree)
    world.wait_for(lambda found: found.state == "idle", tree=tree)
    (folder / "token.txt").unlink()
    request = BackupPurgeRequest(tree=tree, path="token.txt")
    answer = world.ask("/backup/purge", request)
    assert BackupPurgeReply.model_validate_json(answer.content).generations == 1
    backups = world.volume / "backups" / "private" / "student2"
    assert list(backups.glob("*Z/token.txt")) == []
    world.wait_for(lambda found: found.state == "idle", tree=tree)
    assert not (backups / ".work").exists()
    assert "token.txt" not in world.agent.log


def test_the_hub_may_not_ask(world):
    body = BackupRunRequest().model_dump_json().encode()
    assert world.agent.ask("POST", "/backup/run", content=body).status_code == 401


def test_an_area_that_gets_backups_while_the_agent_runs_has_them():
    def one_more(volume: Path) -> None:
        make_tree(volume, "shared/shared/student1", STUDENT, 2_000_003, 0o2775)

    more = edited(PRIVATE, ("class: hackathon}", f"class: hackathon, {BACKUP}}}"))
    with world_with(before=one_more) as world:
        (world.agent.folder / "facility.yaml").write_text(more)
        wait_until(
            lambda: any(world.volume.glob("backups/shared/student1/*Z")),
            seconds=60,
            what=world.agent.log,
        )
        folder = (world.volume / "backups" / "shared" / "student1").stat()
    assert (folder.st_uid, folder.st_gid) == (STUDENT, 2_000_003)
    assert folder.st_mode & 0o7777 == 0o550


def test_a_tree_that_hangs_is_given_up_and_told_and_holds_up_no_other_area():
    def hang_later(volume: Path) -> None:
        three_trees(volume)
        make_tree(volume, "collab/collabspace/HEP", 0, GW, 0o2770)

    hep = COLLAB.model_copy(update={"owner": "HEP"})
    option = "--StorageApp.backup_deadline_seconds=20"
    with world_with(option, before=hang_later) as world:
        world.wait_for(lambda tree: tree.state == "idle" and bool(tree.generations))
        with hanging_file_system(world.volume / "collab" / "collabspace" / "GW"):
            world.run(area="collabspace")
            (world.volume / "private" / "student1" / "new").touch()
            world.run(tree=PRIVATE_TREE)
            found = world.wait_for(lambda tree: tree.state == "idle", tree=PRIVATE_TREE)
            assert len(found.generations) == 2
            wait_until(lambda: "collabspace/GW failed" in world.problems(), seconds=120)
            world.wait_for(lambda tree: tree.state == "idle", tree=hep)
        failed = wait_until(lambda: world.events, seconds=20)[0]
        assert (failed.action, failed.target, failed.result) == (
            "backup.run",
            "collabspace:GW",
            "failed",
        )
        world.run(tree=COLLAB)
        wait_until(lambda: "failed" not in world.problems(), seconds=60)
        wait_until(lambda: len(world.events) == 2, seconds=20)
        assert world.events[1].result == "done"


def test_a_killed_agent_takes_its_workers_along_and_the_next_one_cleans():
    with world_with(before=three_trees) as world:
        world.wait_for(lambda tree: tree.state == "idle" and bool(tree.generations))
        tree = world.volume / "collab" / "collabspace" / "GW"
        before = list(world.volume.glob("backups/collabspace/GW/*Z"))
        # a sparse file takes long to read and little room
        with (tree / "large").open("wb") as file:
            file.truncate(2 * 1024**4)
        world.run(tree=COLLAB)
        work = world.volume / "backups" / "collabspace" / "GW" / ".work"
        wait_until(lambda: any(work.glob("new/.large.*")), seconds=60)
        pids = descendants(world.agent.process.pid)
        assert len(pids) >= 4
        world.agent.process.send_signal(signal.SIGKILL)
        world.agent.process.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in pids), seconds=20)
        assert list(world.volume.glob("backups/collabspace/GW/*Z")) == before
        (tree / "large").unlink()
        with started(world.agent.folder, world.agent.secret) as again:
            wait_until(lambda: not work.exists(), seconds=60, what=again.log)


def is_alive(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_names_of_generations_tell_their_time_and_nothing_else_does():
    assert to_name(1_767_607_200) == "2026-01-05T10-00-00Z"
    assert parse_name("2026-01-05T10-00-00Z") == 1_767_607_200
    for name in ("2026-13-05T10-00-00Z", ".2026-01-05T10-00-00Z", "x", "2026-01-05"):
        assert parse_name(name) is None
