"""Storage areas: where each appears in a server, and what must exist on the volume.

Words: an *area* outlives the server; a *mount* shows it, or a part of it, at one path,
read-only or not; a *source* is a path on the volume, relative and made of checked
names; a *directory* is something the agent ensures before a start; a *tree* is what one
person, or one folder's group, has of an area: quotas and backups are of trees.

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
BACKUPS = "backups"
AreaKind = Literal["private", "shared", "collab", "cvmfs"]
# what a mount shows: an area, or the backups of one
Kind = Literal[AreaKind, "backup"]
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
class Tree:
    """What one person, or one folder's group, has of an area.

    ``owner`` is the person's directory name, or the folder's name. ``source`` is where
    it lies on the volume, ``backups`` where its generations do.
    """

    area: str
    kind: AreaKind
    owner: str
    source: str
    backups: str


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
    if area.backup is not None:
        mounts += _backup_mounts(area, asking, mounts)
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


def _backup_mounts(
    area: StorageArea, asking: _Asking, mounts: tuple[Mount, ...]
) -> tuple[Mount, ...]:
    """Return where the generations of the trees a person works in are seen, read-only.

    Those of a collab folder lie beside the folders; those of any other area cannot lie
    in the area, which is the person's own, and have a place beside the areas.
    """
    writable = [mount for mount in mounts if not mount.read_only]
    if area.kind != "collab":
        # a teacher works in the whole class's tree, and sees all of its generations
        writable = writable[:1]
    return tuple(_to_backup_mount(area, mount, asking.person) for mount in writable)


def _to_backup_mount(area: StorageArea, mount: Mount, person: str) -> Mount:
    below = mount.source.rpartition("/")[2] if area.kind == "collab" else person
    source = join_components(BACKUPS, area.name, below)
    path = f"{AREAS_ROOT}/{BACKUPS}/{area.name}"
    if area.kind == "collab":
        path = _path(area, BACKUPS, below)
    elif area.kind == "shared" and mount.source == tree_root(area.kind, area.name):
        source = join_components(BACKUPS, area.name)
    elif area.kind == "shared":
        path = f"{path}/{person}"
    return Mount(
        area.name,
        "backup",
        source,
        path,
        read_only=True,
        group=mount.group,
        owner_group=mount.owner_group,
    )


def tree_root(kind: AreaKind, area: str) -> str:
    """Return the folder of the volume that the trees of an area lie in."""
    top = _TOP[kind]
    return top if kind == "private" else join_components(top, area)


def make_tree(kind: AreaKind, area: str, owner: str) -> Tree:
    """Return the tree of a person or a folder; the names are checked.

    Raises
    ------
    UnsafeNameError
        If a name is none that the volume may have.
    """
    source = join_components(*tree_root(kind, area).split("/"), owner)
    return Tree(area, kind, owner, source, join_components(BACKUPS, area, owner))


def is_tree(source: str) -> bool:
    """Tell whether a path of the volume is one that a tree has."""
    top, *below = source.split("/")
    return len(below) == {"private": 1, "shared": 2, "collab": 2}.get(top)


def trees_of(mounts: Iterable[Mount], *, person: str) -> tuple[Tree, ...]:
    """Return the trees that mounts let a person write: what a quota is about."""
    found = []
    for mount in mounts:
        owner = mount.source.rpartition("/")[2]
        if mount.read_only or mount.kind == "cvmfs" or mount.kind == "backup":
            continue
        if mount.kind == "collab" or owner == person:
            found.append(make_tree(mount.kind, mount.area, owner))
    return tuple(found)


def path_of(tree: Tree, mounts: Iterable[Mount]) -> str:
    """Return where a tree is in a server that mounts it; empty where it does not."""
    found = (m.path for m in mounts if m.source == tree.source and m.kind == tree.kind)
    return next(found, "")


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
    if mount.kind == "backup":
        return _backup_directories(mount, person)
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


def _backup_directories(mount: Mount, person: str) -> tuple[Directory, ...]:
    """Return where the generations of a tree lie: for those who work in it, read-only."""
    top = Directory(BACKUPS, "agent", None, 0o711)
    # seen as a whole by teachers only; nobody else's mount shows it
    root = Directory(join_components(BACKUPS, mount.area), "agent", None, 0o755)
    if mount.source == root.path:
        return (top, root)
    owner = mount.source.rpartition("/")[2] if mount.group else person
    _check_source(mount, f"{root.path}/{check_component(owner)}")
    mode = 0o550 if mount.owner_group else 0o500
    whose: Literal["person", "agent"] = "agent" if mount.group else "person"
    return (top, root, Directory(mount.source, whose, mount.owner_group, mode))


def _check_source(mount: Mount, expected: str) -> None:
    if mount.source != expected:
        msg = f"The source {mount.source[:80]!r} is not where a {mount.kind} area lies."
        raise UnsafeNameError(msg)
