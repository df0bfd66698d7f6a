"""Rules between keys of a facility: what no single value can show.

``find_problems`` returns all of them at once, each with its key path; it changes and
raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .facility import DaskRule, Facility, Gpu, Profile, Size, StorageArea
from .fault import show, show_names
from .groups import ancestors
from .names import RESERVED_AREAS
from .units import format_cores, format_memory

Loc = tuple[str | int, ...]
ANY = "*"
MAX_SERVER_GROUPS = 16
DAY_SECONDS = 86400
AREA_KEYS = ("quota", "class", "folders", "lease_seconds", "backup")
KEYS_BY_KIND = {
    "private": ("quota", "backup"),
    "shared": ("class", "quota", "backup"),
    "collab": ("folders", "lease_seconds", "quota", "backup"),
    "cvmfs": (),
}
_AREA_NAMES: Loc = ("storage", ANY, "name")
_AREA_KINDS: Loc = ("storage", ANY, "kind")


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not fit together: where, what is wrong, what is allowed.

    ``rests_on`` are the key paths the finding was made from beside its own (``ANY``:
    every item); it holds only if all of them could be read. ``shown`` is what to show
    if it is not the value at the path.
    """

    path: Loc
    wrong: str
    allowed: str
    rests_on: tuple[Loc, ...] = ()
    shown: str | None = None


Found = Iterator[Finding]


def find_problems(facility: Facility) -> tuple[Finding, ...]:
    """Return everything that does not fit together."""
    rules: tuple[Callable[[Facility], Found], ...] = (
        _classes,
        _profiles,
        _profile_images,
        _profile_gpus,
        _profile_areas,
        _profile_dask,
        _profile_lifetimes,
        _profile_tokens,
        _areas,
        _private_area,
        _cvmfs_area,
        _area_kinds,
        _area_folders,
        _area_backups,
        _dask,
        _audit,
    )
    return tuple(found for rule in rules for found in rule(facility))


def _duplicates(place: Loc, names: Sequence[str], key: str) -> Found:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if first.setdefault(name, index) != index:
            other = (*place, first[name])
            yield Finding(
                (*place, index, key),
                "is there twice",
                f"give each its own {key}: {_dotted(other)} has it too",
                rests_on=((*other, key),),
            )


def _defaults(place: Loc, items: Sequence[Profile | Size | Gpu]) -> Found:
    chosen = [index for index, item in enumerate(items) if item.default]
    for index in chosen[1:]:
        yield Finding(
            (*place, index, "default"),
            "is a second default",
            f"at most one may be, and {_dotted((*place, chosen[0]))} is",
        )


def _classes(facility: Facility) -> Found:
    names = [room.name for room in facility.classes]
    yield from _duplicates(("classes",), names, "name")
    for index, room in enumerate(facility.classes):
        path, students = ("classes", index, "teachers"), ("classes", index, "students")
        if room.students == room.teachers:
            yield Finding(
                path,
                "is the group of the students too",
                "write a group of the teachers' own",
                rests_on=(students,),
            )
        elif room.teachers in ancestors(room.students):
            yield Finding(
                path,
                f"is a group that everybody of {room.students} is in",
                "write one without students: all of them would be teachers",
                rests_on=(students,),
            )


def _profiles(facility: Facility) -> Found:
    yield from _duplicates(("profiles",), [p.slug for p in facility.profiles], "slug")
    yield from _defaults(("profiles",), facility.profiles)
    for index, profile in enumerate(facility.profiles):
        parts: tuple[tuple[str, Sequence[Size | Gpu]], ...] = (
            ("sizes", profile.sizes or ()),
            ("gpus", profile.gpus or ()),
        )
        for key, items in parts:
            place = ("profiles", index, key)
            yield from _duplicates(place, [item.slug for item in items], "slug")
            yield from _defaults(place, items)


