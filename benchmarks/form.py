"""The spawn form: 500 profiles, of which a person may have ten."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Coroutine
from itertools import cycle
from typing import Any

from jupyterhub_af.hub.form import render_form
from jupyterhub_af.policy.access import resolve_access
from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.identity import make_identity

from .harness import (
    Report,
    compare,
    cpu_samples,
    is_short,
    middle_seconds,
    rounds_wanted,
)
from .offers import MARK, PROFILES, make_facility, make_profile_list, mark, people
from .stock import make_spawner

AT_MOST = 0.4
TEXT = """
CPU time of one form, for 50 people in turn who each may have ten other profiles of 500.
Ours: `resolve_access` and `render_form`. Stock: KubeSpawner's `get_options_form` with a
`profile_list` callable that filters by groups and returns the ten. Both show the same
titles, descriptions and sizes; ours shows the storage areas too. With 490 greyed, ours
shows 490 more cards with their reasons, and stock still ten.
"""
Run = Callable[[], Coroutine[Any, Any, str]]


def make_ours(facility: Facility) -> Run:
    asking = cycle(people(50))

    async def ours() -> str:
        name, groups, _ = next(asking)
        access = resolve_access(facility, make_identity(name, groups))
        return render_form(access, {}, None)

    return ours


def make_stock(runner: asyncio.Runner) -> Run:
    async def make() -> Any:
        return make_spawner(make_profile_list())

    spawner = runner.run(make())
    asking = cycle(people(50))

    async def stock() -> str:
        _, spawner.user.groups, _ = next(asking)
        return str(await spawner.get_options_form())

    return stock


def check_same_content(runner: asyncio.Runner, ours: Run, stock: Run) -> None:
    """Fail unless both show the same person the same ten profiles."""
    shown = [set(MARK.findall(runner.run(side()))) for side in (ours, stock)]
    assert shown[0] == shown[1], shown
    assert len(shown[0]) == 10, shown


def count_leaks(forms: int) -> int:
    """Return how many forms of random people name a profile that is hidden from them.

    Half of the profiles are hidden from those who may not have them, half are greyed.
    """
    chance = random.Random(2)  # noqa: S311 - no secret
    hidden = set(chance.sample(range(PROFILES), PROFILES // 2))
    facility = make_facility(hidden=hidden)
    greyed = {mark(number) for number in range(PROFILES) if number not in hidden}
    leaks = 0
    for name, groups, entitled in people(forms, seed=3):
        access = resolve_access(facility, make_identity(name, groups))
        page = render_form(access, {}, None)
        expected = greyed | {mark(number) for number in entitled}
        found = set(MARK.findall(page))
        assert found >= expected, f"{expected - found} are not on the form of {name}"
        leaks += found != expected
    return leaks


def main() -> int:
    report = Report("form", "The spawn form (`benchmarks/form.py`)", TEXT)
    rounds = rounds_wanted(11)
    with asyncio.Runner() as runner:
        ours = make_ours(make_facility())
        greyed = make_ours(make_facility(hidden=()))
        stock = make_stock(runner)
        check_same_content(runner, ours, stock)
        a, b = cpu_samples([ours, stock], runner)
        found = compare(("ours, 490 hidden", "stock"), a, b, rounds=rounds)
        report.add(found, at_most=AT_MOST)
        seconds = middle_seconds(found)
        a, b = cpu_samples([greyed, stock], runner)
        found = compare(("ours, 490 greyed", "stock"), a, b, rounds=rounds)
        report.add(found)
    ours_ms, stock_ms = (found * 1000 for found in seconds)
    report.note("a form", f"{ours_ms:.2f} ms, stock {stock_ms:.2f} ms")
    forms = 500 if is_short() else 5000
    leaks = count_leaks(forms)
    report.check(
        f"forms of {forms} random people that name a profile hidden from them",
        str(leaks),
        bound="0",
        passed=leaks == 0,
    )
    return report.publish()


if __name__ == "__main__":
    sys.exit(main())
