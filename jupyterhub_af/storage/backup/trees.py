"""Which trees of the volume are backed up, and what is known of each one's generations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jupyterhub_af.policy.backup_messages import GenerationRecord
from jupyterhub_af.policy.facility import Backup, Facility, StorageArea
from jupyterhub_af.policy.storage import make_tree, tree_root
from jupyterhub_af.policy.storage_messages import TreeName
from jupyterhub_af.storage.errors import AgentError

from .place import Place, owners_in


def backed_up(facility: Facility) -> tuple[tuple[StorageArea, Backup], ...]:
    """Return the areas that are backed up, with their rules."""
    return tuple(
        (area, area.backup)
        for area in facility.storage
        if area.backup is not None and area.kind != "cvmfs"
    )


def find_area(facility: Facility, name: str) -> tuple[StorageArea, Backup]:
    """Return an area that is backed up, and its rules.

    Raises
    ------
    AgentError
        If the area has no `backup`, or there is no such area.
    """
    for area, rules in backed_up(facility):
        if area.name == name:
            return area, rules
    names = ", ".join(area.name for area, _ in backed_up(facility)) or "none"
    msg = f"The area {name[:80]!r} is not backed up; these are: {names}."
    raise AgentError(msg, rule="no-backup", status=404)


def find_trees(volume: Path, area: StorageArea) -> tuple[TreeName, ...]:
    """Return the trees of an area that are on the volume; asks the disk."""
    owners: Iterable[str] = owners_in(volume / tree_root(area.kind, area.name))
    if area.kind == "collab":
        owners = (name for name in owners if name in (area.folders or {}))
    return tuple(
        TreeName(area=area.name, kind=area.kind, owner=owner) for owner in owners
    )


def load_records(
    volume: Path, tree: TreeName, count: int
) -> tuple[GenerationRecord, ...]:
    """Return the newest generations of a tree, newest first; asks the disk."""
    place = Place(volume, make_tree(tree.kind, tree.area, tree.owner))
    newest = sorted(place.times(), reverse=True)[:count]
    found = (place.load_record(time) for time in newest)
    return tuple(record for record in found if record is not None)