def _profile_images(facility: Facility) -> Found:
    for index, profile in enumerate(facility.profiles):
        images = (profile.image, profile.image_pattern)
        if (images[0] is None) == (images[1] is None):
            path: Loc = ("profiles", index)
            has = "neither" if images[0] is None else "both"
            yield Finding(
                path,
                f"has {has} of image and image_pattern",
                "exactly one is needed",
                rests_on=((*path, "image"), (*path, "image_pattern")),
                shown=" and ".join(show(image) for image in images if image)
                or "no value",
            )


def _profile_gpus(facility: Facility) -> Found:
    for index, profile in enumerate(facility.profiles):
        for number, gpu in enumerate(profile.gpus or ()):
            if (gpu.resource is None) != (gpu.count is None):
                path: Loc = ("profiles", index, "gpus", number)
                has = "a count and no resource"
                if gpu.count is None:
                    has = "a resource and no count"
                yield Finding(
                    path,
                    f"has {has}",
                    "give both or neither",
                    rests_on=((*path, "resource"), (*path, "count")),
                    shown=show(gpu.resource or gpu.count),
                )


def _profile_areas(facility: Facility) -> Found:
    areas = dict.fromkeys(area.name for area in facility.storage)
    private = {area.name for area in facility.storage if area.kind == "private"}
    for index, profile in enumerate(facility.profiles):
        path: Loc = ("profiles", index, "storage")
        for number, name in enumerate(profile.storage or ()):
            if name not in areas:
                yield Finding(
                    (*path, number),
                    "is not an area",
                    f"known: {show_names(tuple(areas))}",
                    rests_on=(_AREA_NAMES,),
                )
        if private and private.isdisjoint(profile.storage or private):
            yield Finding(
                path,
                "leaves out the private area",
                f"add {show_names(tuple(private))}: it is HOME",
                rests_on=(_AREA_NAMES, _AREA_KINDS),
            )


def _profile_dask(facility: Facility) -> Found:
    for index, profile in enumerate(facility.profiles):
        if profile.dask is not None and profile.dask not in facility.dask:
            yield Finding(
                ("profiles", index, "dask"),
                "is not an entry of dask",
                f"known: {show_names(tuple(facility.dask))}",
                rests_on=(("dask", ANY),),
            )


def _profile_lifetimes(facility: Facility) -> Found:
    for index, profile in enumerate(facility.profiles):
        for key in ("idle", "longest"):
            if getattr(profile.lifetime, key) == 0:
                yield Finding(
                    ("profiles", index, "lifetime", key),
                    "is zero",
                    "write more, or leave the key out for no limit",
                )
        named = profile.lifetime.active_while
        for number, work in enumerate(named):
            if work in named[:number]:
                yield Finding(
                    ("profiles", index, "lifetime", "active_while", number),
                    "is there twice",
                    "keep one",
                )


def _profile_tokens(facility: Facility) -> Found:
    if facility.iam.server_tokens:
        return
    for index, profile in enumerate(facility.profiles):
        if profile.token is not None:
            yield Finding(
                ("profiles", index, "token"),
                "is of no use, since iam.server_tokens is off",
                "switch it on, or leave this key out",
                rests_on=(("iam", "server_tokens"),),
            )


def _areas(facility: Facility) -> Found:
    yield from _duplicates(("storage",), [a.name for a in facility.storage], "name")
    rooms = dict.fromkeys(room.name for room in facility.classes)
    for index, area in enumerate(facility.storage):
        if area.name in RESERVED_AREAS:
            yield Finding(
                ("storage", index, "name"),
                "is a reserved name",
                f"use any but {show_names(tuple(sorted(RESERVED_AREAS)))}",
            )
        if area.class_name is not None and area.class_name not in rooms:
            yield Finding(
                ("storage", index, "class"),
                "is not a class",
                f"known: {show_names(tuple(rooms))}",
                rests_on=(("classes", ANY, "name"),),
            )


