"""Trees to count, and counts of them."""

from __future__ import annotations

import os
from pathlib import Path

from jupyterhub_af.storage.usage.index import read_largest
from jupyterhub_af.storage.usage.worker import Job, Totals, count

SOURCE = "private/anna"


def tree_on(volume: Path, source: str = SOURCE) -> Path:
    """Return the folder of a new tree."""
    tree = volume / source
    tree.mkdir(parents=True)
    return tree


def write(path: Path, size: int) -> int:
    """Write a file that uses a disk; return how much it uses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    # some file systems give blocks late
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return used(path)


def used(path: Path) -> int:
    return path.lstat().st_blocks * 512


def index_of(volume: Path) -> Path:
    return volume / ".usage" / "private" / "anna.sqlite"


def count_tree(volume: Path, source: str = SOURCE) -> Totals:
    return count(Job(str(volume), source, str(index_of(volume))))


def largest(volume: Path, folder: str = "", many: int = 20):
    """Return what fills a folder: its entries and its largest files, by path."""
    reply = read_largest(index_of(volume), folder, many)
    assert reply is not None
    return (
        {entry.path: entry.used_bytes for entry in reply.entries},
        [entry.path for entry in reply.largest_files],
    )
