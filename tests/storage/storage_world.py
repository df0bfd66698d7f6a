"""A volume of the test's own, and plans with numbers of the register's ranges."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from waiting import wait_until
from worlds import plan_of

from jupyterhub_af.policy.messages import EnsureReply
from jupyterhub_af.policy.plan import ServerPlan
from jupyterhub_af.policy.storage import Directory
from jupyterhub_af.storage.accept import Owners
from jupyterhub_af.storage.agent import Agent, Ensure
from jupyterhub_af.storage.ensure import Calls, Volume, ensure_directories

STUDENT, FELLOW, TEACHER, STRANGER = 1_000_001, 1_000_002, 1_000_003, 1_000_004
GIDS = {
    "hackathon/gw": 2_000_001,
    "hackathon/hep": 2_000_002,
    "hackathon/teachers": 2_000_003,
}
UIDS = {"student1": STUDENT, "student2": FELLOW, "teacher1": TEACHER}


def plan_for(person: str) -> ServerPlan:
    """Return a person's plan; everybody has a uid of their own here."""
    plan = plan_of(person)
    gids = {group: GIDS[group] for group in plan.gids}
    return replace(plan, uid=UIDS[person], gid=UIDS[person], gids=gids)


def ensure(volume: Path, plan: ServerPlan, **options) -> EnsureReply:
    return asyncio.run(Agent(volume, **options).ensure_plan(plan))


def layout(volume: Path) -> dict[str, tuple[int, int, str]]:
    """Return every directory below the volume: path to uid, gid, mode."""
    found = {}
    for path in sorted(
        p for p in volume.rglob("*") if p.is_dir() and not p.is_symlink()
    ):
        status = path.stat()
        mode = oct(status.st_mode & 0o7777)
        found[str(path.relative_to(volume))] = (status.st_uid, status.st_gid, mode)
    return found


def changes(volume: Path) -> dict[str, int]:
    """Return when the inode of everything below the volume was changed last."""
    return {str(p): p.lstat().st_ctime_ns for p in (volume, *volume.rglob("*"))}


def ensure_counting(volume: Path, plan: ServerPlan) -> tuple[EnsureReply, list[str]]:
    """Ensure; return the reply and the names of the calls that change a volume."""
    made: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        def call(*words: Any, **options: Any) -> Any:
            made.append(name)
            return getattr(Calls(), name)(*words, **options)

        return call

    calls = Calls(**{one.name: counted(one.name) for one in fields(Calls)})
    return ensure(volume, plan, ensure=ensure_with(calls)), made


def ensure_with(calls: Calls) -> Ensure:
    """Return the agent's work with other calls than the system's own."""

    def work(
        volume: Volume, directories: Sequence[Directory], owners: Owners
    ) -> EnsureReply:
        return ensure_directories(replace(volume, calls=calls), directories, owners)

    return work


@contextmanager
def open_volume() -> Iterator[Path]:
    """Return a folder for a volume where every uid can come to."""
    assert os.geteuid() == 0, "owners can be tested by root only"
    above = Path(tempfile.mkdtemp())
    folder = above / "areas"
    folder.mkdir()
    for path in (folder, above):
        path.chmod(0o711)
    try:
        yield folder
    finally:
        wait_until(lambda: is_removed(above), what="the volume is removed")


def is_removed(folder: Path) -> bool:
    """Remove a folder, in which a disk that was late may still make something."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def run_as(uid: int, groups: list[int], script: str, *words: str) -> str:
    """Run a script by the system's Python, which every uid can execute."""
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-c", script, *words],
        user=uid,
        group=uid,
        extra_groups=groups,
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout
