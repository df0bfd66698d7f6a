"""Stand-ins for the invalid parts of a file, so that rules are checked on the rest.

A file with a bad memory size and a missing area has two problems, and its
administrator wants both at once; rules between keys need a whole ``Facility``. What is
said about a stand-in, or about a name that may be a stand-in's, is *uncertain* and is
not reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import get_args

from pydantic import ValidationError

from .facility import Facility, StorageArea
from .names import is_label

Loc = tuple[str | int, ...]
_KINDS = get_args(StorageArea.model_fields["kind"].annotation)
_NAMED_IN: dict[str | int, str] = {"dask": "dask", "class": "classes"}
_SINGLES: dict[str, object] = {
    "version": 1,
    "name": "unread",
    "contact": "unread",
    "iam": {"issuer": "https://unread.example.org/"},
}


@dataclass(frozen=True, slots=True)
class Rest:
    """A facility with stand-ins: where, and in which lists a name or kind is unknown."""

    facility: Facility
    replaced: frozenset[Loc]
    unread: frozenset[str]

    def is_uncertain(self, path: Loc) -> bool:
        """Tell whether a problem there may come from a stand-in."""
        if path[:1] in self.replaced or path[:2] in self.replaced:
            return True
        if path == ("storage",) or (path[0] == "profiles" and "storage" in path):
            return "storage" in self.unread
        return _NAMED_IN.get(path[-1]) in self.unread


def replace_invalid(data: object, places: Iterable[Loc]) -> Rest | None:
    """Return the file's data as a facility, or None if too little of it is left."""
    if not isinstance(data, dict):
        return None
    replaced = frozenset(place[:2] for place in places)
    whole: dict[str, object] = dict(_SINGLES)
    unread = set()
    for key, stand_in in _STAND_INS.items():
        if (key,) in replaced:
            unread.add(key)
        elif key in data:
            items = _items(data[key])
            bad = {number for number in items if (key, number) in replaced}
            unread.update(key for n in bad if not _is_named(key, n, items[n]))
            whole[key] = _with_stand_ins(data[key], bad, stand_in)
    try:
        facility = Facility.model_validate(whole)
    except ValidationError:
        return None
    return Rest(facility, replaced, frozenset(unread))


def _items(part: object) -> dict[object, object]:
    """Return the items of a list or map by their number or name."""
    if isinstance(part, dict):
        return part
    return dict(enumerate(part)) if isinstance(part, list) else {}


def _with_stand_ins(
    part: object, bad: set[object], stand_in: Callable[[object, object], object]
) -> object:
    if isinstance(part, dict):
        names = (name for name in part if name not in bad or is_label(str(name)))
        return {n: stand_in(n, part[n]) if n in bad else part[n] for n in names}
    if isinstance(part, list):
        return [stand_in(n, v) if n in bad else v for n, v in enumerate(part)]
    return part


def _is_named(key: str, number: object, item: object) -> bool:
    """Tell whether what others refer to in an invalid item can be read all the same."""
    if key == "dask":
        return is_label(str(number))
    if key == "storage" and not _kind_of(item):
        return False
    return _name_of(item, "slug" if key == "profiles" else "name") is not None


def _kind_of(item: object) -> str | None:
    kind = item.get("kind") if isinstance(item, dict) else None
    return kind if kind in _KINDS else None


def _name_of(item: object, key: str) -> str | None:
    name = item.get(key) if isinstance(item, dict) else None
    return name if isinstance(name, str) and is_label(name) else None


def _class(number: object, item: object) -> object:
    name = _name_of(item, "name") or f"unread--{number}"
    return {"name": name, "students": "unread/students", "teachers": "unread/teachers"}


def _profile(number: object, item: object) -> object:
    return {"slug": _name_of(item, "slug") or f"unread--{number}", "image": "unread"}


def _area(number: object, item: object) -> object:
    name = _name_of(item, "name") or f"unread--{number}"
    return {"name": name, "kind": _kind_of(item) or "shared"}


def _dask_rule(_name: object, _item: object) -> object:
    return {"user_cores": 1, "user_memory": "1G", "idle_timeout": "1m"}


_STAND_INS: dict[str, Callable[[object, object], object]] = {
    "classes": _class,
    "profiles": _profile,
    "storage": _area,
    "dask": _dask_rule,
}
