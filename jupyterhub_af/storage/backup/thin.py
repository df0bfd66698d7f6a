"""Let generations go: those the rules do not keep, then the oldest for space.

A generation is renamed into the closed folder before it is removed, so that nobody sees
half of one. What a removal frees is counted: a file goes with its last link only.
"""

from __future__ import annotations

from pathlib import Path

from jupyterhub_af.policy.generations import Keeping, order_for_space, select_kept
from jupyterhub_af.policy.storage import BACKUPS, make_tree

from .copy import Step
from .place import Place, owners_in, remove_folder, run_tool
from .space import Space

_FIND = ("/usr/bin/find", "-P")
_COLUMNS = ("-printf", "%y %n %i %b\\n")


def thin_tree(place: Place, rules: Keeping, space: Space, *, step: Step) -> None:
    """Remove what the rules do not keep of a tree."""
    times = place.times()
    for time in sorted(set(times) - select_kept(times, rules)):
        space.bytes -= remove_generation(place, time, step)


def thin_area(place: Place, budget_bytes: int, space: Space, *, step: Step) -> None:
    """Remove the oldest generations of a tree's area until they fit into the budget."""
    if space.bytes <= budget_bytes:
        return
    owners = list(owners_in(place.volume / BACKUPS / place.tree.area))
    places = {owner: _place_of(place, owner) for owner in owners}
    order = order_for_space({name: one.times() for name, one in places.items()})
    for owner, time in order:
        if space.bytes <= budget_bytes:
            return
        space.bytes -= remove_generation(places[owner], time, step)


def remove_generation(place: Place, time: int, step: Step) -> int:
    """Remove one generation; return the bytes that were freed."""
    gone = place.retire(time)
    step("retired")
    freed = count_freed(gone)
    remove_folder(place.work)
    return freed


def count_freed(folder: Path) -> int:
    """Return the bytes that removing a folder frees: of files, those without other links."""
    blocks = 0
    left: dict[str, int] = {}
    for line in run_tool(*_FIND, str(folder), *_COLUMNS).decode().splitlines():
        kind, links, inode, used = line.split()
        if kind != "d" and (rest := left.get(inode, int(links)) - 1):
            left[inode] = rest
            continue
        blocks += int(used)
    return blocks * 512


def _place_of(place: Place, owner: str) -> Place:
    tree = make_tree(place.tree.kind, place.tree.area, owner)
    return Place(place.volume, tree)
