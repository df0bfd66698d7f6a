"""The storage agent with a thousand people whose areas are there: no write, little time."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from jupyterhub_af.local.up import DEMO_FACILITY
from jupyterhub_af.policy.access import resolve_access
from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.facility_text import parse_facility
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.plan import Ids, ServerPlan, groups_of, make_plan, mounts_of
from jupyterhub_af.policy.selection import select
from jupyterhub_af.storage.agent import Agent
from jupyterhub_af.storage.ensure import Calls, ensure_directories

from .harness import Report, rounds_wanted

TEXT = """
A thousand students of the demo facility on one volume, each with a private area, a
shared one, a folder and its backups: 11 directories, eight of them everybody's. The agent
obeys their plans one after the other, without HTTP, through its threads for each area,
wall time. A second pass finds all as it should be; the calls that could change a volume
are counted. There is no stock agent to compare with.
"""
PEOPLE = 1000
ROUNDS = 9
MOST_MILLISECONDS = 3.0
GROUPS = frozenset({"hackathon", "hackathon/students", "hackathon/gw"})
FIRST_UID, FIRST_GID = 1_000_001, 2_000_001


def plan_of(facility: Facility, number: int) -> ServerPlan:
    """Return the plan of one of the thousand."""
    access = resolve_access(facility, make_identity(f"person{number}", GROUPS))
    selection = select(access, {})
    groups = groups_of(mounts_of(facility, access, selection.profile))
    uid = FIRST_UID + number
    gids = {group: FIRST_GID + n for n, group in enumerate(groups)}
    ids = Ids(uid=uid, gid=uid, gids=gids)
    return make_plan(facility, access, selection, start_id="s", server_name="", ids=ids)


async def pass_over(agent: Agent, plans: Sequence[ServerPlan]) -> float:
    """Obey every plan; return the seconds that took."""
    begin = time.perf_counter()
    for plan in plans:
        await agent.ensure_plan(plan)
    return time.perf_counter() - begin


def counting_agent(volume: Path, counted: Counter[str]) -> Agent:
    """Return an agent that counts its calls that could change a volume."""

    def counting(name: str) -> Callable[..., Any]:
        def call(*words: Any, **options: Any) -> Any:
            counted[name] += 1
            return getattr(Calls(), name)(*words, **options)

        return call

    calls = Calls(**{one.name: counting(one.name) for one in fields(Calls)})
    return Agent(
        volume,
        ensure=lambda place, directories, owners: ensure_directories(
            replace(place, calls=calls), directories, owners
        ),
    )


def main() -> int:
    assert os.geteuid() == 0, "owners can be given away by root only"
    report = Report("ensure", "A thousand people (`benchmarks/ensure.py`)", TEXT)
    facility = parse_facility(DEMO_FACILITY.read_text(encoding="utf8"))
    plans = [plan_of(facility, number) for number in range(PEOPLE)]
    with tempfile.TemporaryDirectory() as name, asyncio.Runner() as runner:
        volume, first, second = Path(name), Counter[str](), Counter[str]()
        made = runner.run(pass_over(counting_agent(volume, first), plans))
        runner.run(pass_over(counting_agent(volume, second), plans))
        agent = Agent(volume)
        rounds = [
            runner.run(pass_over(agent, plans)) for _ in range(rounds_wanted(ROUNDS))
        ]
    report.note(
        "first pass, each person",
        f"{made / PEOPLE * 1000:.2f} ms, {first.total() / PEOPLE:.1f} calls that write",
    )
    report.check(
        "second pass, calls that write",
        f"{second.total()}",
        bound="none of them",
        passed=second.total() == 0,
    )
    middle = statistics.median(rounds) / PEOPLE * 1000
    spread = ", ".join(
        f"{found / PEOPLE * 1000:.2f}" for found in (min(rounds), max(rounds))
    )
    report.check(
        f"second pass, each person, {len(rounds)} rounds",
        f"{middle:.2f} ms (least and most: {spread})",
        bound=f"at most {MOST_MILLISECONDS:g} ms",
        passed=middle <= MOST_MILLISECONDS,
    )
    return report.publish()


if __name__ == "__main__":
    raise SystemExit(main())
