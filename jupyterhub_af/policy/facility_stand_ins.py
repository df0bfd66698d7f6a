"""Stand-ins for the invalid parts of a file, so that rules are checked on the rest.

A file with a bad memory size and a missing area has two problems, and its
administrator wants both at once; rules between keys need a whole ``Facility``. So what
cannot be read is left out, and where something is needed a stand-in takes its place.
What rests on a part that was left out is *uncertain* and is not reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from pydantic import ValidationError

from .facility import Facility
from .facility_rules import ANY, Finding
from .names import is_label

Loc = tuple[str | int, ...]
Data = dict[object, object]


@dataclass(frozen=True, slots=True)
class _Shape:
    """A kind of mapping: stand-ins for the keys it needs, and what it holds of others.

    ``name`` is the key that others refer to: its stand-in is unlike any real name.
    """

    needs: Mapping[str, object] = field(default_factory=dict)
    name: str | None = None
    holds: Mapping[str, _Shape] = field(default_factory=dict)


_ONE_MINUTE = "1m"
_SHAPE = _Shape(
    needs={
        "version": 1,
        "name": "unread",
        "contact": "unread",
        "iam": {"issuer": "https://unread.example.org/"},
        "profiles": [{"slug": "unread", "image": "unread"}],
        "storage": [{"name": "unread", "kind": "private"}],
    },
    holds={
        "classes": _Shape(
            needs={"students": "unread/students", "teachers": "unread/teachers"},
            name="name",
        ),
        "profiles": _Shape(
            name="slug",
            holds={
                "sizes": _Shape(needs={"cores": 1, "memory": "1G"}, name="slug"),
                "gpus": _Shape(name="slug"),
            },
        ),
        "storage": _Shape(needs={"kind": "shared"}, name="name"),
        "dask": _Shape(
            needs={
                "user_cores": 4096,
                "user_memory": "999999T",
                "idle_timeout": _ONE_MINUTE,
            }
        ),
    },
)


@dataclass(frozen=True, slots=True)
class Rest:
    """What could be read of a facility, and the key paths that could not."""

    facility: Facility
    left_out: frozenset[Loc]

    def is_certain(self, finding: Finding) -> bool:
        """Tell whether everything a finding rests on could be read."""
        paths = (finding.path, *finding.rests_on)
        return not any(
            path[:length] in self.left_out
            for path in paths
            for length in range(1, len(path) + 1)
        )


def replace_invalid(data: object, places: Iterable[Loc]) -> Rest | None:
    """Return the file's data as a facility, or None if too little of it is left."""
    repair = _Repair(frozenset(places))
    whole = repair.mapping(data, _SHAPE, ())
    try:
        facility = Facility.model_validate(whole)
    except ValidationError:
        return None
    left_out = frozenset(path for place in repair.left_out for path in _each(place))
    return Rest(facility, left_out)


def _each(place: Loc) -> Iterator[Loc]:
    """Return a path in every form in which a finding may name it."""
    choices = [
        (part, ANY) if number in (1, 3) else (part,)
        for number, part in enumerate(place)
    ]
    yield from product(*choices)


class _Repair:
    """Copies a file's data without what is invalid; keeps what it left out."""

    def __init__(self, places: frozenset[Loc]) -> None:
        self._places = places
        self._above = {p[:length] for p in places for length in range(1, len(p) + 1)}
        self.left_out = set(places)

    def mapping(self, data: object, shape: _Shape, path: Loc) -> Data:
        """Return a mapping with what it needs and nothing that is invalid."""
        rest: Data = {}
        for key, value in data.items() if isinstance(data, dict) else ():
            place = (*path, key)
            if place in self._places:
                continue
            if key in shape.holds:
                rest[key] = self._items(value, shape.holds[key], place)
            elif place in self._above:
                self.left_out.add(place)
            else:
                rest[key] = value
        if shape.name is not None and shape.name not in rest:
            rest[shape.name] = f"unread--{path[-1]}"
        for needed, stand_in in shape.needs.items():
            rest.setdefault(needed, stand_in)
        return rest

    def _items(self, data: object, shape: _Shape, path: Loc) -> object:
        """Return a list or map of mappings, each repaired where it is not valid."""
        if isinstance(data, dict):
            names = [name for name in data if not self._is_misnamed((*path, name))]
            return {n: self._item(data[n], shape, (*path, n)) for n in names}
        if isinstance(data, list):
            return [self._item(v, shape, (*path, n)) for n, v in enumerate(data)]
        return data

    def _item(self, data: object, shape: _Shape, path: Loc) -> object:
        return self.mapping(data, shape, path) if path in self._above else data

    def _is_misnamed(self, path: Loc) -> bool:
        """Tell whether a mapping's name is invalid; if it is valid, others may use it."""
        if path in self._places and is_label(str(path[-1])):
            self.left_out.discard(path)
        return path in self.left_out
