"""Storage areas: where each appears in a server, and what must exist on the volume.

Words: an *area* is a tree that outlives the server; a *mount* shows it, or a part of
it, at one path, read-only or not; a *source* is a path on the volume, relative and
made of checked names; a *directory* is something the agent ensures before a start.

This module compares no groups: ``access`` hands it the questions ``role_in`` and
``is_member``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict

from .errors import UnsafeNameError
from .facility import Facility, StorageArea
from .names import check_component, join_components, make_slug
from .sentence import Sentence, say

AREAS_ROOT = "/af"
CVMFS_PATH = "/cvmfs"
CVMFS_SOURCE = "cvmfs"
Kind = Literal["private", "shared", "collab", "cvmfs"]
# how a plan is read from JSON: no unknown key, no "no" for false
STRICT = ConfigDict(extra="forbid", strict=True)
_TOP = {"private": "private", "shared": "shared", "collab": "collab"}


@dataclass(frozen=True, slots=True)
class Mount:
    """One area, or part of it, seen at one path of the server.

    ``source`` is relative to the volume (``cvmfs`` for the node's own CVMFS); ``group``
    is the group whose gid the server needs for it, ``owner_group`` the one the directory
    belongs to on the volume (None: its owner's own).
    """

    __pydantic_config__ = STRICT

    area: str
    kind: Kind
    source: str
    path: str
    read_only: bool
    optional: bool = False
    group: str | None = None
    owner_group: str | None = None


@dataclass(frozen=True, slots=True)
class AreaAccess:
    """An area, whether the person sees it, why not, and where it appears."""

    area: StorageArea
    allowed: bool
    reason: Sentence | None
    mounts: tuple[Mount, ...]


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory of the volume: ``owner`` is the person or the agent itself.

    ``group`` None is the owner's own gid; ``mode`` has the setgid bit where files must
    take the directory's group.
    """

    path: str
    owner: Literal["person", "agent"]
    group: str | None
    mode: int


@dataclass(frozen=True, slots=True)
class _Asking:
    """Who looks at an area: the directory name, their role in a class, the group question."""

    facility: Facility
    person: str
    role_in: Callable[[str], str | None]
    is_member: Callable[[str], bool]


def resolve_storage(
    facility: Facility,
    *,
    user: str,
    role_in: Callable[[str], str | None],
    is_member: Callable[[str], bool],
    login_reason: Sentence | None,
) -> tuple[AreaAccess, ...]:
    """Return every area of the file, in file order, with its mounts or the reason."""
    asking = _Asking(facility, make_slug(user), role_in, is_member)
    return tuple(_area_access(area, asking, login_reason) for area in facility.storage)


def _area_access(
    area: StorageArea, asking: _Asking, login_reason: Sentence | None
) -> AreaAccess:
    if login_reason is not None:
        return AreaAccess(area, allowed=False, reason=login_reason, mounts=())
    by_kind = {
        "private": _private_mounts,
        "shared": _shared_mounts,
        "collab": _collab_mounts,
        "cvmfs": _cvmfs_mounts,
    }
    mounts = by_kind[area.kind](area, asking)
    reason = None if mounts else _area_reason(area, asking.facility)
    return AreaAccess(area, allowed=reason is None, reason=reason, mounts=mounts)


def _area_reason(area: StorageArea, facility: Facility) -> Sentence:
    room = facility.class_room(area.class_name)
    if room is not None:
        return say(
            "The area {area} is for the class {name}.", area=area.name, name=room.name
        )
    groups = ", ".join(sorted(set((area.folders or {}).values())))
    return say(
        "The area {area} has folders for members of {groups} only.",
        area=area.name,
        groups=groups,
    )


def _path(area: StorageArea, *components: str) -> str:
    return "/".join((AREAS_ROOT, area.name, *components))


def _private_mounts(area: StorageArea, asking: _Asking) -> tuple[Mount, ...]:
    source = join_components("private", asking.person)
    return (Mount(area.name, "private", source, _path(area), read_only=False),)


def _shared_mounts(area: StorageArea, asking: _Asking) -> tuple[Mount, ...]:
    """Return the class's tree read-only and the own directory writable below it.

    A teacher gets the whole tree writable: what they may change is then decided by
    the owners and modes on the volume.
    """
    source = join_components("shared", area.name)
    room = asking.facility.class_room(area.class_name)
    role = asking.role_in(room.name) if room else None
    if room is not None and role is None:
        return ()
    own = Mount(
        area.name,
        "shared",
        join_components("shared", area.name, asking.person),
        _path(area, asking.person),
        read_only=False,
        owner_group=room.teachers if room else None,
    )
    if room is not None and role == "teacher":
        tree = Mount(
            area.name, "shared", source, _path(area), False, group=room.teachers
        )
        return (tree, own)
    return (Mount(area.name, "shared", source, _path(area), read_only=True), own)


def _collab_mounts(area: StorageArea, asking: _Asking) -> tuple[Mount, ...]:
    return tuple(
        Mount(
            area.name,
            "collab",
            join_components("collab", area.name, folder),
            _path(area, folder),
            read_only=False,
            group=group,
            owner_group=group,
        )
        for folder, group in (area.folders or {}).items()
        if asking.is_member(group)
    )


def _cvmfs_mounts(area: StorageArea, _asking: _Asking) -> tuple[Mount, ...]:
    return (
        Mount(
            area.name, "cvmfs", CVMFS_SOURCE, CVMFS_PATH, True, optional=area.optional
        ),
    )


def directories_of(mounts: Iterable[Mount], *, person: str) -> tuple[Directory, ...]:
    """Return what must exist on the volume for these mounts, parents first.

    The paths are made again from checked names and compared with each mount's source,
    so that a source somebody tampered with is refused instead of followed.

    Raises
    ------
    UnsafeNameError
        If a mount's source is not where its kind puts it.
    """
    found: dict[str, Directory] = {}
    for mount in mounts:
        for directory in _mount_directories(mount, person):
            found.setdefault(directory.path, directory)
    return tuple(found.values())


def _mount_directories(mount: Mount, person: str) -> tuple[Directory, ...]:
    """Return the directories of one mount, as the table of storage layouts says."""
    if mount.kind == "cvmfs":
        return ()
    top = Directory(_TOP[mount.kind], "agent", None, 0o711)
    if mount.kind == "private":
        _check_source(mount, join_components(top.path, person))
        return (top, Directory(mount.source, "person", None, 0o700))
    tree = join_components(top.path, mount.area)
    if mount.kind == "shared":
        root = Directory(tree, "agent", None, 0o755)
        if mount.source == tree:
            return (top, root)
        _check_source(mount, f"{tree}/{check_component(person)}")
        return (top, root, Directory(mount.source, "person", mount.owner_group, 0o2775))
    folder_name = check_component(mount.source.rpartition("/")[2])
    _check_source(mount, f"{tree}/{folder_name}")
    folder = Directory(mount.source, "agent", mount.owner_group, 0o2770)
    return (top, Directory(tree, "agent", None, 0o711), folder)


def _check_source(mount: Mount, expected: str) -> None:
    if mount.source != expected:
        msg = f"The source {mount.source[:80]!r} is not where a {mount.kind} area lies."
        raise UnsafeNameError(msg)
