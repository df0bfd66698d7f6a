"""Compare two lists of entries: every difference in words, a line each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .manifest import Entry, sort_key

# what backups drop: set-id bits of files; of folders those that hand on a group stay
_DROPPED = {"file": 0o6000, "folder": 0o4000}
_NOT_COPIED = ("pipe", "device")


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not the same at a path; ``what`` has the value wanted and the one found."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{_shown(self.path)}: {self.what}"


def find_differences(
    wanted: Iterable[Entry], found: Iterable[Entry], *, is_generation: bool = False
) -> Iterator[Difference]:
    """Return how the second list differs from the first; both in the walk's order.

    ``is_generation``: one of them is a backup, which has no set-id bits, pipes, devices.
    """
    if is_generation:
        wanted, found = _without_specials(wanted), _without_specials(found)
    left, right = iter(wanted), iter(found)
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        order = _compare(one, other)
        if order < 0 and one is not None:
            yield Difference(one.path, "is missing")
        elif order > 0 and other is not None:
            yield Difference(other.path, "should not be there")
        elif one is not None and other is not None:
            yield from _differences_of(one, other, is_generation=is_generation)
        if order <= 0:
            one = next(left, None)
        if order >= 0:
            other = next(right, None)


def _compare(one: Entry | None, other: Entry | None) -> int:
    if one is None:
        return 1
    if other is None:
        return -1
    before, after = sort_key(one.path), sort_key(other.path)
    return (before > after) - (before < after)


def _differences_of(
    one: Entry, other: Entry, *, is_generation: bool
) -> Iterator[Difference]:
    if problem := one.problem or other.problem:
        yield Difference(one.path, f"could not be read: {problem}")
        return
    if one.type != other.type:
        yield Difference(one.path, f"is a {other.type}, not a {one.type}")
        return
    for name, read in _READ.items():
        wanted, found = read(one), read(other)
        if name == "mode" and is_generation:
            wanted, found = _without_set_id(one), _without_set_id(other)
        if name == "mode" and one.type == "link":
            continue
        if wanted != found:
            yield Difference(
                one.path, f"{name} is {_shown(found)}, not {_shown(wanted)}"
            )


def _shown(text: str) -> str:
    """Return a text that stays on its line: a name may hold the end of one."""
    return text if text.isprintable() else ascii(text)[1:-1]


def _without_set_id(entry: Entry) -> str:
    return oct(entry.mode & ~_DROPPED.get(entry.type, 0))[2:]


def _without_specials(entries: Iterable[Entry]) -> Iterator[Entry]:
    return (entry for entry in entries if entry.type not in _NOT_COPIED)


_READ: dict[str, Callable[[Entry], str]] = {
    "content": lambda entry: f"{entry.sha256} ({entry.size} bytes)",
    "mode": lambda entry: oct(entry.mode)[2:],
    "owner": lambda entry: f"{entry.uid}:{entry.gid}",
    "ACL": lambda entry: entry.acl or "none",
    "default ACL": lambda entry: entry.default_acl or "none",
    "time": lambda entry: f"{entry.time_ns} ns",
    "target": lambda entry: entry.target,
    "same file": lambda entry: entry.same_as or "none",
}
