"""A little world of areas and generations to test in, and other people to be."""

from __future__ import annotations

import ctypes
import os
import pickle
import subprocess
from typing import TYPE_CHECKING, Any

from jupyterlab_af.generations import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OLD = "2026-11-18T09-00-00Z"
MIDDLE = "2026-11-19T09-00-00Z"
NEW = "2026-11-20T09-00-00Z"
ALL = (OLD, MIDDLE, NEW)
GW = "collabspace/GW"
GW_BACKUPS = "collabspace/backups/GW"
_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS of sched.h


class World:
    """A server's root with a private, a shared and a collab area that have backups."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for place in (GW, "private", "shared/student1", "shared/student2"):
            (root / place).mkdir(parents=True)
        self.backups = (GW_BACKUPS, "backups/private", "backups/shared/student1")
        self.mounted = frozenset(root / place for place in self.backups)
        for place in self.backups:
            for generation in ALL:
                (root / place / generation).mkdir(parents=True)
            (root / place / ".being-made").mkdir()
        self.shelf = Shelf(root, lambda: self.mounted)

    def now(self, path: str, content: str | bytes, *, at: float = 1000.0) -> Path:
        """Write a file as it is now."""
        return write(self.root / path, content, at)

    def then(
        self, generation: str, rest: str, content: str | bytes, *, at: float = 500.0
    ) -> Path:
        """Write a file of the collab folder as it was in a generation."""
        return write(self.root / GW_BACKUPS / generation / rest, content, at)

    def names(self, place: str = GW) -> list[str]:
        """Return what is in a folder now."""
        return sorted(path.name for path in (self.root / place).iterdir())

    def contents(self, place: str = GW) -> list[str]:
        """Return what is in the files of a folder now."""
        return sorted(p.read_text() for p in (self.root / place).iterdir())


def write(path: Path, content: str | bytes, at: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(raw)
    os.utime(path, (at, at))
    return path


def in_child(act: Callable[[], Any], *, uid: int | None = None) -> Any:
    """Return what a function returns in a process of its own, as another person if told.

    What the process mounts goes with it. What the function raises is raised.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, pickle.dumps(_outcome(act, uid)))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    result, error = pickle.loads(said)  # noqa: S301 - our own child's
    if error is not None:
        raise error
    return result


def _outcome(act: Callable[[], Any], uid: int | None) -> tuple[Any, Exception | None]:
    try:
        if uid is not None:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        return act(), None
    except Exception as error:
        return None, error


def mount_small_disk(folder: Path, *, size_bytes: int) -> None:
    """Mount an empty disk of this size for this process, and what it starts, alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["/usr/bin/mount", "--make-rprivate", "/"], check=True)
    options = f"size={size_bytes}"
    command = ["/usr/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    subprocess.run(command, check=True)
