"""What a volume's file system can do, tried once in a folder of the agent's own.

Asking is not enough: some file systems say yes and do nothing. So a file is given away,
made under a default list and linked, and what came of it is looked at. Only what a
feature needs is missed aloud.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .acl import DEFAULT, to_acl

# no name of a person or an area begins with a dot
_FOLDER = ".probe"
_NAMES = ("owner", "list", "link", "linked")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SHARED = 0o2770
# these say how the disk is, not what it can do; ``Agent.find_problems`` tells them
_STATE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOENT})


@dataclass(frozen=True, slots=True)
class Lack:
    """Something a file system cannot do, and what follows for people."""

    rule: str
    words: str

    def __str__(self) -> str:
        return f"{self.words} ({self.rule})"


def no_lists(area: str | None = None) -> Lack:
    """Return what is said of an area, or of the volume, without default lists."""
    what = f"storage area {area}" if area else "volume"
    return Lack(
        "no-default-acl",
        f"The file system of the {what} applies no default access control lists: a file "
        "that somebody makes after `umask 077` in a folder shared with others is closed "
        "to them.",
    )


NO_OWNERS = Lack(
    "no-owners",
    "The file system of the volume does not let the agent give files away (is root "
    "squashed?), so no area can be prepared.",
)
NO_SETGID = Lack(
    "no-setgid",
    "The file system of the volume does not hand on a directory's group, so what one "
    "person makes in a shared folder is closed to the others.",
)
NO_LINKS = Lack(
    "no-hard-links",
    "The file system of the volume has no hard links, so that each generation of a "
    "backup takes the room of all of its files.",
)


def find_lacks(volume: Path, first_uid: int) -> tuple[Lack, ...]:
    """Return what is missing; nothing where the volume cannot be tried at all.

    ``first_uid`` is a number that files may be given to.
    """
    probes: list[tuple[Callable[[int], bool], Lack]] = [
        (_has_setgid, NO_SETGID),
        (_has_lists, no_lists()),
        (_has_links, NO_LINKS),
    ]
    if os.geteuid() == 0:
        probes.insert(0, (lambda fd: _has_owners(fd, first_uid), NO_OWNERS))
    try:
        root_fd = os.open(volume, _DIRECTORY)
    except OSError:
        return ()
    try:
        return _try_all(root_fd, probes)
    finally:
        os.close(root_fd)


def find_advice(volume: Path) -> str:
    """Return how the volume should be mounted, where it is not; empty where it is.

    Servers see their areas without set-id bits and devices anyway; this is for whoever
    else has the volume mounted.
    """
    try:
        flags = os.statvfs(volume).f_flag
    except OSError:
        return ""
    wanted = {"nosuid": os.ST_NOSUID, "nodev": os.ST_NODEV}
    missing = [name for name, flag in wanted.items() if not flags & flag]
    if not missing:
        return ""
    return f"Mount the volume with {','.join(missing)} on every machine that has it."


def _try_all(
    root_fd: int, probes: list[tuple[Callable[[int], bool], Lack]]
) -> tuple[Lack, ...]:
    try:
        with suppress(FileExistsError):
            os.mkdir(_FOLDER, 0o700, dir_fd=root_fd)
        fd = os.open(_FOLDER, _DIRECTORY, dir_fd=root_fd)
    except OSError:
        return ()
    try:
        _clean(fd)
        return tuple(lack for probe, lack in probes if not _succeeds(probe, fd))
    finally:
        _clean(fd)
        os.close(fd)
        with suppress(OSError):
            os.rmdir(_FOLDER, dir_fd=root_fd)


def _succeeds(probe: Callable[[int], bool], fd: int) -> bool:
    try:
        return probe(fd)
    except OSError as error:
        return error.errno in _STATE


def _clean(fd: int) -> None:
    """Remove what a probe leaves, also one that was killed."""
    for name in _NAMES:
        with suppress(OSError):
            os.unlink(name, dir_fd=fd)


def _make_file(fd: int, name: str, mode: int) -> int:
    return os.open(name, _NEW, mode, dir_fd=fd)


def _has_owners(fd: int, uid: int) -> bool:
    file = _make_file(fd, "owner", 0o600)
    try:
        os.fchown(file, uid, uid)
        found = os.fstat(file)
        return (found.st_uid, found.st_gid) == (uid, uid)
    finally:
        os.close(file)


def _has_setgid(fd: int) -> bool:
    os.fchmod(fd, _SHARED)
    return stat.S_IMODE(os.fstat(fd).st_mode) == _SHARED


def _has_lists(fd: int) -> bool:
    """Tell whether a list decides over the umask of whoever makes a file."""
    os.setxattr(fd, DEFAULT, to_acl(_SHARED))
    file = _make_file(fd, "list", 0o666)
    try:
        return stat.S_IMODE(os.fstat(file).st_mode) == _SHARED & 0o666
    finally:
        os.close(file)


def _has_links(fd: int) -> bool:
    os.close(_make_file(fd, "link", 0o600))
    os.link("link", "linked", src_dir_fd=fd, dst_dir_fd=fd)
    return True
