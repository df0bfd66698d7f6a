"""Bring an earlier version back: in its place, or as a copy beside.

What is in the place now is kept first, beside it, under a name that says so. The
version is copied aside as a whole before anything is renamed, so a disk that fills, a
server that ends and two restores at once lose no byte. All under the person's own uid.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from jupyterlab_af.beneath import LONGEST_NAME, find, open_beneath, open_root
from jupyterlab_af.copying import Place, Tally, copy_entry, remove_entry
from jupyterlab_af.generations import GONE, Shelf, Spot, to_name
from jupyterlab_af.renaming import exchange_names, give_name
from jupyterlab_af.trouble import Trouble, telling_trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

How = Literal["in-place", "copy"]
WHOLE_TREE = Trouble(
    "whole-tree",
    409,
    "{path} is a whole area and cannot be replaced. Bring it back as a copy, or bring "
    "back what lies in it.",
)
NOTHING_LEFT = Trouble("not-yours", 403, "You may not read the version {path}.")
# room in a name for the time and a number
_ROOM = 60


@dataclass(frozen=True, slots=True)
class Restored:
    """Where the version is now, where what was there is kept, and what was left out."""

    path: str
    kept: str | None
    left_out: int


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a version comes to, below the root: the folder and the name there."""

    folder: tuple[str, ...]
    name: str


def restore(shelf: Shelf, spot: Spot, generation: str, how: How) -> Restored:
    """Bring a version back.

    Raises
    ------
    TroubleError
        If it cannot be, in words; then nothing is changed.
    """
    if how == "in-place" and not spot.rest:
        raise WHOLE_TREE.error(spot.path)
    shelf.check_generation(spot, generation)
    target = _target_of(spot)
    # `make`: the folder that a deleted file was in may be gone too
    with (
        telling_trouble(spot.path),
        open_root(shelf.root) as root,
        _opened_source(shelf, spot, generation) as source,
        open_beneath(root, target.folder, make=True) as folder,
    ):
        tally = Tally()
        ready = _copy_aside(source, Place(folder, target.name), tally)
        if how == "copy":
            name = _put_beside(ready, target.name, f"from-{generation}")
            return Restored(_path(target, name), None, tally.left_out)
        kept = _put_in_place(ready, target.name)
        kept_path = None if kept is None else _path(target, kept)
        return Restored(_path(target, target.name), kept_path, tally.left_out)


def _target_of(spot: Spot) -> _Target:
    """Return where a path comes back to; a whole tree comes into the tree."""
    if spot.rest:
        return _Target((*spot.tree, *spot.rest[:-1]), spot.rest[-1])
    return _Target(spot.tree, spot.tree[-1])


def _path(target: _Target, name: str) -> str:
    return "/".join((*target.folder, name))


@contextmanager
def _opened_source(shelf: Shelf, spot: Spot, generation: str) -> Iterator[Place]:
    place = (*spot.backups, generation, *spot.rest)
    with shelf.open(place[:-1], os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW) as folder:
        if find(folder, place[-1]) is None:
            raise GONE.error(generation)
        yield Place(folder, place[-1])


def _copy_aside(source: Place, target: Place, tally: Tally) -> Place:
    """Copy a version under a name of its own beside its place; leave nothing if it fails."""
    name = fit_name(".", target.name, f".{secrets.token_hex(8)}.part")
    ready = Place(target.folder, name)
    try:
        copy_entry(source, ready, tally)
    except BaseException:
        remove_entry(ready)
        raise
    if tally.copied == 0:
        raise NOTHING_LEFT.error(target.name)
    return ready


def _put_beside(ready: Place, name: str, word: str) -> str:
    """Give what is ready a name that nothing has."""
    for free in names_beside(name, word):
        try:
            give_name(ready.folder, ready.name, free)
        except FileExistsError:
            continue
        except BaseException:
            remove_entry(ready)
            raise
        return free
    raise AssertionError("names do not end")


def _put_in_place(ready: Place, name: str) -> str | None:
    """Give what is ready its name; return the name of what had it, None if nothing did."""
    word = f"before-restore-{to_name(time.time())}"
    try:
        give_name(ready.folder, ready.name, name)
    except FileExistsError:
        kept = _put_beside(ready, name, word)
    except BaseException:
        remove_entry(ready)
        raise
    else:
        return None
    while True:
        try:
            return exchange_names(ready.folder, kept, name)
        except FileNotFoundError:
            # what was there went away meanwhile
            if _has_taken(ready.folder, kept, name):
                return None
        except FileExistsError:
            # somebody was faster: theirs is kept too
            continue
        except OSError:
            remove_entry(Place(ready.folder, kept))
            raise


def _has_taken(folder: int, old: str, new: str) -> bool:
    try:
        give_name(folder, old, new)
    except FileExistsError:
        return False
    return True


def names_beside(name: str, word: str) -> Iterator[str]:
    """Yield names for something beside `name`: ``a.from-….ipynb``, ``a.from-…-2.ipynb``."""
    path = PurePath(name)
    stem, suffix = (path.stem, path.suffix) if len(path.suffix) < _ROOM else (name, "")
    for number in count(1):
        again = "" if number == 1 else f"-{number}"
        yield fit_name("", stem, f".{word}{again}{suffix}")


def fit_name(before: str, name: str, after: str) -> str:
    """Return a name made of three parts, the middle one cut so that it fits."""
    room = LONGEST_NAME - len(os.fsencode(before + after))
    cut = os.fsencode(name)[:room].decode("utf-8", "ignore")
    return f"{before}{cut}{after}"
