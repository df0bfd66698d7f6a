"""The index of one counted tree: a SQLite file that is a cache and may always be deleted.

It is written aside by one process, then renamed into its place and never changed
again. So no journal is needed, and readers need no lock: the volume may be a network
file system, where SQLite's locks are not to be trusted and its write-ahead log, whose
index is shared memory, cannot work.

A folder is a row with the sums of all below it. Of its own files only the largest are
rows: whatever is among the largest anywhere is found from folder to folder, as each row
says how large the largest file below it is.
"""

from __future__ import annotations

import heapq
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import count as counter
from pathlib import Path
from urllib.parse import quote

from jupyterhub_af.policy.storage_messages import LargeEntry, LargestReply

from .walk import File, Folders

VERSION = 1
_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
CREATE TABLE total (version, used, files, counted_at, took_seconds, is_whole);
CREATE TABLE folder (
    id INTEGER PRIMARY KEY, parent INTEGER, name BLOB, used INTEGER, files INTEGER,
    largest INTEGER, modified REAL
);
CREATE TABLE file (folder INTEGER, name BLOB, used INTEGER, modified REAL);
"""
_INDICES = """
CREATE INDEX folder_by_name ON folder (parent, name);
CREATE INDEX folder_by_used ON folder (parent, used);
CREATE INDEX folder_by_largest ON folder (parent, largest);
CREATE INDEX file_by_used ON file (folder, used);
"""
_FILES = (
    "SELECT name, used, 1, modified FROM file WHERE folder = ? "
    "ORDER BY used DESC LIMIT ?"
)
_FOLDERS = (
    "SELECT name, used, files, modified FROM folder WHERE parent = ? AND id > 0 "
    "ORDER BY used DESC LIMIT ?"
)
_DEEPER = (
    "SELECT id, name, largest FROM folder WHERE parent = ? AND id > 0 AND largest > 0 "
    "ORDER BY largest DESC LIMIT ?"
)
_CHILD = "SELECT id FROM folder WHERE parent = ? AND name = ? AND id > 0"


@dataclass(frozen=True, slots=True)
class Totals:
    """What a whole tree holds, and of when that is."""

    used_bytes: int
    files: int
    counted_at: float
    took_seconds: float
    is_whole: bool = True


class IndexWriter:
    """Write one index aside; ``finish`` puts it into its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside = path.with_name(f"{path.name}.{os.getpid()}.part")
        _clear_parts(path)
        self._database = sqlite3.connect(self._aside, isolation_level=None)
        try:
            self._database.executescript(_TABLES)
            self._database.execute("BEGIN")
        except sqlite3.Error:
            self.abandon()
            raise

    def add_files(self, folder: int, files: list[File]) -> None:
        """Add the largest files of a folder."""
        self._database.executemany(
            "INSERT INTO file VALUES (?, ?, ?, ?)", [(folder, *file) for file in files]
        )

    def finish(self, folders: Folders, totals: Totals) -> None:
        """Add the folders and the totals, and let readers see it all at once."""
        database = self._database
        database.executemany(
            "INSERT INTO folder VALUES (?, ?, ?, ?, ?, ?, ?)",
            zip(
                counter(),
                folders.parents,
                folders.names,
                folders.used,
                folders.files,
                folders.largest,
                folders.modified,
                strict=False,
            ),
        )
        database.execute(
            "INSERT INTO total VALUES (?, ?, ?, ?, ?, ?)",
            (
                VERSION,
                totals.used_bytes,
                totals.files,
                totals.counted_at,
                totals.took_seconds,
                totals.is_whole,
            ),
        )
        database.execute("COMMIT")
        database.executescript(_INDICES)
        database.close()
        self._sync()
        self._aside.replace(self._path)

    def abandon(self) -> None:
        """Leave nothing behind."""
        with suppress(sqlite3.Error):
            self._database.close()
        self._aside.unlink(missing_ok=True)

    def _sync(self) -> None:
        fd = os.open(self._aside, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _clear_parts(path: Path) -> None:
    """Remove what a count that was killed left: one tree is counted once at a time."""
    for part in path.parent.glob(f"{path.name}.*.part"):
        part.unlink(missing_ok=True)


def read_totals(path: Path) -> Totals | None:
    """Return the totals of an index; None where there is none of ours."""
    try:
        with _reading(path) as database:
            row = database.execute(
                "SELECT used, files, counted_at, took_seconds, is_whole FROM total "
                "WHERE version = ?",
                (VERSION,),
            ).fetchone()
    except sqlite3.Error:
        return None
    if row is None:
        return None
    used, files, counted_at, took_seconds, is_whole = row
    return Totals(used, files, counted_at, took_seconds, bool(is_whole))


def read_largest(path: Path, folder: str, count: int) -> LargestReply | None:
    """Return what fills a folder of a tree; None where the index does not know it.

    ``folder`` is relative to the tree, empty for all of it.
    """
    totals = read_totals(path)
    if totals is None:
        return None
    with _reading(path) as database:
        number = _find(database, folder)
        if number is None:
            return None
        used, files = database.execute(
            "SELECT used, files FROM folder WHERE id = ?", (number,)
        ).fetchone()
        return LargestReply(
            entries=tuple(_entries(database, number, folder, count)),
            largest_files=tuple(_largest_files(database, number, folder, count)),
            used_bytes=used,
            files=files,
            counted_at=totals.counted_at,
        )


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Give the index as it is now: a file that is replaced, never changed."""
    address = f"file:{quote(str(path))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as database:
        yield database


def _find(database: sqlite3.Connection, folder: str) -> int | None:
    number = 0
    for name in filter(None, folder.split("/")):
        row = database.execute(_CHILD, (number, name.encode())).fetchone()
        if row is None:
            return None
        (number,) = row
    return number


def _entries(
    database: sqlite3.Connection, number: int, folder: str, count: int
) -> list[LargeEntry]:
    """Return what is directly in a folder, largest first."""
    found = [
        _to_entry(folder, row, is_folder=is_folder)
        for query, is_folder in ((_FOLDERS, True), (_FILES, False))
        for row in database.execute(query, (number, count))
    ]
    return sorted(found, key=lambda entry: -entry.used_bytes)[:count]


def _largest_files(
    database: sqlite3.Connection, number: int, folder: str, count: int
) -> list[LargeEntry]:
    """Return the largest files below a folder: the most promising folder comes first.

    Each round looks into the folder that has the largest file of all that are left, so
    that at most ``count`` times the depth of the tree is looked at, whatever is in it.
    """
    order = counter()
    waiting: list[tuple[int, int, int, str, LargeEntry | None]] = []
    heapq.heappush(waiting, (0, next(order), number, folder, None))
    found: list[LargeEntry] = []
    while waiting and len(found) < count:
        _, _, number, path, entry = heapq.heappop(waiting)
        if entry is not None:
            found.append(entry)
            continue
        for row in database.execute(_FILES, (number, count)):
            file = _to_entry(path, row, is_folder=False)
            heapq.heappush(waiting, (-row[1], next(order), 0, "", file))
        for below, name, largest in database.execute(_DEEPER, (number, count)):
            deeper = _join(path, name)
            heapq.heappush(waiting, (-largest, next(order), below, deeper, None))
    return found


def _to_entry(
    folder: str, row: tuple[bytes, int, int, float], *, is_folder: bool
) -> LargeEntry:
    name, used, files, modified = row
    return LargeEntry(
        path=_join(folder, name),
        is_folder=is_folder,
        used_bytes=used,
        files=files,
        modified_at=modified,
    )


def _join(folder: str, name: bytes) -> str:
    shown = name.decode("utf8", "replace")
    return f"{folder}/{shown}" if folder else shown
