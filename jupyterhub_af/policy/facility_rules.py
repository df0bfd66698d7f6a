"""Rules between keys of a facility: what no single value can show.

``find_problems`` returns all of them at once, each with its key path; it changes and
raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from .facility import DaskRule, Facility, Gpu, Profile, Size, StorageArea
from .groups import ancestors
from .names import RESERVED_AREAS
from .units import format_cores, format_memory

Found = Iterator[tuple[tuple[str | int, ...], str]]
MAX_SERVER_GROUPS = 16


def find_problems(facility: Facility) -> tuple[tuple[tuple[str | int, ...], str], ...]:
    """Return ``(key path, message)`` of everything that does not fit together."""
    rules: tuple[Callable[[Facility], Found], ...] = (
        _classes,
        _profiles,
        _profile_images,
        _profile_gpus,
        _profile_references,
        _profile_lifetimes,
        _areas,
        _private_area,
        _cvmfs_area,
        _area_kinds,
        _dask,
    )
    return tuple(found for rule in rules for found in rule(facility))


def _duplicates(key: str, names: Sequence[str], word: str, attribute: str) -> Found:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield (
                (key, index, attribute),
                f"the {word} {name!r} is there twice; each needs its own",
            )


def _defaults(
    key: tuple[str | int, ...], items: Sequence[Profile | Size | Gpu]
) -> Found:
    chosen = [item.slug for item in items if item.default]
    if len(chosen) > 1:
        yield key, f"{', '.join(chosen)} are all default; at most one may be"


def _classes(facility: Facility) -> Found:
    yield from _duplicates(
        "classes", [room.name for room in facility.classes], "class", "name"
    )
    for index, room in enumerate(facility.classes):
        if room.students == room.teachers:
            yield (
                ("classes", index, "teachers"),
                f"students and teachers are one group ({room.teachers}); they need one each",
            )
        elif room.teachers in ancestors(room.students):
            yield (
                ("classes", index, "teachers"),
                f"every member of {room.students} is in {room.teachers} too: "
                "all students would be teachers",
            )


def _profiles(facility: Facility) -> Found:
    yield from _duplicates(
        "profiles", [p.slug for p in facility.profiles], "slug", "slug"
    )
    yield from _defaults(("profiles",), facility.profiles)
    for index, profile in enumerate(facility.profiles):
        for key, items in (
            ("sizes", profile.sizes or ()),
            ("gpus", profile.gpus or ()),
        ):
            slugs = [item.slug for item in items]
            for path, message in _duplicates(key, slugs, "slug", "slug"):
                yield ("profiles", index, *path), message
            yield from _defaults(("profiles", index, key), items)


def _profile_images(facility: Facility) -> Found:
    for index, profile in enumerate(facility.profiles):
        if (profile.image is None) == (profile.image_pattern is None):
            has = "neither" if profile.image is None else "both"
            yield (
                ("profiles", index),
                f"has {has} of image and image_pattern; exactly one is needed",
            )


def _profile_gpus(facility: Facility) -> Found:
    for index, profile in enumerate(facility.profiles):
        for number, gpu in enumerate(profile.gpus or ()):
            if (gpu.resource is None) != (gpu.count is None):
                yield (
                    ("profiles", index, "gpus", number),
                    "resource and count go together; give both or neither",
                )


def _profile_references(facility: Facility) -> Found:
    areas = [area.name for area in facility.storage]
    private = {area.name for area in facility.storage if area.kind == "private"}
    for index, profile in enumerate(facility.profiles):
        for number, name in enumerate(profile.storage or ()):
            if name not in areas:
                yield (
                    ("profiles", index, "storage", number),
                    f"there is no area {name!r}; there are {', '.join(areas)}",
                )
        if profile.storage is not None and not private & set(profile.storage):
            yield (
                ("profiles", index, "storage"),
                "the private area is missing; it is HOME",
            )
        if profile.dask is not None and profile.dask not in facility.dask:
            known = ", ".join(facility.dask) or "none"
            yield (
                ("profiles", index, "dask"),
                f"there is no dask entry {profile.dask!r}; there are: {known}",
            )


def _profile_lifetimes(facility: Facility) -> Found:
    for index, profile in enumerate(facility.profiles):
        for key in ("idle", "longest"):
            if getattr(profile.lifetime, key) == 0:
                yield (
                    ("profiles", index, "lifetime", key),
                    "must be more than 0; leave the key out for no limit",
                )


def _areas(facility: Facility) -> Found:
    yield from _duplicates(
        "storage", [area.name for area in facility.storage], "area", "name"
    )
    for index, area in enumerate(facility.storage):
        if area.name in RESERVED_AREAS:
            yield (
                ("storage", index, "name"),
                f"{area.name!r} is reserved; not allowed: {', '.join(sorted(RESERVED_AREAS))}",
            )
        if area.class_name is not None and facility.class_room(area.class_name) is None:
            known = ", ".join(room.name for room in facility.classes) or "none"
            yield (
                ("storage", index, "class"),
                f"there is no class {area.class_name!r}; there are: {known}",
            )


def _private_area(facility: Facility) -> Found:
    private = [area.name for area in facility.storage if area.kind == "private"]
    if len(private) != 1:
        has = ", ".join(private) or "none"
        yield (
            ("storage",),
            f"exactly one area of kind private is needed; there are: {has}",
        )


def _cvmfs_area(facility: Facility) -> Found:
    cvmfs = [i for i, area in enumerate(facility.storage) if area.kind == "cvmfs"]
    for index in cvmfs[1:]:
        yield ("storage", index), "is a second area of kind cvmfs; /cvmfs is there once"


_KEYS_BY_KIND = {
    "private": {"quota", "backup"},
    "shared": {"class_name", "quota", "backup"},
    "collab": {"folders", "lease_seconds", "quota", "backup"},
    "cvmfs": set(),
}


def _area_kinds(facility: Facility) -> Found:
    for index, area in enumerate(facility.storage):
        yield from _area_keys(index, area)
        if area.kind == "collab" and not area.folders:
            yield (
                ("storage", index, "folders"),
                "a collab area needs at least one folder",
            )
        if area.backup is not None and area.backup.every == 0:
            yield ("storage", index, "backup", "every"), "must be more than 0"
        groups = set((area.folders or {}).values())
        if len(groups) > MAX_SERVER_GROUPS:
            yield (
                ("storage", index, "folders"),
                f"{len(groups)} groups; a server can carry at most {MAX_SERVER_GROUPS}",
            )


def _area_keys(index: int, area: StorageArea) -> Found:
    for key in ("quota", "class_name", "folders", "lease_seconds", "backup"):
        if getattr(area, key) is not None and key not in _KEYS_BY_KIND[area.kind]:
            name = "class" if key == "class_name" else key
            yield (
                ("storage", index, name),
                f"does not belong to an area of kind {area.kind}",
            )


def _dask(facility: Facility) -> Found:
    for name, rule in facility.dask.items():
        yield from _dask_rule(name, rule)


def _dask_rule(name: str, rule: DaskRule) -> Found:
    least_cores, most_cores = (format_cores(cores) for cores in rule.worker_cores)
    least_memory, most_memory = (format_memory(size) for size in rule.worker_memory)
    if rule.worker_cores[0] > rule.worker_cores[1]:
        yield (
            ("dask", name, "worker_cores"),
            f"from {least_cores} to {most_cores}: the smaller number comes first",
        )
    if rule.worker_memory[0] > rule.worker_memory[1]:
        yield (
            ("dask", name, "worker_memory"),
            f"from {least_memory} to {most_memory}: the smaller number comes first",
        )
    if rule.user_cores < rule.worker_cores[0]:
        yield (
            ("dask", name, "user_cores"),
            f"{format_cores(rule.user_cores)} is less than one worker's {least_cores}",
        )
    if rule.user_memory < rule.worker_memory[0]:
        yield (
            ("dask", name, "user_memory"),
            f"{format_memory(rule.user_memory)} is less than one worker's {least_memory}",
        )
    if rule.idle_timeout == 0:
        yield (
            ("dask", name, "idle_timeout"),
            "must be more than 0, or a cluster never ends",
        )
    for group, cores in rule.group_cores.items():
        if cores < rule.worker_cores[0]:
            yield (
                ("dask", name, "group_cores", group),
                f"{format_cores(cores)} is less than one worker's {least_cores}",
            )
