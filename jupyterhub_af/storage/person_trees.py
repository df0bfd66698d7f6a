"""The trees of one person: found, moved to another name, removed.

They lie in folders that only the agent writes (``private``, ``shared/<area>``,
``backups/<area>``), so their own names cannot be exchanged meanwhile; what is below them
can, and is given to ``rm`` and ``tar``, which follow no link. A tree is a person's if
it has their uid: a folder of a group may be called like a person, and its backups are
not theirs.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from jupyterhub_af.policy.account_messages import TreesReply
from jupyterhub_af.policy.names import check_component, is_component
from jupyterhub_af.policy.storage import BACKUPS

from .backup.place import RECORDS
from .beneath import rename_if_free
from .ensure import Volume
from .errors import AgentError, SomebodyElseError
from .usage.counts import FOLDER as COUNTS

_LONGEST_SAID = 300


@dataclass(frozen=True, slots=True)
class Whose:
    """A person's directory name and uid."""

    person: str
    uid: int


class InTheWayError(AgentError):
    """Refuse to move a tree to where another one is."""

    def __init__(self, path: str, *, is_untouched: bool) -> None:
        super().__init__(
            f"{path!r} on the volume is there already, so nothing was moved to it. Look "
            "whose it is, and move it away or choose another name.",
            rule="trees-in-the-way" if is_untouched else "trees-half-moved",
            status=409,
        )


class RemovalError(AgentError):
    """Say what the removal of a tree met."""

    def __init__(self, path: str, said: str) -> None:
        super().__init__(
            f"{path!r} on the volume was not removed as a whole: {said}",
            rule="trees-not-removed",
            status=503,
        )


def find_trees(volume: Volume, whose: Whose) -> tuple[str, ...]:
    """Return the person's trees and what holds their generations, by path.

    Raises
    ------
    SomebodyElseError
        If the directory of that name is another person's.
    """
    check_component(whose.person)
    found: list[str] = []
    for parent in _parents(volume):
        if _is_theirs(volume, parent, whose):
            # records first: whose they are is known by the generations they are about
            found += [*_records_of(volume, parent, whose), f"{parent}/{whose.person}"]
    return tuple(found)


def move_trees(volume: Volume, whose: Whose, to: str) -> TreesReply:
    """Give every tree of a person another name; what has it already is left.

    Raises
    ------
    InTheWayError
        If something else has that name; ``is_untouched`` tells whether nothing moved.
    """
    check_component(to)
    after = Whose(to, whose.uid)
    trees = find_trees(volume, whose)
    targets = [f"{path.rpartition('/')[0]}/{to}" for path in trees]
    moved = tuple(path for path in _found(volume, after) if path not in targets)
    for target in targets:
        if _exists(volume, target):
            raise InTheWayError(target, is_untouched=not moved)
    for path in trees:
        _move(volume, path, to)
    _forget_counts(volume, whose)
    return TreesReply(is_done=True, trees=(*moved, *trees))


def remove_trees(volume: Volume, whose: Whose) -> TreesReply:
    """Remove every tree of a person, with all generations of it."""
    trees = find_trees(volume, whose)
    for path in trees:
        _remove(volume, path)
    _forget_counts(volume, whose)
    return TreesReply(is_done=True, trees=trees)


def _forget_counts(volume: Volume, whose: Whose) -> None:
    """Remove what was counted of trees of that name, file names included.

    A group's folder called so is counted again.
    """
    for area in _names_in(volume, COUNTS):
        with _opened(volume, f"{COUNTS}/{area}") as area_fd:
            for name in _names_in(volume, f"{COUNTS}/{area}"):
                if name.startswith(f"{whose.person}.sqlite"):
                    os.unlink(name, dir_fd=area_fd)


def _parents(volume: Volume) -> Iterator[str]:
    """Return the folders of the volume that hold trees of people."""
    yield "private"
    for top in ("shared", BACKUPS):
        names = _names_in(volume, top)
        yield from (f"{top}/{name}" for name in names if is_component(name))


def _names_in(volume: Volume, path: str) -> list[str]:
    """Return what a folder holds; one that is not there holds nothing."""
    try:
        with _opened(volume, path) as found, os.scandir(found) as entries:
            return sorted(entry.name for entry in entries)
    except FileNotFoundError:
        return []


def _records_of(volume: Volume, parent: str, whose: Whose) -> list[str]:
    """Return what is recorded of a person's generations, where that is."""
    top, _, area = parent.partition("/")
    path = f"{RECORDS}/{area}/{whose.person}"
    return [path] if top == BACKUPS and _exists(volume, path) else []


def _found(volume: Volume, whose: Whose) -> Iterator[str]:
    """Return the trees that have a name already, as far as they are the person's."""
    try:
        yield from find_trees(volume, whose)
    except SomebodyElseError:
        return


def _is_theirs(volume: Volume, parent: str, whose: Whose) -> bool:
    """Tell whether a directory is the person's, or was half made for them."""
    status = _look(volume, f"{parent}/{whose.person}")
    if status is None or not stat.S_ISDIR(status.st_mode):
        return False
    if status.st_uid == whose.uid:
        return True
    top, _, area = parent.partition("/")
    if status.st_uid != os.geteuid():
        raise SomebodyElseError(f"{parent}/{whose.person}", status.st_uid)
    # backups that are the agent's own are those of a group's folder
    is_folders = status.st_gid != os.getegid() or _exists(volume, f"collab/{area}")
    return top != BACKUPS or not is_folders


def _exists(volume: Volume, path: str) -> bool:
    return _look(volume, path) is not None


def _look(volume: Volume, path: str) -> os.stat_result | None:
    parent, _, name = path.rpartition("/")
    try:
        with _opened(volume, parent) as parent_fd:
            return os.stat(name, dir_fd=parent_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


@contextmanager
def _opened(volume: Volume, path: str) -> Iterator[int]:
    found = volume.open(path)
    try:
        yield found
    finally:
        os.close(found)


def _move(volume: Volume, path: str, to: str) -> None:
    parent, _, name = path.rpartition("/")
    with _opened(volume, parent) as parent_fd:
        try:
            rename_if_free(parent_fd, name, parent_fd, to)
        except FileExistsError as error:
            raise InTheWayError(f"{parent}/{to}", is_untouched=False) from error
        os.fsync(parent_fd)


def _remove(volume: Volume, path: str) -> None:
    """Remove a tree, also a very deep one, without leaving it or its file system."""
    parent, _, name = path.rpartition("/")
    with _opened(volume, parent) as parent_fd:
        done = subprocess.run(
            ["/bin/rm", "-rf", "--one-file-system", "--", f"./{name}"],
            cwd=f"/proc/self/fd/{parent_fd}",
            pass_fds=(parent_fd,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"LC_ALL": "C.UTF-8"},
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[:_LONGEST_SAID]
            raise RemovalError(path, said)
        os.fsync(parent_fd)
