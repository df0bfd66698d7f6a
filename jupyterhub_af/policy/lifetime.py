"""When a server will be stopped, by which rule, and whether its person may delay it.

Two rules: the *idle* one counts from the newest activity, the *longest* one from the
start, and nothing moves that. What counts as activity is the person's own (the hub's
word), their "keep me", and the running work that the plan names. Times are seconds
since 1970 (UTC); there is no clock here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .panel import Lifetime
from .plan import ServerPlan
from .units import format_duration

WARN_SECONDS = 300
StopRule = Literal["lifetime-idle", "lifetime-longest"]


@dataclass(frozen=True, slots=True)
class Activity:
    """What is known of the activity in one running server; None: nothing so far.

    ``person_at`` may be behind by ``lag_seconds``: the hub learns of activity late.
    Before ``known_since`` nobody looked, so activity up to then cannot be excluded.
    ``kernels_at`` and ``clusters_at`` are when such work was last seen running.
    """

    started_at: float
    known_since: float
    person_at: float | None = None
    kept_at: float | None = None
    kernels_at: float | None = None
    clusters_at: float | None = None
    lag_seconds: float = 0


def resolve_lifetime(plan: ServerPlan, activity: Activity) -> Lifetime:
    """Return when a server of this plan will be stopped.

    ``last_active_at`` is the newest activity that was seen. The idle time is counted
    from it or later: from the latest moment at which unseen activity is possible.
    """
    seen = _seen(plan, activity)
    last_active_at = max(seen)
    possible = (activity.person_at or 0) + activity.lag_seconds
    idle_from = max(last_active_at, activity.known_since, possible)
    idle_stop_at = _after(idle_from, plan.idle_seconds)
    longest_stop_at = _after(activity.started_at, plan.longest_seconds)
    stops = [at for at in (idle_stop_at, longest_stop_at) if at is not None]
    return Lifetime(
        started_at=activity.started_at,
        last_active_at=last_active_at,
        idle_seconds=plan.idle_seconds,
        longest_seconds=plan.longest_seconds,
        active_while=plan.active_while,
        idle_stop_at=idle_stop_at,
        longest_stop_at=longest_stop_at,
        stop_at=min(stops, default=None),
        warn_seconds=_warn_seconds(plan),
    )


def find_due_rule(lifetime: Lifetime, now: float) -> StopRule | None:
    """Return the rule by which a server is to be stopped now, or None."""
    if lifetime.stop_at is None or now < lifetime.stop_at:
        return None
    if lifetime.stop_at == lifetime.longest_stop_at:
        return "lifetime-longest"
    return "lifetime-idle"


def refuse_keep(before: Lifetime, after: Lifetime) -> str | None:
    """Return why "keep me" changes nothing, or None if the server now stops later."""
    if before.stop_at is None or after.stop_at is None:
        return "This server has no lifetime: nothing stops it, so nothing keeps it."
    if after.stop_at > before.stop_at:
        return None
    if after.stop_at == after.longest_stop_at:
        longest = format_duration(after.longest_seconds or 0)
        return (
            f"This server stops {longest} after its start, whatever happens: save your "
            "work, stop it and start it again to have more time."
        )
    return "You are active, or your work runs: the idle time has not begun to count."


def _seen(plan: ServerPlan, activity: Activity) -> list[float]:
    """Return when something happened that counts for this plan."""
    work = {"kernels": activity.kernels_at, "clusters": activity.clusters_at}
    counted = [work[name] for name in plan.active_while]
    found = (activity.person_at, activity.kept_at, *counted)
    return [activity.started_at, *(at for at in found if at is not None)]


def _after(at: float, seconds: int | None) -> float | None:
    return None if seconds is None else at + seconds


def _warn_seconds(plan: ServerPlan) -> int:
    """Return how long before its end people are warned: less where little is allowed."""
    allowed = [s for s in (plan.idle_seconds, plan.longest_seconds) if s is not None]
    return min([WARN_SECONDS, *(max(1, seconds // 4) for seconds in allowed)])
