"""Make and mend directories: idempotent, and safe while people exchange things.

Three promises: a second pass changes nothing; a directory is never more open than it
will be at the end; nothing below a person's directory is looked at. What a crash leaves
half done is closed to everybody, and the next pass completes it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from jupyterhub_af.policy.messages import EnsureReply
from jupyterhub_af.policy.storage import Directory, is_tree

from .accept import Owners
from .beneath import Opener
from .errors import ObstacleError, SomebodyElseError
from .quota.holder import make_tree

_TRIES = 3
_CLOSED = 0o700
_IN_THE_WAY = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EXDEV})


@dataclass(frozen=True, slots=True)
class Volume:
    """The folder of all areas, as a descriptor, and how to open what is below it."""

    root_fd: int
    opener: Opener

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
        return is_new, _mend(fd, directory, owners)
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
        if not (is_tree(path) and make_tree(parent_fd, name)):
            os.mkdir(name, _CLOSED, dir_fd=parent_fd)
    except FileExistsError:
        return False
    finally:
        os.close(parent_fd)
    return True


def _mend(fd: int, directory: Directory, owners: Owners) -> bool:
    """Give an opened directory its owner and mode; say whether anything was changed.

    The owner comes first: a change of owner may clear the setgid bit, and the mode
    opens the directory only once it belongs to the right people.
    """
    found = os.fstat(fd)
    wanted = owners.of(directory)
    is_foreign = owners.is_enforced and (found.st_uid, found.st_gid) != wanted
    if is_foreign and owners.is_somebody_else(found.st_uid):
        raise SomebodyElseError(directory.path, found.st_uid)
    if is_foreign:
        os.fchown(fd, *wanted)
    if is_foreign or stat.S_IMODE(found.st_mode) != directory.mode:
        os.fchmod(fd, directory.mode)
        return True
    return False
