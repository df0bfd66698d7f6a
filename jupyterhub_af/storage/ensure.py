"""Make and mend directories: idempotent, and safe while people exchange things.

Three promises: a second pass changes nothing; a directory is never more open than it
will be at the end; nothing below a person's directory is looked at. What a crash leaves
half done is closed to everybody, and the next pass completes it.

A directory's mode is all that is said about it: where people share it, its default
access control list says the same to files made below, whatever the umask of who makes
them, and an access list that says more than the mode is taken away. Where a file system
keeps no lists that is noted (``Volume.without_lists``) and refuses nothing.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from jupyterhub_af.policy.messages import EnsureReply
from jupyterhub_af.policy.storage import Directory, is_tree

from .accept import Owners
from .acl import ACCESS, DEFAULT, is_refusal, read_acl, to_acl, wanted_default
from .beneath import Opener
from .errors import ObstacleError, SomebodyElseError
from .quota.holder import make_tree

_TRIES = 3
_CLOSED = 0o700
_IN_THE_WAY = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EXDEV})


@dataclass(frozen=True, slots=True)
class Calls:
    """The only calls by which a volume is changed here."""

    mkdir: Callable[..., Any] = os.mkdir
    make_tree: Callable[[int, str], bool] = make_tree
    fchown: Callable[..., Any] = os.fchown
    fchmod: Callable[..., Any] = os.fchmod
    setxattr: Callable[..., Any] = os.setxattr


@dataclass(frozen=True, slots=True)
class Volume:
    """The folder of all areas, as a descriptor, and how to open what is below it.

    ``without_lists`` collects the directories whose default list was refused.
    """

    root_fd: int
    opener: Opener
    calls: Calls = field(default_factory=Calls)
    without_lists: set[str] = field(default_factory=set)

    def open(self, path: str) -> int:
        """Return a descriptor of a directory, or refuse what is in its place."""
        try:
            return self.opener(self.root_fd, path)
        except OSError as error:
            if error.errno in _IN_THE_WAY:
                raise ObstacleError(path) from error
            raise


def ensure_directories(
    volume: Volume, directories: Sequence[Directory], owners: Owners
) -> EnsureReply:
    """Make what is missing and mend owners and modes, parents first.

    Raises
    ------
    ObstacleError
        If something in the way is no directory; it is left as it is.
    SomebodyElseError
        If a directory belongs to another person; it is left as it is.
    OSError
        If the file system refuses; the next call goes on from there.
    """
    made, mended = [], []
    for directory in directories:
        is_new, is_changed = _ensure_one(volume, directory, owners)
        if is_new:
            made.append(directory.path)
        elif is_changed:
            mended.append(directory.path)
    return EnsureReply(made=tuple(made), mended=tuple(mended))


def _ensure_one(
    volume: Volume, directory: Directory, owners: Owners
) -> tuple[bool, bool]:
    """Ensure one directory; say whether it is new and whether it had to be changed."""
    fd, is_new = _open_or_make(volume, directory.path)
    try:
        return is_new, _mend(volume, fd, directory, owners)
    finally:
        os.close(fd)


def _open_or_make(volume: Volume, path: str) -> tuple[int, bool]:
    """Return a descriptor of a directory and whether this call made it."""
    is_new = False
    for _ in range(_TRIES):
        try:
            return volume.open(path), is_new
        except FileNotFoundError:
            is_new = _make(volume, path)
    raise ObstacleError(path)


def _make(volume: Volume, path: str) -> bool:
    """Make a directory that only the agent can enter; False if another was faster."""
    parent, _, name = path.rpartition("/")
    parent_fd = volume.open(parent) if parent else os.dup(volume.root_fd)
    try:
        # where a file system keeps quotas, it may want a tree made its own way
        if not (is_tree(path) and volume.calls.make_tree(parent_fd, name)):
            volume.calls.mkdir(name, _CLOSED, dir_fd=parent_fd)
    except FileExistsError:
        return False
    finally:
        os.close(parent_fd)
    return True


def _mend(volume: Volume, fd: int, directory: Directory, owners: Owners) -> bool:
    """Give an opened directory its lists, owner and mode; say if anything was changed.

    The default list comes first, so that no file is made without it. The owner comes
    before the mode: a change of owner may clear the setgid bit, and the mode opens the
    directory only once it belongs to the right people.
    """
    found = os.fstat(fd)
    wanted = owners.of(directory)
    is_foreign = owners.is_enforced and (found.st_uid, found.st_gid) != wanted
    if is_foreign and owners.is_somebody_else(found.st_uid):
        raise SomebodyElseError(directory.path, found.st_uid)
    is_changed = _mend_default_list(volume, fd, directory)
    if is_foreign:
        volume.calls.fchown(fd, *wanted)
    has_list = read_acl(fd, ACCESS) is not None
    if has_list:
        # one call takes the list away and sets the mode's bits: nobody gains meanwhile
        volume.calls.setxattr(fd, ACCESS, to_acl(directory.mode))
    if is_foreign or has_list or stat.S_IMODE(found.st_mode) != directory.mode:
        volume.calls.fchmod(fd, directory.mode)
        if owners.is_enforced:
            _check_held(fd, directory, wanted)
        return True
    return is_changed


def _mend_default_list(volume: Volume, fd: int, directory: Directory) -> bool:
    """Set the default list a directory needs; say whether it was changed."""
    wanted = wanted_default(directory.mode)
    if wanted is None or read_acl(fd, DEFAULT) == wanted:
        return False
    try:
        volume.calls.setxattr(fd, DEFAULT, wanted)
    except OSError as error:
        if not is_refusal(error):
            raise
        volume.without_lists.add(directory.path)
        return False
    return True


def _check_held(fd: int, directory: Directory, owner: tuple[int, int]) -> None:
    """Refuse a file system that says yes and does nothing.

    Raises
    ------
    PermissionError
        If owner or mode is not what was just asked for.
    """
    found = os.fstat(fd)
    held = (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))
    if held != (*owner, directory.mode):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), directory.path)
