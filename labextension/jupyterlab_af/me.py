"""What the facility says of the person and of their server.

This module owns the shape of the service's reply `api/me` and of what the browser
gets of it. Every field is picked by name: a field that the service adds later stays
in this process until it is named here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


class ReplyError(ValueError):
    """The service's reply lacks a field, or a field is of the wrong type."""


@dataclass(frozen=True, slots=True)
class FacilityInfo:
    """The facility's name, and whom to write to."""

    name: str
    contact: str


@dataclass(frozen=True, slots=True)
class AreaInfo:
    """A storage area as this server sees it."""

    name: str
    path: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What this server was started with."""

    name: str
    profile: str
    profile_display_name: str
    size: str
    gpu: str | None
    cores: float
    memory_bytes: int
    start_id: str
    areas: tuple[AreaInfo, ...]


@dataclass(frozen=True, slots=True)
class Me:
    """The person, their facility, and their server if the facility started it."""

    user: str
    groups: tuple[str, ...]
    admin: bool
    facility: FacilityInfo
    server: ServerInfo | None


def pick(source: Mapping[str, Any], key: str, kind: type[T]) -> T:
    """Return `source[key]`, which must be of `kind`."""
    value = source.get(key)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ReplyError(f"{key} is {type(value).__name__}, not {kind.__name__}.")
    return value


def pick_list(source: Mapping[str, Any], key: str, kind: type[T]) -> tuple[T, ...]:
    """Return the list `source[key]`, whose items must be of `kind`."""
    items = pick(source, key, list)
    return tuple(pick({key: item}, key, kind) for item in items)


def pick_number(source: Mapping[str, Any], key: str) -> float:
    """Return the number `source[key]`."""
    value = source.get(key)
    return float(pick(source, key, int if isinstance(value, int) else float))


def parse_area(source: Mapping[str, Any]) -> AreaInfo:
    """Return the storage area that `source` describes."""
    return AreaInfo(
        name=pick(source, "name", str),
        path=pick(source, "path", str),
        read_only=pick(source, "read_only", bool),
    )


def parse_server(source: Mapping[str, Any]) -> ServerInfo:
    """Return the server that `source` describes."""
    return ServerInfo(
        name=pick(source, "name", str),
        profile=pick(source, "profile", str),
        profile_display_name=pick(source, "profile_display_name", str),
        size=pick(source, "size", str),
        gpu=None if source.get("gpu") is None else pick(source, "gpu", str),
        cores=pick_number(source, "cores"),
        memory_bytes=pick(source, "memory_bytes", int),
        start_id=pick(source, "start_id", str),
        areas=tuple(parse_area(area) for area in pick_list(source, "areas", dict)),
    )


def parse_me(reply: object) -> Me:
    """Return what the service's reply says.

    Raises
    ------
    ReplyError
        If a field is absent or of the wrong type; the message never quotes a value.
    """
    source = pick({"reply": reply}, "reply", dict)
    facility = pick(source, "facility", dict)
    server = None
    if source.get("server") is not None:
        server = parse_server(pick(source, "server", dict))
    return Me(
        user=pick(source, "user", str),
        groups=pick_list(source, "groups", str),
        admin=pick(source, "admin", bool),
        facility=FacilityInfo(
            name=pick(facility, "name", str), contact=pick(facility, "contact", str)
        ),
        server=server,
    )
