"""Memory, cores and processes of a server held by the kernel's control groups.

Owns one group per server below ``jupyterhub-af``: made before the start, entered by
the sandbox's first process, removed after the stop. Both versions are known; on
version 2 the controllers must be delegated to the root of the hierarchy. Where neither
can be written, ``find_controller`` returns None and the hub says so at the start.

Source: Linux kernel, admin-guide/cgroup-v1 and cgroup-v2.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PARENT = "jupyterhub-af"
PERIOD_MICROSECONDS = 100_000
MAX_PROCESSES = 512
_V1 = ("memory", "cpu", "pids")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server may use."""

    cores: float
    memory_bytes: int
    processes: int = MAX_PROCESSES


@dataclass(frozen=True, slots=True)
class Controller:
    """The folders below which a server's groups are made: one each on version 1."""

    version: int
    parents: tuple[Path, ...]

    def make(self, name: str, limits: Limits) -> tuple[Path, ...]:
        """Make a server's groups with their limits; return their folders."""
        folders = []
        for parent in self.parents:
            folder = parent / name
            folder.mkdir(exist_ok=True)
            for file_name, value in _settings(self.version, parent, limits):
                _write(folder / file_name, value)
            folders.append(folder)
        return tuple(folders)


def find_controller(root: Path = ROOT) -> Controller | None:
    """Return what this machine offers and lets us write, or None."""
    try:
        if (root / "cgroup.controllers").exists():
            return _prepare_v2(root)
        if all((root / name / "cgroup.procs").exists() for name in _V1):
            parents = tuple(root / name / PARENT for name in _V1)
            for parent in parents:
                parent.mkdir(exist_ok=True)
            return Controller(1, parents)
    except OSError:
        return None
    return None


def _prepare_v2(root: Path) -> Controller:
    parent = root / PARENT
    parent.mkdir(exist_ok=True)
    for folder in (root, parent):
        _write(folder / "cgroup.subtree_control", "+memory +cpu +pids")
    return Controller(2, (parent,))


def _settings(
    version: int, parent: Path, limits: Limits
) -> tuple[tuple[str, str], ...]:
    quota = str(max(1000, int(limits.cores * PERIOD_MICROSECONDS)))
    memory, processes = str(limits.memory_bytes), str(limits.processes)
    if version == 2:
        return (
            ("memory.max", memory),
            ("memory.swap.max", "0"),
            ("cpu.max", f"{quota} {PERIOD_MICROSECONDS}"),
            ("pids.max", processes),
        )
    by_controller = {
        "memory": (("memory.limit_in_bytes", memory),),
        "cpu": (
            ("cpu.cfs_period_us", str(PERIOD_MICROSECONDS)),
            ("cpu.cfs_quota_us", quota),
        ),
        "pids": (("pids.max", processes),),
    }
    return by_controller[parent.parent.name]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii")


def enter(folders: tuple[Path, ...]) -> None:
    """Put the calling process into the groups: called between fork and exec."""
    for folder in folders:
        (folder / "cgroup.procs").write_text("0", encoding="ascii")


def remove(folders: tuple[Path, ...], *, attempts: int = 20) -> bool:
    """Remove a stopped server's groups; False if some process still is in one."""
    left = [folder for folder in folders if folder.exists()]
    for attempt in range(attempts):
        for folder in left:
            try:
                os.rmdir(folder)  # noqa: PTH106 - a control group holds files that only the kernel removes
            except FileNotFoundError:
                continue
            except OSError:
                time.sleep(0.05 if attempt else 0)
        left = [folder for folder in left if folder.exists()]
        if not left:
            return True
    return False
