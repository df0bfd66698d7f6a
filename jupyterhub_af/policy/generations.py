"""Which generations of a tree are kept, and which go first when space is short: pure.

Times are whole seconds since 1970 (UTC), which is how hours and days are told apart
here: every hour has 3600 seconds of that count and every day 86400. The rules are those
of restic's ``forget --keep-last --keep-hourly --keep-daily``, whose words these are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

HOUR_SECONDS = 3600
DAY_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class Keeping:
    """How many generations are kept: the newest, and the last of hours and of days."""

    keep: int
    hourly: int = 0
    daily: int = 0


def select_kept(times: Iterable[int], rules: Keeping) -> frozenset[int]:
    """Return the generations that stay.

    They are the newest ``keep``; of each of the newest ``hourly`` hours that have any,
    the last one; of each of the newest ``daily`` days likewise. The newest one always
    stays, and what stayed once is never let go by asking again.
    """
    newest_first = sorted(set(times), reverse=True)
    return frozenset(
        [
            *newest_first[: max(rules.keep, 1)],
            *_last_of_each(newest_first, HOUR_SECONDS)[: max(rules.hourly, 0)],
            *_last_of_each(newest_first, DAY_SECONDS)[: max(rules.daily, 0)],
        ]
    )


def _last_of_each(newest_first: Iterable[int], seconds: int) -> list[int]:
    """Return the newest time of each span of so many seconds, newest span first."""
    found: dict[int, int] = {}
    for time in newest_first:
        found.setdefault(time // seconds, time)
    return list(found.values())


def order_for_space(
    generations: Mapping[str, Collection[int]],
) -> tuple[tuple[str, int], ...]:
    """Return owner and time of what may go for space, the oldest of an area first.

    The newest generation of each tree is not among them: short of space, a facility
    keeps one copy of everybody's rather than many of somebody's.
    """
    return tuple(
        sorted(
            (
                (owner, time)
                for owner, times in generations.items()
                for time in sorted(set(times))[:-1]
            ),
            key=lambda pair: (pair[1], pair[0]),
        )
    )


def choose_time(now: float, newest: int | None) -> int:
    """Return the time of a new generation: now, and always later than the newest.

    A clock that was set back, or two runs within a second, would otherwise give a name
    twice, or one that sorts before what is older.
    """
    return int(now) if newest is None else max(int(now), newest + 1)
