"""``jupyterhub-af show``: what such a person gets of a facility, and why not the rest."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

from jupyterhub_af.policy.access import (
    Access,
    ClassAccess,
    DaskAccess,
    GpuAccess,
    ProfileAccess,
    SizeAccess,
)
from jupyterhub_af.policy.errors import ConfigError
from jupyterhub_af.policy.sentence import Sentence
from jupyterhub_af.policy.storage import AreaAccess
from jupyterhub_af.policy.units import format_cores, format_memory

from .asking import add_person_arguments, complain, load_access
from .commands import Commands


def add_show(commands: Commands) -> None:
    """Add the command."""
    show = commands.add_parser(
        "show",
        help="show what a person may use, and why not the rest",
        description="Show what a person with these groups may use, and why not the rest.",
    )
    add_person_arguments(show)
    show.set_defaults(run=run_show)


def run_show(parsed: argparse.Namespace) -> int:
    """Print what a person may use."""
    try:
        _, access = load_access(parsed)
    except ConfigError as error:
        complain(error)
        return 1
    if parsed.json:
        print(json.dumps(to_json(access), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(access)))
    return 0


def to_json(access: Access) -> dict[str, object]:
    """Return the answer as data; every part has ``allowed`` and, if not, ``reason``."""
    return {
        "user": access.identity.user,
        "groups": sorted(access.identity.groups),
        "admin": access.admin,
        "may_log_in": access.may_log_in,
        "reason": _text(access.reason),
        "profiles": [_profile_to_json(found) for found in access.profiles],
        "storage": [_area_to_json(found) for found in access.storage],
        "dask": [_dask_to_json(found) for found in access.dask],
        "classes": [_class_to_json(found) for found in access.classes],
    }


def _text(reason: Sentence | None) -> str | None:
    return None if reason is None else str(reason)


def _profile_to_json(found: ProfileAccess) -> dict[str, object]:
    return {
        "slug": found.profile.slug,
        "allowed": found.allowed,
        "reason": _text(found.reason),
        "sizes": [_choice_to_json(item.size.slug, item) for item in found.sizes],
        "gpus": [_choice_to_json(item.gpu.slug, item) for item in found.gpus],
    }


def _choice_to_json(slug: str, item: SizeAccess | GpuAccess) -> dict[str, object]:
    return {"slug": slug, "allowed": item.allowed, "reason": _text(item.reason)}


def _area_to_json(found: AreaAccess) -> dict[str, object]:
    return {
        "name": found.area.name,
        "allowed": found.allowed,
        "reason": _text(found.reason),
        "mounts": [
            {"source": m.source, "path": m.path, "read_only": m.read_only}
            for m in found.mounts
        ],
    }


def _dask_to_json(found: DaskAccess) -> dict[str, object]:
    """Return an entry's ceilings; memory in bytes, times in seconds."""
    rule = found.rule
    return {
        "name": found.name,
        "allowed": found.allowed,
        "reason": _text(found.reason),
        "max_clusters": rule.max_clusters,
        "worker_cores": list(rule.worker_cores),
        "worker_memory_bytes": list(rule.worker_memory),
        "user_cores": rule.user_cores,
        "user_memory_bytes": rule.user_memory,
        "group_cores": dict(found.group_cores),
        "idle_timeout_seconds": rule.idle_timeout,
        "detach_seconds": rule.detach,
    }


def _class_to_json(found: ClassAccess) -> dict[str, object]:
    return {
        "name": found.name,
        "role": found.role,
        "allowed": found.allowed,
        "reason": _text(found.reason),
    }


def _lines(access: Access) -> Iterator[str]:
    """Return the answer for a reader: a line each, and the reason behind a "no"."""
    who = access.identity
    yield f"{who.user}, groups: {', '.join(sorted(who.groups)) or 'none'}"
    yield f"may log in: {_yes_or(access.reason)}"
    yield f"administrator: {'yes' if access.admin else 'no'}"
    yield "profiles:"
    for found in access.profiles:
        yield from _profile_lines(found)
    yield "storage:"
    for area in access.storage:
        yield f"  {area.area.name}: {_yes_or(area.reason)}"
        for mount in area.mounts:
            mode = "read-only" if mount.read_only else "writable"
            yield f"    {mount.path}  {mode}  (from {mount.source})"
    if access.dask:
        yield "dask:"
    for entry in access.dask:
        yield f"  {entry.name}: {_yes_or(entry.reason)}"
        yield f"    {_ceilings(entry)}"
    if access.classes:
        yield "classes:"
    for room in access.classes:
        yield f"  {room.name}: {room.role or _yes_or(room.reason)}"


def _profile_lines(found: ProfileAccess) -> Iterator[str]:
    yield f"  {found.profile.slug}: {_yes_or(found.reason)}"
    for item in found.sizes:
        size = item.size
        amount = f"{format_cores(size.cores)}, {format_memory(size.memory)}"
        yield f"    size {size.slug} ({amount}): {_yes_or(item.reason)}"
    for choice in found.gpus:
        gpu = choice.gpu
        amount = f"{gpu.count} x {gpu.resource}" if gpu.count else "no GPU"
        yield f"    GPU {gpu.slug} ({amount}): {_yes_or(choice.reason)}"


def _yes_or(reason: Sentence | None) -> str:
    return "yes" if reason is None else f"no. {reason}"


def _ceilings(entry: DaskAccess) -> str:
    rule = entry.rule
    low, high = (format_cores(cores) for cores in rule.worker_cores)
    least, most = (format_memory(size) for size in rule.worker_memory)
    parts = [
        f"{rule.max_clusters} clusters",
        f"workers of {low} to {high} and {least} to {most}",
        f"{format_cores(rule.user_cores)} and {format_memory(rule.user_memory)} in all",
        *(f"{format_cores(cores)} for {group}" for group, cores in entry.group_cores),
    ]
    return "; ".join(parts)
