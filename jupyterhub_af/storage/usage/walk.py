"""Count a tree that its people change meanwhile: never follow a link, never leave it.

Every folder is opened from the tree's root by one call that refuses links, so that who
exchanges a folder for a link loses the folder's count and gains nothing. What is on
another file system is not counted. A file with several names is counted once. Sizes are
the blocks that files use, as quotas count them.

Not everybody who works in a tree may look into every folder of it. A folder that is
closed to them, or deeper than a path can say, is counted and never told apart: it is
one number.
"""

from __future__ import annotations

import errno
import heapq
import os
import stat
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from jupyterhub_af.storage.beneath import Opener

# how many files of a folder are told apart: as many as anybody can ask for
MOST_FILES = 100
LONGEST_PATH = 3800
DEEPEST = 2000
# how much of a path is opened in one call: the kernel takes 4096 bytes, and a letter
# may have four
_LONGEST_STEP = 700
_BLOCK_BYTES = 512
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV, errno.EACCES})


class File(NamedTuple):
    """A file that is told apart."""

    name: bytes
    used_bytes: int
    modified_at: float


@dataclass(slots=True)
class Folders:
    """The folders of a tree by number; 0 is the tree itself, and parents come first."""

    parents: array[int] = field(default_factory=lambda: array("q"))
    names: list[bytes] = field(default_factory=list)
    used: array[int] = field(default_factory=lambda: array("q"))
    files: array[int] = field(default_factory=lambda: array("q"))
    largest: array[int] = field(default_factory=lambda: array("q"))
    modified: array[float] = field(default_factory=lambda: array("d"))

    def add(self, parent: int, name: bytes, modified_at: float) -> int:
        """Add a folder; return its number."""
        self.parents.append(parent)
        self.names.append(name)
        self.used.append(0)
        self.files.append(0)
        self.largest.append(0)
        self.modified.append(modified_at)
        return len(self.names) - 1

    def add_up(self) -> None:
        """Add to each folder what is in the folders below it."""
        for number in range(len(self.names) - 1, 0, -1):
            parent = self.parents[number]
            self.used[parent] += self.used[number]
            self.files[parent] += self.files[number]
            self.largest[parent] = max(self.largest[parent], self.largest[number])


class _Place(NamedTuple):
    """A folder to look into: its number, or that of the folder it is counted in."""

    number: int
    path: str
    depth: int
    is_told: bool


Take = Callable[[int, list[File]], None]


class Walk:
    """One count of one tree. ``take`` gets the largest files of each folder."""

    def __init__(self, root_fd: int, opener: Opener, take: Take) -> None:
        self.folders = Folders()
        self.is_whole = True
        self._root_fd = root_fd
        self._root = os.fstat(root_fd)
        self._opener = opener
        self._take = take
        self._linked: set[int] = set()

    def run(self, look_up: Callable[[], None] = lambda: None) -> None:
        """Count everything; ``look_up`` is called at each folder and may raise."""
        self.folders.add(0, b"", self._root.st_mtime)
        self._use(0, self._root)
        waiting = [_Place(0, "", 0, is_told=True)]
        while waiting:
            look_up()
            waiting.extend(self._look(waiting.pop()))
        self.folders.add_up()

    def _look(self, place: _Place) -> list[_Place]:
        """Count what is directly in a folder; return the folders in it."""
        try:
            fd = open_deep(self._root_fd, place.path, self._opener)
        except OSError as error:
            if error.errno not in _GONE:
                raise
            return []
        try:
            below, files = self._read(fd, place)
        finally:
            os.close(fd)
        if files:
            self.folders.largest[place.number] = files[0].used_bytes
            self._take(place.number, files)
        return below

    def _read(self, fd: int, place: _Place) -> tuple[list[_Place], list[File]]:
        below: list[_Place] = []
        files: list[tuple[int, bytes, float]] = []
        for name, found in self._entries(fd):
            if stat.S_ISDIR(found.st_mode):
                below += self._enter(place, name, found)
                continue
            used = self._count(place.number, found)
            if used and place.is_told:
                _keep_largest(files, (used, os.fsencode(name), found.st_mtime))
        files.sort(reverse=True)
        return below, [File(name, used, at) for used, name, at in files]

    def _entries(self, fd: int) -> Iterator[tuple[str, os.stat_result]]:
        """Yield what is in a folder and on the tree's file system."""
        if os.fstat(fd).st_dev != self._root.st_dev:
            return
        with os.scandir(fd) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if found.st_dev == self._root.st_dev:
                    yield entry.name, found

    def _enter(
        self, place: _Place, name: str, found: os.stat_result
    ) -> tuple[_Place, ...]:
        """Count a folder itself; return it as one to look into."""
        path = f"{place.path}/{name}" if place.path else name
        raw = os.fsencode(name)
        is_named = place.is_told and len(path.encode("utf8", "replace")) < LONGEST_PATH
        number = (
            self.folders.add(place.number, raw, found.st_mtime)
            if is_named
            else place.number
        )
        self._use(number, found)
        if place.depth >= DEEPEST:
            self.is_whole = False
            return ()
        is_told = is_named and self._is_open(found)
        return (_Place(number, path, place.depth + 1, is_told),)

    def _count(self, number: int, found: os.stat_result) -> int:
        """Count a file once; return what is told of it."""
        if found.st_nlink > 1:
            if found.st_ino in self._linked:
                return 0
            self._linked.add(found.st_ino)
        self.folders.files[number] += 1
        return self._use(number, found)

    def _use(self, number: int, found: os.stat_result) -> int:
        used = found.st_blocks * _BLOCK_BYTES
        self.folders.used[number] += used
        return used

    def _is_open(self, found: os.stat_result) -> bool:
        """Tell whether the owner or the group of the tree may list a folder."""
        is_theirs = (
            found.st_uid == self._root.st_uid,
            found.st_gid == self._root.st_gid,
            True,
        )
        return any(
            theirs and found.st_mode & bits == bits
            for theirs, bits in zip(is_theirs, (0o500, 0o050, 0o005), strict=True)
        )


def _keep_largest(
    files: list[tuple[int, bytes, float]], item: tuple[int, bytes, float]
) -> None:
    if len(files) < MOST_FILES:
        heapq.heappush(files, item)
    else:
        heapq.heappushpop(files, item)


def open_deep(root_fd: int, path: str, opener: Opener) -> int:
    """Return a descriptor of a folder below ``root_fd``, however long its path is."""
    fd = os.dup(root_fd)
    for step in _steps(path):
        try:
            next_fd = opener(fd, step)
        finally:
            os.close(fd)
        fd = next_fd
    return fd


def _steps(path: str) -> Iterator[str]:
    """Yield a path in pieces that the kernel takes."""
    step: list[str] = []
    length = 0
    for name in filter(None, path.split("/")):
        if step and length + len(name) > _LONGEST_STEP:
            yield "/".join(step)
            step, length = [], 0
        step.append(name)
        length += len(name) + 1
    if step:
        yield "/".join(step)
