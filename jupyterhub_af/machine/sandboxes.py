"""Sandboxes that outlive who started them: kept in files, found again, ended.

Each is a file ``<name>.sandbox`` in a folder of its keeper's. A pid alone names nobody:
with its start time and the boot it is one process for ever.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from . import cgroup, process
from .bubblewrap import send

SUFFIX = ".sandbox"
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One sandbox: its outer process, the first one inside, and its control groups."""

    pid: int
    start_ticks: int
    init_pid: int
    init_start_ticks: int
    boot_id: str
    groups: tuple[Path, ...]

    @classmethod
    def of(cls, pid: int, init_pid: int, groups: Iterable[Path]) -> Sandbox:
        """Return what is to be kept of a sandbox that has just been started."""
        return cls(
            pid=pid,
            start_ticks=process.read_start_ticks(pid) or 0,
            init_pid=init_pid,
            init_start_ticks=process.read_start_ticks(init_pid) or 0,
            boot_id=process.read_boot_id(),
            groups=tuple(groups),
        )

    def is_running(self) -> bool:
        """Tell whether the first process inside still is the one that was started."""
        return process.is_same_process(
            self.init_pid, self.init_start_ticks, self.boot_id
        )

    def has_outer(self) -> bool:
        """Tell whether the outer process still is the one that was started."""
        return process.is_same_process(self.pid, self.start_ticks, self.boot_id)


def keep_sandbox(folder: Path, name: str, sandbox: Sandbox) -> None:
    """Write down a sandbox."""
    facts = {**asdict(sandbox), "groups": [str(path) for path in sandbox.groups]}
    aside = folder / f".{name}{SUFFIX}"
    aside.write_text(json.dumps(facts), encoding="utf8")
    aside.replace(folder / f"{name}{SUFFIX}")


def forget_sandbox(folder: Path, name: str) -> None:
    """Remove what was written down."""
    (folder / f"{name}{SUFFIX}").unlink(missing_ok=True)


def find_sandboxes(folder: Path) -> tuple[tuple[str, Sandbox], ...]:
    """Return the sandboxes of a folder by name; none where there is no folder.

    Another process may end and forget one meanwhile, which is then none.
    """
    found = []
    for path in sorted(folder.glob(f"[!.]*{SUFFIX}")):
        try:
            facts = json.loads(path.read_text(encoding="utf8"))
        except FileNotFoundError:
            continue
        groups = tuple(Path(group) for group in facts.pop("groups"))
        found.append((path.name.removesuffix(SUFFIX), Sandbox(**facts, groups=groups)))
    return tuple(found)


def end_sandbox(sandbox: Sandbox, *, within_seconds: float) -> None:
    """End a sandbox: the person's first process is asked, then all of it is killed.

    The outer bwrap passes no signal on; its death without ``--die-with-parent`` would
    leave the inside running. Blocks for ``within_seconds`` at most, and a moment.
    """
    if sandbox.is_running():
        for pid in process.read_children(sandbox.init_pid)[:1]:
            send(pid, signal.SIGTERM)
        _wait_for_end(sandbox, within_seconds)
    if sandbox.is_running():
        send(sandbox.init_pid, signal.SIGKILL)
        _wait_for_end(sandbox, 2.0)
    if sandbox.has_outer():
        send(sandbox.pid, signal.SIGKILL)


def _wait_for_end(sandbox: Sandbox, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while sandbox.is_running() and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)


def end_all_below(root: Path) -> int:
    """End every sandbox kept in the folders below ``root`` at once; return how many ran."""
    ended = 0
    for folder in (path for path in root.glob("*") if path.is_dir()):
        for name, sandbox in find_sandboxes(folder):
            ended += sandbox.is_running()
            end_sandbox(sandbox, within_seconds=0)
            cgroup.remove(sandbox.groups)
            forget_sandbox(folder, name)
    return ended
