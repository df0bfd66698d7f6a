"""From ``user_options`` to what a server is made of: the plan, or the spawner's traits."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Coroutine, Iterator
from itertools import cycle
from typing import Any

from jupyterhub_af.policy.access import resolve_access
from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.plan import Ids, ServerPlan, groups_of, make_plan, mounts_of
from jupyterhub_af.policy.selection import select

from .harness import Report, Sample, compare, cpu_samples, middle_seconds, rounds_wanted
from .offers import (
    ENTITLED,
    EVERYTHING,
    PROFILES,
    SIZES,
    make_facility,
    make_profile_list,
    people,
    texts,
)
from .stock import make_spawner

AT_MOST = 1.5
SAME = 1.2
TEXT = """
CPU time of one decision, for 50 people in turn, each choosing one of their profiles and
a size. Ours: `resolve_access`, `select` and `make_plan`, with mounts, ids and labels.
Stock: KubeSpawner's `load_user_options` with a `profile_list` callable that filters by
groups: image, size, environment and labels become traits. Nothing of a person is kept
from one decision to the next.
"""
Asking = tuple[str, frozenset[str], dict[str, str]]


def askings(*, of: int, entitled: int, default: bool = False) -> list[Asking]:
    """Return 50 people and their choices; with every profile entitled, by one group."""
    chance = random.Random(4)  # noqa: S311 - no secret
    found = []
    for name, groups, profiles in people(50, of=of, entitled=ENTITLED):
        if entitled == of > ENTITLED:
            groups |= {EVERYTHING}
            profiles = tuple(range(of))
        choice = {
            "profile": texts(chance.choice(profiles))["slug"],
            "size": chance.choice(SIZES)[0],
        }
        found.append((name, groups, {} if default else choice))
    return found


def decide(facility: Facility, asking: Asking) -> ServerPlan:
    """Do what a start does, with the numbers a register would give."""
    name, groups, choice = asking
    access = resolve_access(facility, make_identity(name, groups))
    selection = select(access, choice)
    needed = groups_of(mounts_of(facility, access, selection.profile))
    gids = {group: 2000001 + number for number, group in enumerate(needed)}
    ids = Ids(1000001, 1000001, gids)
    return make_plan(
        facility, access, selection, start_id="start-1", server_name="", ids=ids
    )


def make_ours(
    facility: Facility, asking: Iterator[Asking]
) -> Callable[[], Coroutine[Any, Any, ServerPlan]]:
    async def ours() -> ServerPlan:
        return decide(facility, next(asking))

    return ours


def make_stock(
    runner: asyncio.Runner, asking: Iterator[Asking]
) -> Callable[[], Coroutine[Any, Any, Any]]:
    async def make() -> Any:
        return make_spawner(make_profile_list())

    spawner = runner.run(make())

    async def stock() -> Any:
        _, spawner.user.groups, spawner.user_options = next(asking)
        await spawner.load_user_options()
        return spawner

    return stock


def check_same_content(runner: asyncio.Runner, facility: Facility) -> None:
    """Fail unless both decide the same for the same people."""
    asked = askings(of=PROFILES, entitled=ENTITLED)
    stock = make_stock(runner, iter(asked))
    for asking in asked:
        plan, spawner = decide(facility, asking), runner.run(stock())
        ours = (plan.image, plan.cores, plan.memory_bytes)
        theirs = (spawner.image, spawner.cpu_limit, spawner.mem_limit)
        assert ours == theirs, (asking, ours, theirs)


def pair(runner: asyncio.Runner, facility: Facility, **how: Any) -> list[Sample]:
    """Return ours and stock for the same people."""
    asked = askings(of=PROFILES, **how)
    ours = make_ours(facility, cycle(asked))
    return cpu_samples([ours, make_stock(runner, cycle(asked))], runner)


def many_and_few(runner: asyncio.Runner, facility: Facility) -> list[Sample]:
    """Return ours with 500 entitled and with ten."""
    asked = [askings(of=PROFILES, entitled=count) for count in (PROFILES, ENTITLED)]
    return cpu_samples([make_ours(facility, cycle(who)) for who in asked], runner)


def big_and_small(runner: asyncio.Runner, facility: Facility) -> list[Sample]:
    """Return ours with ten entitled of a file of 500, and of ten."""
    sides = []
    for among, count in ((facility, PROFILES), (make_facility(count=10), 10)):
        asked = askings(of=count, entitled=ENTITLED)
        sides.append(make_ours(among, cycle(asked)))
    return cpu_samples(sides, runner)


def main() -> int:
    report = Report("decision", "The decision (`benchmarks/decision.py`)", TEXT)
    rounds = rounds_wanted(11)
    facility = make_facility()

    def measure(
        names: tuple[str, str], sides: list[Sample], bound: float | None
    ) -> None:
        report.add(compare(names, *sides, rounds=rounds), at_most=bound)

    with asyncio.Runner() as runner:
        check_same_content(runner, facility)
        sides = pair(runner, facility, entitled=ENTITLED)
        measure(("ours, 10 of 500 entitled", "stock"), sides, AT_MOST)
        sides = many_and_few(runner, facility)
        measure(("ours, 500 entitled", "ours, 10 entitled"), sides, SAME)
        sides = big_and_small(runner, facility)
        measure(("ours, a file of 500", "ours, a file of 10"), sides, SAME)
        sides = pair(runner, facility, entitled=ENTITLED, default=True)
        measure(("ours, nothing chosen", "stock, nothing chosen"), sides, AT_MOST)
    ours, stock = (seconds * 1e6 for seconds in middle_seconds(report.comparisons[0]))
    report.note(
        "a decision, 10 of 500 entitled", f"{ours:.0f} µs, stock {stock:.0f} µs"
    )
    return report.publish()


if __name__ == "__main__":
    sys.exit(main())
