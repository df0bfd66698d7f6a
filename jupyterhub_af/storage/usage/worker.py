"""``python -m jupyterhub_af.storage.usage.worker``: count one tree, then end.

The job is one line of JSON on standard input, the totals are one line on standard
output. It runs at the lowest priority and ends when the agent that asked is gone.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from jupyterhub_af.policy.names import check_relative
from jupyterhub_af.storage.beneath import choose_opener

from .index import IndexWriter, Totals
from .walk import File, Walk

_NICEST = 19


@dataclass(frozen=True, slots=True)
class Job:
    """What to count: a tree of a volume; and where its index goes."""

    volume: str
    source: str
    index: str


class OrphanError(Exception):
    """The agent that asked is gone."""


def count(job: Job, look_up: Callable[[], None] = lambda: None) -> Totals:
    """Return the totals of a tree, with its index replaced.

    Where there is no room for the index the totals are returned all the same: that is
    when they matter most.
    """
    began, counted_at = time.monotonic(), time.time()
    check_relative(job.source)
    volume_fd = os.open(job.volume, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    writer = _open_writer(Path(job.index))
    try:
        walk = _walk(volume_fd, job.source, writer, look_up)
        totals = Totals(
            used_bytes=walk.folders.used[0],
            files=walk.folders.files[0],
            counted_at=counted_at,
            took_seconds=round(time.monotonic() - began, 3),
            is_whole=walk.is_whole,
        )
        writer.finish(walk, totals)
        return totals
    finally:
        writer.close()
        os.close(volume_fd)


def _walk(
    volume_fd: int, source: str, writer: _Writer, look_up: Callable[[], None]
) -> Walk:
    opener = choose_opener()
    root_fd = opener(volume_fd, source)
    try:
        walk = Walk(root_fd, opener, writer.take)
        walk.run(look_up)
        return walk
    finally:
        os.close(root_fd)


class _Writer:
    """An index that is given up when there is no room for it."""

    def __init__(self, writer: IndexWriter | None) -> None:
        self._writer = writer

    def take(self, folder: int, files: list[File]) -> None:
        self._try(lambda writer: writer.add_files(folder, files))

    def finish(self, walk: Walk, totals: Totals) -> None:
        self._try(lambda writer: writer.finish(walk.folders, totals))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.abandon()

    def _try(self, act: Callable[[IndexWriter], None]) -> None:
        if self._writer is None:
            return
        try:
            act(self._writer)
        except (sqlite3.OperationalError, OSError):
            self._writer.abandon()
            self._writer = None


def _open_writer(path: Path) -> _Writer:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _Writer(IndexWriter(path))
    except (sqlite3.OperationalError, OSError):
        return _Writer(None)


def main() -> int:
    """Count what standard input says."""
    os.umask(0o077)
    os.nice(_NICEST)
    agent = os.getppid()

    def look_up() -> None:
        if os.getppid() != agent:
            raise OrphanError

    job = Job(**json.loads(sys.stdin.readline()))
    try:
        totals = count(job, look_up)
    except OSError as error:
        sys.stderr.write(f"{error.strerror or error}\n")
        return 1
    except OrphanError:
        return 1
    sys.stdout.write(json.dumps(asdict(totals)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
