"""What looking at membership again costs the IAM and people, ours and stock's."""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from .harness import Report, is_short, rounds_wanted
from .refresh_world import Side, ask, close, start_ours, start_stock

# one minute each
MINUTES = 60
PEOPLE = 5
PARALLEL = 50
IN_OUTAGE = 20
# a request takes milliseconds: as often as this, to find a moment when nothing else is busy
TIMES = 10
TEXT = f"""
Calls that an IAM counts. A second here is a minute of a facility: bounds of 5 and 15
seconds stand for 300 and 900. {PEOPLE} people ask for a page four times in each such
minute. Stock is oauthenticator's `GenericOAuthenticator` with JupyterHub's
own `auth_refresh_age` of 300; access tokens live an hour, or {MINUTES} seconds, and two
such hours are counted.
Then {PARALLEL} requests of one person at once, when all is old; and {IN_OUTAGE} requests
of one person while the IAM takes connections and says nothing. Such {IN_OUTAGE} are timed
{TIMES} times before and in the outage: the lowest median of each is compared, since what
else the machine does is in the others.
"""


async def spend(side: Side, seconds: float) -> None:
    """Let everybody ask for a page about four times a second, not all at one moment."""
    browsers = side.browsers()
    end = time.monotonic() + seconds

    async def click(browser: httpx.AsyncClient, pauses: random.Random) -> None:
        while time.monotonic() < end:
            await asyncio.sleep(pauses.uniform(0.1, 0.4))
            await ask(browser)

    # the same pauses on each side
    await asyncio.gather(
        *(click(browser, random.Random(n)) for n, browser in enumerate(browsers))  # noqa: S311 - no secret
    )
    await close(browsers)


async def calls_per_user_hour(sides: list[Side], minutes: int) -> dict[str, float]:
    before = {side.name: side.iam.calls() for side in sides}
    await asyncio.gather(*(spend(side, minutes) for side in sides))
    return {
        side.name: (side.iam.calls() - before[side.name]) / PEOPLE * 60 / minutes
        for side in sides
    }


async def calls_of_parallel(side: Side) -> int:
    """Return how many calls it takes to answer one person's requests at once."""
    await asyncio.sleep(6)
    browsers = [side.browsers()[0] for _ in range(PARALLEL)]
    before = side.iam.calls()
    await asyncio.gather(*(ask(browser) for browser in browsers))
    await close(browsers)
    return side.iam.calls() - before


async def typical(browser: httpx.AsyncClient) -> float:
    """Return the median of what some requests one after the other take."""
    return statistics.median([await ask(browser) for _ in range(IN_OUTAGE)])


async def outage(side: Side) -> tuple[int, float, float]:
    """Return calls during requests in an outage, and seconds of one, normal and then."""
    [browser, *others] = side.browsers()
    await ask(browser)
    normal = [await typical(browser) for _ in range(TIMES)]
    side.iam.tell("hang")
    await asyncio.sleep(6)
    # the first finds out
    await ask(browser)
    before = side.iam.calls()
    hurt = [await typical(browser)]
    calls = side.iam.calls() - before
    hurt += [await typical(browser) for _ in range(TIMES - 1)]
    side.iam.tell("answer")
    await close([browser, *others])
    await asyncio.sleep(6)
    return calls, min(normal), min(hurt)


def measure(report: Report, sides: list[Side]) -> None:
    a, b, c = sides
    for side in sides:
        side.iam.tell(f"lives {MINUTES}")
        side.log_in(PEOPLE)
    # whoever logged in first is not due first: both count from somewhere in their turns
    asyncio.run(calls_per_user_hour(sides, 7))
    # as many calls as tokens cause in the lives of two, so that one more or less is little
    minutes = 20 if is_short() else 2 * MINUTES
    found = asyncio.run(calls_per_user_hour(sides, minutes))
    for side, bound in ((a, 1.0), (b, 0.35)):
        ratio = found[side.name] / found[c.name]
        report.check(
            f"calls per user-hour, {side.name} / stock",
            f"{ratio:.2f} ({found[side.name]:.1f} / {found[c.name]:.1f})",
            bound=f"at most {bound:g}",
            passed=ratio <= bound,
        )
    ours, theirs = (asyncio.run(calls_of_parallel(side)) for side in (a, c))
    report.check(
        f"calls for {PARALLEL} requests of one person at once",
        f"{ours}, stock {theirs}",
        bound="1",
        passed=ours == 1,
    )
    outages = [asyncio.run(outage(a)) for _ in range(rounds_wanted(5))]
    most = max(calls for calls, _, _ in outages)
    report.check(
        f"calls for {IN_OUTAGE} requests in an outage",
        f"{most} at most, in {len(outages)} outages",
        bound="at most 1",
        passed=most <= 1,
    )
    ratio = statistics.median(hurt / normal for _, normal, hurt in outages)
    normal, hurt = (
        statistics.median(one[at] for one in outages) * 1000 for at in (1, 2)
    )
    report.check(
        "a request in an outage / a normal one",
        f"{ratio:.2f} ({hurt:.1f} ms, {normal:.1f} ms)",
        bound="at most 1.1",
        passed=ratio <= 1.1,
    )


def main() -> int:
    report = Report("refresh", "Looking again (`benchmarks/refresh.py`)", TEXT)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sides = [
            start_ours(stack, folder, "ours at 300 s", 5, iam_timeout_seconds=2),
            start_ours(stack, folder, "ours at 900 s", 15),
            start_stock(stack, folder),
        ]
        measure(report, sides)
    return report.publish()


if __name__ == "__main__":
    sys.exit(main())
