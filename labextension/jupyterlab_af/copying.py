"""A file, a link or a whole folder copied, never through a link.

What a copy keeps: content, times, permission bits (never set-id ones), who saved it.
What is neither file, link nor folder, what may not be read and what lies too deep is
left out and counted.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass

from jupyterlab_af.beneath import LIST, READ, find, open_beneath
from jupyterlab_af.saver import copy_note

DEEPEST = 128
_PIECE_BYTES = 1024**2
_PERMISSIONS = 0o777
_OWNER = 0o700
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Tally:
    """What a copy came to so far."""

    copied: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A name in an open folder."""

    folder: int
    name: str


def copy_entry(source: Place, target: Place, tally: Tally, depth: int = 0) -> None:
    """Copy what is at `source` to the new name `target`.

    Raises
    ------
    OSError
        If the target cannot be written, or the source itself cannot be read.
    """
    status = find(source.folder, source.name)
    if status is None:
        raise FileNotFoundError(source.name)
    if stat.S_ISREG(status.st_mode):
        # a version put in the place of a file is whole on the disk first; that of a folder
        # is still in its generation should the machine end now
        _copy_file(source, target, is_alone=depth == 0)
    elif stat.S_ISLNK(status.st_mode):
        leads_to = os.readlink(source.name, dir_fd=source.folder)
        os.symlink(leads_to, target.name, dir_fd=target.folder)
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(target.name, ns=times, dir_fd=target.folder, follow_symlinks=False)
    elif stat.S_ISDIR(status.st_mode) and depth < DEEPEST:
        _copy_folder(source, target, tally, depth)
    else:
        tally.left_out += 1
        return
    tally.copied += 1


def _copy_file(source: Place, target: Place, *, is_alone: bool) -> None:
    with os.fdopen(os.open(source.name, READ, dir_fd=source.folder), "rb") as reader:
        status = os.fstat(reader.fileno())
        opened = os.open(target.name, _NEW, 0o600, dir_fd=target.folder)
        with os.fdopen(opened, "wb") as writer:
            shutil.copyfileobj(reader, writer, _PIECE_BYTES)
            writer.flush()
            copy_note(reader.fileno(), opened)
            os.fchmod(opened, status.st_mode & _PERMISSIONS)
            os.utime(opened, ns=(status.st_atime_ns, status.st_mtime_ns))
            if is_alone:
                os.fsync(opened)


def _copy_folder(source: Place, target: Place, tally: Tally, depth: int) -> None:
    os.mkdir(target.name, _OWNER, dir_fd=target.folder)
    with (
        open_beneath(source.folder, (source.name,), LIST) as from_folder,
        open_beneath(target.folder, (target.name,), LIST) as to_folder,
    ):
        for name in os.listdir(from_folder):  # noqa: PTH208 - an open folder has no path
            inner = Place(from_folder, name)
            if _may_read(inner):
                copy_entry(inner, Place(to_folder, name), tally, depth + 1)
            else:
                tally.left_out += 1
        status = os.fstat(from_folder)
        kept_group = os.fstat(to_folder).st_mode & stat.S_ISGID
        # a folder of one's own that cannot be opened could not be cleaned up either
        mode = status.st_mode & _PERMISSIONS | _OWNER
        os.fchmod(to_folder, mode | kept_group)
        os.utime(to_folder, ns=(status.st_atime_ns, status.st_mtime_ns))


def _may_read(place: Place) -> bool:
    """Return whether the person may read what is there; a link is always read."""
    status = find(place.folder, place.name)
    if status is None:
        return False
    if stat.S_ISLNK(status.st_mode):
        return True
    wanted = os.R_OK | os.X_OK if stat.S_ISDIR(status.st_mode) else os.R_OK
    return os.access(place.name, wanted, dir_fd=place.folder, follow_symlinks=False)


def remove_entry(place: Place) -> None:
    """Remove what a copy left, if anything."""
    status = find(place.folder, place.name)
    if status is None:
        return
    if stat.S_ISDIR(status.st_mode):
        shutil.rmtree(place.name, ignore_errors=True, dir_fd=place.folder)
    else:
        os.unlink(place.name, dir_fd=place.folder)
