"""The earlier versions of a file or a folder, newest first, the same ones told once."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from jupyterlab_af.beneath import READ, find
from jupyterlab_af.generations import time_of
from jupyterlab_af.saver import find_saver

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jupyterlab_af.generations import Shelf, Spot

Kind = Literal["file", "folder", "link"]
_KINDS: dict[int, Kind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
}
# two files of the same size are read to tell them apart up to this size
READ_LIMIT_BYTES = 64 * 1024**2
_PIECE_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Version:
    """A file, folder or link as it was: in `generation`, the newest that holds it.

    ``since`` is the oldest generation in a row that holds the same. ``saved_by`` is None
    where it is not known, ``size_bytes`` where it is a folder. ``path`` is below the root.
    """

    generation: str
    since: str
    kind: Kind
    at: float
    modified_at: float
    size_bytes: int | None
    saved_by: str | None
    is_now: bool
    path: str


@dataclass(frozen=True, slots=True)
class Versions:
    """All that is kept of a path; ``kind`` is what is there now, None if nothing is."""

    path: str
    kind: Kind | None
    is_tree: bool
    generations: int
    versions: tuple[Version, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What lies at a path: how it is, and its content to compare by."""

    kind: Kind
    status: os.stat_result
    place: tuple[str, ...]
    saved_by: str | None = None


def list_versions(shelf: Shelf, spot: Spot) -> Versions:
    """Return the versions of a path; those that the person may not read are not told."""
    now = _look(shelf, (*spot.tree, *spot.rest))
    generations = shelf.generations_of(spot)
    found: list[tuple[_Seen, Version]] = []
    for generation in generations:
        seen = _look(shelf, (*spot.backups, generation, *spot.rest))
        if seen is None:
            continue
        if found and _is_same(shelf, found[-1][0], seen):
            found[-1] = (seen, replace(found[-1][1], since=generation))
        else:
            is_now = now is not None and _is_same(shelf, now, seen)
            version = _to_version(spot, generation, seen)
            found.append((seen, replace(version, is_now=is_now)))
    return Versions(
        path=spot.path,
        kind=now.kind if now else None,
        is_tree=not spot.rest,
        generations=len(generations),
        versions=tuple(version for _, version in found),
    )


def _to_version(spot: Spot, generation: str, seen: _Seen) -> Version:
    return Version(
        generation=generation,
        since=generation,
        kind=seen.kind,
        at=time_of(generation),
        modified_at=seen.status.st_mtime,
        size_bytes=None if seen.kind == "folder" else seen.status.st_size,
        saved_by=seen.saved_by,
        is_now=False,
        path=spot.path_in(generation),
    )


def _look(shelf: Shelf, place: tuple[str, ...]) -> _Seen | None:
    """Return what lies at a place below the root; None if nothing, or nothing readable."""
    with suppress(OSError), _opened_parent(shelf, place) as folder:
        status = find(folder, place[-1])
        kind = _KINDS.get(stat.S_IFMT(status.st_mode)) if status else None
        if status is None or kind is None:
            return None
        if kind == "link":
            return _Seen(kind, status, place)
        with _opened(folder, place[-1]) as descriptor:
            saver = find_saver(descriptor) if kind == "file" else None
        return _Seen(kind, status, place, saver)
    return None


@contextmanager
def _opened_parent(shelf: Shelf, place: Sequence[str]) -> Iterator[int]:
    with shelf.open(place[:-1], os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW) as folder:
        yield folder


@contextmanager
def _opened(folder: int, name: str) -> Iterator[int]:
    descriptor = os.open(name, READ, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_same(shelf: Shelf, one: _Seen, other: _Seen) -> bool:
    """Return whether two are the same file, or have the same content."""
    if one.kind != "file" or other.kind != "file":
        return False
    a, b = one.status, other.status
    if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino):
        return True
    if a.st_size != b.st_size:
        return False
    if a.st_mtime_ns == b.st_mtime_ns:
        return True
    return a.st_size <= READ_LIMIT_BYTES and _has_same_bytes(shelf, one, other)


def _has_same_bytes(shelf: Shelf, one: _Seen, other: _Seen) -> bool:
    with (
        suppress(OSError),
        shelf.open(one.place, READ) as a,
        shelf.open(other.place, READ) as b,
    ):
        while True:
            pieces = os.read(a, _PIECE_BYTES), os.read(b, _PIECE_BYTES)
            if pieces[0] != pieces[1]:
                return False
            if not pieces[0]:
                return True
    return False
