"""What changed in a text since a version, line by line; of a notebook, its cells' text.

Notebooks are shown by nbdime where it is installed; this is for text, and for them
where it is not.
"""

from __future__ import annotations

import difflib
import json
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from jupyterlab_af.beneath import READ
from jupyterlab_af.trouble import NOT_THERE, Trouble, TroubleError, telling_trouble

if TYPE_CHECKING:
    from jupyterlab_af.generations import Shelf, Spot

LIMIT_BYTES = 1024**2
LIMIT_LINES = 10_000
AROUND = 3
TOO_LARGE = Trouble(
    "too-large", 413, "{path} is too large to compare here: at most 1 MiB is."
)
NOT_TEXT = Trouble("not-text", 415, "{path} is no text, and cannot be compared.")


Change = Literal["equal", "replace", "delete", "insert"]


@dataclass(frozen=True, slots=True)
class Part:
    """Some lines before and after; ``before_at`` and ``after_at`` count from 1."""

    kind: Change
    before_at: int
    before: tuple[str, ...]
    after_at: int
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed, in groups of parts with some equal lines around."""

    path: str
    generation: str
    groups: tuple[tuple[Part, ...], ...]


def find_difference(shelf: Shelf, spot: Spot, generation: str) -> Difference:
    """Return what changed since a version; without a file now, all of it is gone.

    Raises
    ------
    TroubleError
        If there is no such version, or one of the two cannot be compared.
    """
    shelf.check_generation(spot, generation)
    before = _read_lines(shelf, (*spot.backups, generation, *spot.rest), spot.path)
    try:
        after = _read_lines(shelf, (*spot.tree, *spot.rest), spot.path)
    except TroubleError as error:
        if error.code != NOT_THERE.code:
            raise
        after = []
    return Difference(spot.path, generation, compare(before, after))


def compare(before: list[str], after: list[str]) -> tuple[tuple[Part, ...], ...]:
    """Return the groups of what changed from some lines to others."""
    matcher = difflib.SequenceMatcher(None, before, after)
    return tuple(
        tuple(
            Part(
                kind=cast("Change", kind),
                before_at=i + 1,
                before=tuple(before[i:i_end]),
                after_at=j + 1,
                after=tuple(after[j:j_end]),
            )
            for kind, i, i_end, j, j_end in group
        )
        for group in matcher.get_grouped_opcodes(AROUND)
    )


def _read_lines(shelf: Shelf, place: tuple[str, ...], path: str) -> list[str]:
    with telling_trouble(path), shelf.open(place, READ) as opened:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise NOT_TEXT.error(path)
        raw = os.read(opened, LIMIT_BYTES + 1)
    if len(raw) > LIMIT_BYTES:
        raise TOO_LARGE.error(path)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise NOT_TEXT.error(path) from None
    if "\0" in text:
        raise NOT_TEXT.error(path)
    lines = (cells_text(text) if path.endswith(".ipynb") else text).splitlines()
    if len(lines) > LIMIT_LINES:
        raise TOO_LARGE.error(path)
    return lines


def cells_text(notebook: str) -> str:
    """Return what is written in a notebook's cells; the text itself if it is none."""
    try:
        cells = json.loads(notebook)["cells"]
        return "\n\n".join(_cell_text(cell) for cell in cells)
    except (ValueError, KeyError, TypeError):
        return notebook


def _cell_text(cell: dict[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)
