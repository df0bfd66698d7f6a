"""What a folder and those below it once had and have no more.

Names that begin with a dot are left out, as the file browser does; what lay in a folder
that is gone is told as that folder.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from jupyterlab_af.generations import time_of
from jupyterlab_af.trouble import telling_trouble

if TYPE_CHECKING:
    from jupyterlab_af.generations import Shelf, Spot

# a look takes no longer, however much is kept
LOOK_SECONDS = 5.0
ENTRIES = 200_000
TOLD = 1000


@dataclass(frozen=True, slots=True)
class DeletedEntry:
    """A file or folder that is gone, as its newest generation has it."""

    path: str
    kind: Literal["file", "folder"]
    generation: str
    at: float
    modified_at: float
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Deleted:
    """What is gone below a path, newest first; not all of it if not complete."""

    path: str
    entries: tuple[DeletedEntry, ...]
    is_complete: bool


@dataclass(slots=True)
class _Look:
    """One look through the generations of a folder."""

    shelf: Shelf
    spot: Spot
    until: float
    entries_left: int = ENTRIES
    found: dict[tuple[str, ...], DeletedEntry] = field(default_factory=dict)
    # the names that each folder has now; None where the folder itself is none now
    now: dict[tuple[str, ...], dict[str, bool] | None] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        is_late = time.monotonic() > self.until
        return is_late or self.entries_left <= 0 or len(self.found) >= TOLD

    def look_through(self, generation: str) -> None:
        """Look through one generation, folder by folder."""
        folders: list[tuple[str, ...]] = [()]
        while folders and not self.is_over:
            folder = folders.pop()
            there = self._names_now(folder)
            if there is None:
                continue
            for entry in self._entries(generation, folder):
                below = (*folder, entry.name)
                if entry.name not in there:
                    self._tell(generation, below, entry)
                elif there[entry.name] and entry.is_dir(follow_symlinks=False):
                    folders.append(below)

    def _tell(
        self, generation: str, below: tuple[str, ...], entry: os.DirEntry[str]
    ) -> None:
        if below in self.found:
            return
        status = entry.stat(follow_symlinks=False)
        is_folder = stat.S_ISDIR(status.st_mode)
        if not is_folder and not stat.S_ISREG(status.st_mode):
            return
        self.found[below] = DeletedEntry(
            path="/".join((*self.spot.tree, *self.spot.rest, *below)),
            kind="folder" if is_folder else "file",
            generation=generation,
            at=time_of(generation),
            modified_at=status.st_mtime,
            size_bytes=None if is_folder else status.st_size,
        )

    def _names_now(self, folder: tuple[str, ...]) -> dict[str, bool] | None:
        """Return the names in a folder as it is now, and which are folders."""
        if folder not in self.now:
            place = (*self.spot.tree, *self.spot.rest, *folder)
            names: dict[str, bool] | None
            try:
                with self.shelf.open(place) as opened, os.scandir(opened) as entries:
                    names = {e.name: e.is_dir(follow_symlinks=False) for e in entries}
            except (FileNotFoundError, NotADirectoryError):
                # the folder that was asked for may be gone as a whole
                names = {} if not folder else None
            except OSError:
                names = None
            self.now[folder] = names
        return self.now[folder]

    def _entries(
        self, generation: str, folder: tuple[str, ...]
    ) -> list[os.DirEntry[str]]:
        place = (*self.spot.backups, generation, *self.spot.rest, *folder)
        try:
            with self.shelf.open(place) as opened, os.scandir(opened) as entries:
                # an entry is asked for more while the folder is open
                found = [e for e in entries if _is_told(e)]
                for entry in found:
                    entry.stat(follow_symlinks=False)
        except OSError:
            return []
        self.entries_left -= len(found) + 1
        return found


def _is_told(entry: os.DirEntry[str]) -> bool:
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        return False
    return not entry.name.startswith(".")


def find_deleted(
    shelf: Shelf, spot: Spot, *, look_seconds: float = LOOK_SECONDS
) -> Deleted:
    """Return what is gone below a path, the newest generation's first."""
    look = _Look(shelf, spot, time.monotonic() + look_seconds)
    generations = shelf.generations_of(spot)
    with telling_trouble(spot.path):
        for generation in generations:
            look.look_through(generation)
            if look.is_over:
                break
    entries = sorted(look.found.values(), key=lambda e: (-e.at, e.path))
    return Deleted(spot.path, tuple(entries), is_complete=not look.is_over)
