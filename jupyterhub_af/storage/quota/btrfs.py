"""Quotas of btrfs: a tree is a subvolume, and its qgroup has the limit.

The kernel is asked by descriptor, as everywhere in the agent, and its numbers are read
where it shows them. They are as of the last commit, which is seconds ago.

A directory that is there already cannot become a subvolume. A person can make
subvolumes of their own inside theirs, whose size no limit of the outer one holds: where
people have terminals, this is a fence and no wall.

Source: btrfs-ioctl(2), linux/btrfs.h, Documentation/ABI/testing/sysfs-fs-btrfs (Linux).
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jupyterhub_af.policy.storage_messages import Enforcement

_SYNC = 0x9408
_SUBVOL_CREATE = 0x5000940E
_INO_LOOKUP = 0xD0009412
_FS_INFO = 0x8400941F
_QGROUP_LIMIT = 0x8030942B
_ROOT_INODE = 256
_LIMIT_REFERENCED = 1
_NO_LIMIT = 2**64 - 1
_SHOWN = Path("/sys/fs/btrfs")
# what refuses ioctls: another file system, and a container without the right
_NOT_HERE = frozenset({errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS})
_MAY_NOT = frozenset({errno.EPERM, errno.EACCES, errno.ENOTCONN, errno.EROFS})


@dataclass(frozen=True, slots=True)
class Qgroup:
    """The quota of one subvolume."""

    tree_fd: int
    shown: Path

    @property
    def name(self) -> Enforcement:
        """What it is called."""
        return "btrfs"

    def hold(self, quota_bytes: int | None) -> bool:
        """Set the limit where it is another one."""
        if self._limit() == quota_bytes:
            return True
        most = _NO_LIMIT if quota_bytes is None else quota_bytes
        wanted = struct.pack("=6Q", 0, _LIMIT_REFERENCED, most, 0, 0, 0)
        try:
            fcntl.ioctl(self.tree_fd, _QGROUP_LIMIT, bytearray(wanted))
        except OSError as error:
            if error.errno in _MAY_NOT | _NOT_HERE:
                return False
            raise
        return self._limit() == quota_bytes

    def settle(self) -> None:
        """Have the last writes and deletions counted."""
        fcntl.ioctl(self.tree_fd, _SYNC)

    def used_bytes(self) -> int | None:
        """Return what the subvolume refers to."""
        return self._read("referenced")

    def _limit(self) -> int | None:
        flags, most = self._read("limit_flags"), self._read("max_referenced")
        return most if flags and flags & _LIMIT_REFERENCED and most else None

    def _read(self, name: str) -> int | None:
        try:
            return int((self.shown / name).read_text("ascii"))
        except (OSError, ValueError):
            return None


def find(tree_fd: int) -> Qgroup | None:
    """Return the quota of a tree that is a subvolume of a btrfs with quotas."""
    groups = _groups(tree_fd)
    if groups is None or os.fstat(tree_fd).st_ino != _ROOT_INODE:
        return None
    shown = groups / f"0_{_subvolume(tree_fd)}"
    return Qgroup(tree_fd, shown) if shown.is_dir() else None


def has_quotas(fd: int) -> bool:
    """Tell whether a file system is a btrfs with quotas."""
    return _groups(fd) is not None


def make(parent_fd: int, name: str) -> bool:
    """Make a directory as a subvolume, closed to all but the agent; False: not here."""
    if not has_quotas(parent_fd):
        return False
    wanted = bytearray(struct.pack("=q4088s", 0, os.fsencode(name)))
    try:
        fcntl.ioctl(parent_fd, _SUBVOL_CREATE, wanted)
    except OSError as error:
        if error.errno in _MAY_NOT | _NOT_HERE:
            return False
        raise
    return True


def _groups(fd: int) -> Path | None:
    """Return where the kernel shows the qgroups; None without quotas, or without btrfs."""
    info = bytearray(1024)
    with suppress(OSError):
        fcntl.ioctl(fd, _FS_INFO, info)
        shown = _SHOWN / str(uuid.UUID(bytes=bytes(info[16:32]))) / "qgroups"
        return shown if shown.is_dir() else None
    return None


def _subvolume(tree_fd: int) -> int:
    """Return the number of the subvolume a descriptor is in."""
    asked = bytearray(struct.pack("=2Q", 0, _ROOT_INODE).ljust(4096, b"\0"))
    fcntl.ioctl(tree_fd, _INO_LOOKUP, asked)
    (number,) = struct.unpack_from("=Q", asked)
    return int(number)
