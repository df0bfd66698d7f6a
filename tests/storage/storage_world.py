"""A volume of the test's own, and plans with numbers of the register's ranges."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from worlds import plan_of

from jupyterhub_af.policy.messages import EnsureReply
from jupyterhub_af.policy.plan import ServerPlan
from jupyterhub_af.storage.agent import Agent

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