def _private_area(facility: Facility) -> Found:
    private = tuple(area.name for area in facility.storage if area.kind == "private")
    none = "has no area of kind private"
    if len(private) != 1:
        yield Finding(
            ("storage",),
            f"has {len(private)} areas of kind private" if private else none,
            "exactly one is needed: it is HOME",
            rests_on=(_AREA_KINDS,),
            shown=show_names(private or tuple(area.name for area in facility.storage)),
        )


def _cvmfs_area(facility: Facility) -> Found:
    cvmfs = [i for i, area in enumerate(facility.storage) if area.kind == "cvmfs"]
    for index in cvmfs[1:]:
        yield Finding(
            ("storage", index, "kind"),
            f"is the kind of storage.{cvmfs[0]} too",
            "at most one area may be cvmfs: /cvmfs is there once",
            rests_on=(("storage", cvmfs[0], "kind"),),
        )


def _area_kinds(facility: Facility) -> Found:
    for index, area in enumerate(facility.storage):
        known = KEYS_BY_KIND[area.kind]
        for key in AREA_KEYS:
            if _of(area, key) is not None and key not in known:
                yield Finding(
                    ("storage", index, key),
                    f"does not belong to an area of kind {area.kind}",
                    f"allowed there: {show_names(known)}",
                    rests_on=(("storage", index, "kind"),),
                )


def _of(area: StorageArea, key: str) -> object:
    return getattr(area, "class_name" if key == "class" else key)


def _area_folders(facility: Facility) -> Found:
    for index, area in enumerate(facility.storage):
        path: Loc = ("storage", index, "folders")
        if area.kind == "collab" and not area.folders:
            yield Finding(
                path,
                "has no folder",
                "an area of kind collab needs at least one",
                rests_on=(("storage", index, "kind"),),
            )
        groups = set((area.folders or {}).values())
        if len(groups) > MAX_SERVER_GROUPS:
            yield Finding(
                path,
                f"names {len(groups)} groups",
                f"a server can carry at most {MAX_SERVER_GROUPS}",
            )


def _area_backups(facility: Facility) -> Found:
    for index, area in enumerate(facility.storage):
        if area.backup is not None and area.backup.every == 0:
            yield Finding(
                ("storage", index, "backup", "every"), "is zero", "write at least 1s"
            )


def _dask(facility: Facility) -> Found:
    for name, rule in facility.dask.items():
        yield from _dask_cores(("dask", name), rule)
        yield from _dask_memory(("dask", name), rule)
        if rule.idle_timeout == 0:
            yield Finding(
                ("dask", name, "idle_timeout"),
                "is zero",
                "write more: a cluster would never end",
            )


def _dask_cores(place: Loc, rule: DaskRule) -> Found:
    least, most = rule.worker_cores
    worker: Loc = (*place, "worker_cores")
    if least > most:
        yield Finding(worker, "goes from more to less", "write the least first")
    ceilings: dict[Loc, float] = {(*place, "user_cores"): rule.user_cores}
    for group, cores in rule.group_cores.items():
        ceilings[*place, "group_cores", group] = cores
    for path, cores in ceilings.items():
        if cores < least:
            yield _too_little(path, format_cores(least), worker)


def _dask_memory(place: Loc, rule: DaskRule) -> Found:
    least, most = rule.worker_memory
    worker: Loc = (*place, "worker_memory")
    if least > most:
        yield Finding(worker, "goes from more to less", "write the least first")
    if rule.user_memory < least:
        yield _too_little((*place, "user_memory"), format_memory(least), worker)


def _too_little(path: Loc, least: str, worker: Loc) -> Finding:
    return Finding(
        path,
        "is less than one worker needs",
        f"write at least the {least} that {worker[-1]} begins with",
        rests_on=(worker,),
    )


def _dotted(path: Loc) -> str:
    return ".".join(str(part) for part in path)


def _audit(facility: Facility) -> Found:
    if facility.audit.keep < DAY_SECONDS:
        yield Finding(
            ("audit", "keep"), "is less than a day", "write 1d or more, such as 400d"
        )
