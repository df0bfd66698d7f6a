"""Take a path out of every generation of a tree: somebody saved a secret there.

It is renamed into the closed folder of the tree, at once and without a look at what it
is; the next run of the tree removes that folder.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from jupyterhub_af.policy.storage import BACKUPS
from jupyterhub_af.storage.beneath import choose_opener
from jupyterhub_af.storage.errors import AgentError

from .place import RECORDS, WORK, Place, run_tool
from .times import to_name

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV})


def purge_path(place: Place, path: str, uid: int | None = None) -> int:
    """Hide a path of a tree in all its generations; return how many had it.

    With ``uid`` all of it must be that person's, in each of them. Links on the way to it
    are not followed: what they lead to has a path of its own.

    Raises
    ------
    AgentError
        If it is no path below a tree, or somebody else made a part of it.
    """
    parent, name = _split(path)
    found = 0
    with _open_folder(place) as folder_fd:
        if uid is not None:
            _check_whose(place, folder_fd, path, uid)
        with suppress(FileExistsError):
            os.mkdir(WORK, 0o700, dir_fd=folder_fd)
        for time in place.times():
            generation = to_name(time)
            hidden = f"{WORK}/purged-{generation}-{os.urandom(8).hex()}"
            above = "/".join(part for part in (generation, parent) if part)
            found += _move(folder_fd, above, name, hidden)
    # the next run counts anew
    with suppress(FileNotFoundError):
        (place.volume / RECORDS / place.tree.area / ".space").unlink()
    return found


def _split(path: str) -> tuple[str, str]:
    """Return the folder and the name of a path, or refuse it."""
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        msg = f"{path[:80]!r} is no path of a tree: names joined by '/' are allowed."
        raise AgentError(msg, rule="bad-path", status=400)
    return "/".join(parts[:-1]), parts[-1]


def _check_whose(place: Place, folder_fd: int, path: str, uid: int) -> None:
    """Refuse a path that is not all one person's; nobody changes generations meanwhile."""
    parent, name = _split(path)
    for time in place.times():
        above = "/".join(part for part in (to_name(time), parent) if part)
        try:
            above_fd = choose_opener()(folder_fd, above)
        except OSError as error:
            if error.errno in _ABSENT:
                continue
            raise
        try:
            is_foreign = _has_of_others(above_fd, name, uid)
        finally:
            os.close(above_fd)
        if is_foreign:
            msg = (
                f"Not all of {path[:80]!r} is yours in the version of {to_name(time)}: "
                "only who made something may remove its versions. Nothing was removed."
            )
            raise AgentError(msg, rule="not-yours", status=409)


def _has_of_others(above_fd: int, name: str, uid: int) -> bool:
    """Tell whether something at a name, or anywhere below it, is another person's."""
    try:
        os.stat(name, dir_fd=above_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    # find walks folders deeper than Python's own walk can
    command = ("/usr/bin/find", "-P", f"./{name}", "!", "-uid", str(uid))
    folder = f"/proc/{os.getpid()}/fd/{above_fd}"
    return bool(run_tool(*command, "-print0", "-quit", folder=folder))


@contextmanager
def _open_folder(place: Place) -> Iterator[int]:
    """Open the folder of a tree's generations."""
    root_fd = os.open(place.volume / BACKUPS, os.O_RDONLY | os.O_DIRECTORY)
    try:
        below = place.tree.backups.removeprefix(f"{BACKUPS}/")
        folder_fd = choose_opener()(root_fd, below)
    finally:
        os.close(root_fd)
    try:
        yield folder_fd
    finally:
        os.close(folder_fd)


def _move(folder_fd: int, above: str, name: str, hidden: str) -> bool:
    """Rename one thing away; its folder keeps its time. False where there is none."""
    try:
        above_fd = choose_opener()(folder_fd, above)
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise
    try:
        times = os.fstat(above_fd)
        os.rename(name, hidden, src_dir_fd=above_fd, dst_dir_fd=folder_fd)
        os.utime(above_fd, ns=(times.st_atime_ns, times.st_mtime_ns))
    except FileNotFoundError:
        return False
    finally:
        os.close(above_fd)
    return True
