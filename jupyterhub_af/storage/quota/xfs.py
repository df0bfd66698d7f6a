"""Quotas of XFS: a tree is a project, numbered by its directory's inode.

UNTESTED on a real XFS: the kernels this was built on have no quotas for it. The
commands and the numbers in them are tested; whether the file system obeys is not.

A project is given to an empty directory only, since what lies in a directory keeps the
project it had. An inode whose number is too large for a project is left to counting.

Source: xfs_quota(8), ioctl_xfs_fsgetxattr(2).
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jupyterhub_af.policy.storage_messages import Enforcement

_GET_ATTRIBUTES = 0x801C581F
_SET_ATTRIBUTES = 0x401C5820
_INHERIT = 0x200
_ATTRIBUTES = struct.Struct("=5I8s")
_LARGEST_PROJECT = 2**32 - 2
_TAKES_SECONDS = 20
_OPTIONS = frozenset({"prjquota", "pquota"})

Run = Callable[[Sequence[str]], bool]


def _run(command: Sequence[str]) -> bool:
    """Run a command; tell whether it went well."""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            command, check=False, capture_output=True, timeout=_TAKES_SECONDS
        )
        return done.returncode == 0
    return False


@dataclass(slots=True)
class Project:
    """The quota of one directory."""

    tree_fd: int
    mount: str
    run: Run = _run

    @property
    def name(self) -> Enforcement:
        """What it is called."""
        return "xfs"

    def hold(self, quota_bytes: int | None) -> bool:
        """Set the limit; one that this process set already is not set again."""
        number = os.fstat(self.tree_fd).st_ino
        known = (self.mount, number)
        if _held.get(known, -1) == quota_bytes:
            return True
        if not self._is_project(number):
            return False
        if not self.run(limit_command(self.mount, number, quota_bytes)):
            return False
        _held[known] = quota_bytes
        return True

    def settle(self) -> None:
        """Do nothing: counting is the word here."""

    def used_bytes(self) -> int | None:
        """Leave it to counting: the number would cost a process at each look."""
        return None

    def _is_project(self, number: int) -> bool:
        """Make the directory a project unless it is one; tell whether it is."""
        if number > _LARGEST_PROJECT:
            return False
        attributes = bytearray(_ATTRIBUTES.size)
        try:
            fcntl.ioctl(self.tree_fd, _GET_ATTRIBUTES, attributes)
            flags, size, extents, project, copy, rest = _ATTRIBUTES.unpack(attributes)
            if project == number and flags & _INHERIT:
                return True
            with os.scandir(self.tree_fd) as entries:
                if next(entries, None) is not None:
                    return False
            wanted = (flags | _INHERIT, size, extents, number, copy, rest)
            fcntl.ioctl(
                self.tree_fd, _SET_ATTRIBUTES, bytearray(_ATTRIBUTES.pack(*wanted))
            )
        except OSError:
            return False
        return True


_held: dict[tuple[str, int], int | None] = {}


def limit_command(mount: str, project: int, quota_bytes: int | None) -> tuple[str, ...]:
    """Return the command that limits a project; 0 is no limit."""
    limit = f"limit -p bhard={quota_bytes or 0} {project}"
    return ("xfs_quota", "-x", "-c", limit, mount)


def find(tree_fd: int) -> Project | None:
    """Return the quota of a tree on an XFS that is mounted with project quotas."""
    mount = mount_of(os.fstat(tree_fd).st_dev)
    return Project(tree_fd, mount) if mount is not None else None


@cache
def mount_of(device: int) -> str | None:
    """Return where an XFS with project quotas is mounted; None where it is none."""
    text = Path("/proc/self/mountinfo").read_text("utf8", "surrogateescape")
    return parse_mounts(text, f"{os.major(device)}:{os.minor(device)}")


def parse_mounts(text: str, device: str) -> str | None:
    """Return the mount of a device in the kernel's list, if it is such an XFS."""
    for line in text.splitlines():
        fields, _, more = line.partition(" - ")
        kind, _, options = more.partition(" ")
        found = fields.split(" ")
        is_held = _OPTIONS & set(options.rpartition(" ")[2].split(","))
        if kind == "xfs" and found[2] == device and is_held:
            return found[4]
    return None
