"""Where the earlier versions of a path are: in the backup folders that are mounted.

Words: a *tree* is one person's or one folder's part of an area; a *generation* is the
tree as it was at a time, a folder named by that time (UTC), below the tree's backups.

| tree, below the root | its generations |
|---|---|
| `AREA/FOLDER` of a collab area | `AREA/backups/FOLDER/TIME` |
| `AREA` of a private area | `backups/AREA/TIME` |
| `AREA/PERSON` of a shared area | `backups/AREA/PERSON/TIME` |

Only a folder that is a mount counts as backups: one that a person made does not. A
teacher's mount is `backups/AREA` as a whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jupyterlab_af.beneath import LIST, names_of, open_beneath, open_root
from jupyterlab_af.trouble import UNSAFE_PATH, Trouble, telling_trouble

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BACKUPS = "backups"
GENERATION = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ")
_FORMAT = "%Y-%m-%dT%H-%M-%SZ"
NOT_KEPT = Trouble("not-kept", 404, "No earlier versions are kept of {path}.")
GONE = Trouble("gone", 404, "The version {path} is no longer kept.")


@dataclass(frozen=True, slots=True)
class Spot:
    """A path of the server: its tree, the tree's generations, and the rest below both.

    All are names below the root.
    """

    tree: tuple[str, ...]
    backups: tuple[str, ...]
    rest: tuple[str, ...]

    @property
    def path(self) -> str:
        """Return the path below the root."""
        return "/".join((*self.tree, *self.rest))

    def path_in(self, generation: str) -> str:
        """Return the path that it has in a generation, below the root."""
        return "/".join((*self.backups, generation, *self.rest))


@dataclass(frozen=True, slots=True)
class Shelf:
    """The server's root folder, and what tells where something is mounted below it."""

    root: Path
    mounts: Callable[[], frozenset[Path]]

    def find_spot(self, path: str) -> Spot:
        """Return where a path and its generations are.

        Raises
        ------
        TroubleError
            If the path is unsafe, or no generations of it are here.
        """
        try:
            names = names_of(path)
        except ValueError:
            raise UNSAFE_PATH.error(path) from None
        for spot in self._candidates(names, self.mounts()):
            return spot
        raise NOT_KEPT.error(path)

    def _candidates(
        self, names: tuple[str, ...], mounts: frozenset[Path]
    ) -> Iterator[Spot]:
        if not names:
            return
        area, below = names[0], names[1:]
        of_area = (BACKUPS, area)
        if below and self.root.joinpath(area, BACKUPS, below[0]) in mounts:
            yield Spot(names[:2], (area, BACKUPS, below[0]), below[1:])
        if below and self.root.joinpath(*of_area, below[0]) in mounts:
            yield Spot(names[:2], (*of_area, below[0]), below[1:])
        if self.root.joinpath(*of_area) in mounts:
            if self._is_of_persons(of_area, below[:1]):
                yield Spot(names[:2], (*of_area, below[0]), below[1:])
            yield Spot((area,), of_area, below)

    def _is_of_persons(self, of_area: tuple[str, ...], person: tuple[str, ...]) -> bool:
        """Tell whether the generations of an area lie one folder deeper, by person."""
        if not person or GENERATION.fullmatch(person[0]):
            return False
        path = self.root.joinpath(*of_area, *person)
        return path.is_dir() and not path.is_symlink()

    @contextmanager
    def open(self, names: Sequence[str], flags: int = LIST) -> Iterator[int]:
        """Give a descriptor of what names below the root lead to; see `open_beneath`."""
        with open_root(self.root) as root, open_beneath(root, names, flags) as found:
            yield found

    def generations_of(self, spot: Spot) -> list[str]:
        """Return the names of a tree's generations, newest first."""
        with (
            telling_trouble(spot.path),
            self.open(spot.backups) as folder,
            os.scandir(folder) as entries,
        ):
            found = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
        return sorted(filter(is_generation, found), reverse=True)

    def check_generation(self, spot: Spot, generation: str) -> None:
        """Return if the tree has a generation of this name.

        Raises
        ------
        TroubleError
            If it has none.
        """
        if generation not in self.generations_of(spot):
            raise GONE.error(generation[:40])


def is_generation(name: str) -> bool:
    """Return whether a folder's name is the time of a generation."""
    try:
        time_of(name)
    except ValueError:
        return False
    return GENERATION.fullmatch(name) is not None


def time_of(generation: str) -> float:
    """Return when a generation was made, in seconds since 1970."""
    return datetime.strptime(generation, _FORMAT).replace(tzinfo=UTC).timestamp()


def to_name(at: float) -> str:
    """Return a time as generations are named by it."""
    return datetime.fromtimestamp(at, UTC).strftime(_FORMAT)
