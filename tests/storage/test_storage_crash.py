"""The agent killed before and after each call that changes a volume.

SIGKILL, so that nothing can be tidied up. What is left is never more open than what was
meant, and the next pass completes it.
"""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from storage_world import (
    STUDENT,
    ensure,
    ensure_counting,
    ensure_with,
    layout,
    open_volume,
    plan_for,
)

from jupyterhub_af.storage.acl import DEFAULT
from jupyterhub_af.storage.ensure import Calls

TAMPERED = ("private/student1", "shared/shared/student1", "collab/collabspace/GW")


def calls_that_die(at: int, *, is_after: bool) -> Calls:
    """Return calls of which one kills its own process, before or after its work."""
    # what next() gives to one area's thread it gives to no other
    numbers = count(1)

    def dying(name: str) -> Callable[..., Any]:
        def call(*words: Any, **options: Any) -> Any:
            number = next(numbers)
            if number == at and not is_after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = getattr(Calls(), name)(*words, **options)
            if number == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    return Calls(**{one.name: dying(one.name) for one in fields(Calls)})


def killed(volume: Path, at: int, *, is_after: bool) -> bool:
    """Ensure in a process of its own; tell whether the call there was killed it."""
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child
        code = 1
        try:
            work = ensure_with(calls_that_die(at, is_after=is_after))
            ensure(volume, plan_for("student1"), ensure=work)
            code = 0
        finally:
            # whatever happened: the child must not go on as a second test run
            os._exit(code)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert ended in (0, -signal.SIGKILL), ended
    return ended != 0


def lists(volume: Path) -> dict[str, bytes | None]:
    return {
        path: os.getxattr(volume / path, DEFAULT)
        if DEFAULT in os.listxattr(volume / path)
        else None
        for path in layout(volume)
    }


def state(volume: Path) -> tuple[object, object]:
    return layout(volume), lists(volume)


def too_open(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Return directories that somebody can use who could not in the end."""
    open_ones = []
    for path, (uid, gid, mode) in found.items():
        is_closed = int(mode, 8) & (stat.S_IRWXG | stat.S_IRWXO) == 0
        is_whose = uid in (0, wanted[path][0])
        if (uid, gid, mode) != wanted[path] and not (is_closed and is_whose):
            open_ones.append(f"{path}: {(uid, gid, mode)}")
    return open_ones


@pytest.fixture
def wanted() -> Iterator[tuple[object, object, int]]:
    """Return how a volume is in the end, and how many calls that takes."""
    with open_volume() as volume:
        _, calls = ensure_counting(volume, plan_for("student1"))
        yield *state(volume), len(calls)


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_killed_at_each_call_it_leaves_nothing_open_and_is_completed(wanted, is_after):
    directories, default_lists, calls = wanted
    assert calls > 20
    for at in range(1, calls + 1):
        with open_volume() as volume:
            assert killed(volume, at, is_after=is_after), at
            assert too_open(layout(volume), directories) == [], at
            ensure(volume, plan_for("student1"))
            assert state(volume) == (directories, default_lists), at
            assert ensure_counting(volume, plan_for("student1"))[1] == []


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_killed_while_it_mends_it_makes_nothing_more_open(wanted, is_after):
    """What was closed too far is opened in one step, once it is whose it should be."""
    directories, default_lists, _ = wanted

    def tamper(volume: Path) -> None:
        ensure(volume, plan_for("student1"))
        for path in TAMPERED:
            os.chown(volume / path, 0, 0)
            (volume / path).chmod(0o700)
            if DEFAULT in os.listxattr(volume / path):
                os.removexattr(volume / path, DEFAULT)

    with open_volume() as volume:
        tamper(volume)
        _, calls = ensure_counting(volume, plan_for("student1"))
    assert sorted(set(calls)) == ["fchmod", "fchown", "setxattr"]
    for at in range(1, len(calls) + 1):
        with open_volume() as volume:
            tamper(volume)
            assert killed(volume, at, is_after=is_after), at
            assert too_open(layout(volume), directories) == [], at
            ensure(volume, plan_for("student1"))
            assert state(volume) == (directories, default_lists), at


def test_a_place_is_open_to_others_only_with_its_list(wanted):
    """Otherwise a file made in between would be closed to the fellows for ever."""
    _, default_lists, calls = wanted
    for at in range(1, calls + 1):
        with open_volume() as volume:
            killed(volume, at, is_after=True)
            found, kept = layout(volume), lists(volume)
            for path, expected in default_lists.items():
                if expected and found.get(path, (0, 0, "0o700"))[2] != "0o700":
                    assert kept[path] == expected, (at, path)
    assert STUDENT in {uid for uid, _, _ in found.values()}
