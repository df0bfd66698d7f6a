from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import plan_of

from jupyterhub_af.policy.lifetime import (
    WARN_SECONDS,
    Activity,
    find_due_rule,
    refuse_keep,
    resolve_lifetime,
)
from jupyterhub_af.policy.panel import Lifetime

HOUR = 3600
START = 1_000_000.0
PLAN = replace(
    plan_of("student1"), idle_seconds=HOUR, longest_seconds=12 * HOUR, active_while=()
)
FRESH = Activity(started_at=START, known_since=START)


def plan(idle=HOUR, longest=12 * HOUR, work=()):
    return replace(PLAN, idle_seconds=idle, longest_seconds=longest, active_while=work)


def test_a_lifetime_says_everything_the_panel_shows():
    activity = replace(FRESH, person_at=START + 60)
    assert resolve_lifetime(plan(work=("kernels",)), activity) == Lifetime(
        started_at=START,
        last_active_at=START + 60,
        idle_seconds=HOUR,
        longest_seconds=12 * HOUR,
        active_while=("kernels",),
        idle_stop_at=START + 60 + HOUR,
        longest_stop_at=START + 12 * HOUR,
        stop_at=START + 60 + HOUR,
        warn_seconds=WARN_SECONDS,
    )


LATE = START + 11.5 * HOUR


@pytest.mark.parametrize(
    ("the_plan", "activity", "idle_stop", "stop"),
    [
        pytest.param(plan(None, None), FRESH, None, None, id="no rule"),
        pytest.param(
            plan(None), FRESH, None, START + 12 * HOUR, id="the longest rule alone"
        ),
        pytest.param(
            plan(longest=None), FRESH, START + HOUR, START + HOUR, id="idle alone"
        ),
        pytest.param(
            plan(),
            replace(FRESH, person_at=LATE),
            LATE + HOUR,
            START + 12 * HOUR,
            id="activity near the end moves the idle rule only",
        ),
        pytest.param(
            plan(),
            replace(FRESH, kept_at=START + 600),
            START + 600 + HOUR,
            START + 600 + HOUR,
            id="kept",
        ),
        pytest.param(
            plan(),
            replace(FRESH, kernels_at=START + 600, clusters_at=START + 700),
            START + HOUR,
            START + HOUR,
            id="work that does not count",
        ),
        pytest.param(
            plan(work=("kernels",)),
            replace(FRESH, kernels_at=START + 600, clusters_at=START + 700),
            START + 600 + HOUR,
            START + 600 + HOUR,
            id="only kernels count",
        ),
        pytest.param(
            plan(work=("clusters",)),
            replace(FRESH, kernels_at=START + 900, clusters_at=START + 700),
            START + 700 + HOUR,
            START + 700 + HOUR,
            id="only clusters count",
        ),
        pytest.param(
            plan(),
            replace(FRESH, person_at=START + 60, lag_seconds=30),
            START + 90 + HOUR,
            START + 90 + HOUR,
            id="the hub learns of activity late",
        ),
        pytest.param(
            plan(),
            replace(FRESH, known_since=START + 5 * HOUR, person_at=START),
            START + 6 * HOUR,
            START + 6 * HOUR,
            id="nobody looked for five hours",
        ),
        pytest.param(
            plan(),
            replace(FRESH, known_since=START + 20 * HOUR),
            START + 21 * HOUR,
            START + 12 * HOUR,
            id="nobody looked, and the longest lifetime is over",
        ),
        pytest.param(
            plan(),
            replace(FRESH, person_at=START - HOUR),
            START + HOUR,
            START + HOUR,
            id="activity of the server before",
        ),
    ],
)
def test_when_a_server_stops(the_plan, activity, idle_stop, stop):
    found = resolve_lifetime(the_plan, activity)
    assert (found.idle_stop_at, found.stop_at) == (idle_stop, stop)


@pytest.mark.parametrize(
    ("the_plan", "after", "rule"),
    [
        pytest.param(plan(None, None), 1e9, None, id="nothing ends it"),
        pytest.param(plan(), HOUR - 0.001, None, id="a moment before the announced"),
        pytest.param(plan(), HOUR, "lifetime-idle", id="idle"),
        pytest.param(plan(2 * HOUR, HOUR), HOUR, "lifetime-longest", id="longest"),
        pytest.param(plan(HOUR, HOUR), HOUR, "lifetime-longest", id="both at once"),
    ],
)
def test_what_is_due(the_plan, after, rule):
    assert find_due_rule(resolve_lifetime(the_plan, FRESH), START + after) == rule


@pytest.mark.parametrize(
    ("idle", "longest", "warn"),
    [
        pytest.param(None, None, 300, id="nothing ends it"),
        pytest.param(HOUR, 12 * HOUR, 300, id="five minutes"),
        pytest.param(600, None, 150, id="a quarter of what is little"),
        pytest.param(HOUR, 40, 10, id="the shorter of the two"),
        pytest.param(1, None, 1, id="never nothing"),
    ],
)
def test_how_long_before_people_are_warned(idle, longest, warn):
    assert resolve_lifetime(plan(idle, longest), FRESH).warn_seconds == warn


@pytest.mark.parametrize(
    ("the_plan", "at", "words"),
    [
        pytest.param(plan(), 3000, None, id="it stops later now"),
        pytest.param(plan(longest=2 * HOUR - 1), 3000, None, id="up to the longest"),
        pytest.param(
            plan(None, None),
            3000,
            "This server has no lifetime: nothing stops it, so nothing keeps it.",
            id="nothing to delay",
        ),
        pytest.param(
            plan(2 * HOUR, HOUR),
            3000,
            "This server stops 1 hour after its start, whatever happens: save your work,"
            " stop it and start it again to have more time.",
            id="the longest lifetime ends first",
        ),
        pytest.param(
            plan(None, 5400),
            3000,
            "This server stops 90 minutes after its start, whatever happens: save your"
            " work, stop it and start it again to have more time.",
            id="only the longest lifetime",
        ),
        pytest.param(
            plan(),
            0,
            "You are active, or your work runs: the idle time has not begun to count.",
            id="active at this moment",
        ),
    ],
)
def test_keeping_a_server(the_plan, at, words):
    before = resolve_lifetime(the_plan, FRESH)
    after = resolve_lifetime(the_plan, replace(FRESH, kept_at=START + at))
    assert refuse_keep(before, after) == words


SECONDS = st.integers(1, 10**6)
TIMES = st.none() | st.floats(0, 3e6)
PLANS = st.builds(
    plan,
    idle=st.none() | SECONDS,
    longest=st.none() | SECONDS,
    work=st.sampled_from([(), ("kernels",), ("clusters",), ("kernels", "clusters")]),
)
ACTIVITIES = st.builds(
    Activity,
    started_at=st.floats(1, 3e6),
    known_since=st.floats(1, 3e6),
    person_at=TIMES,
    kept_at=TIMES,
    kernels_at=TIMES,
    clusters_at=TIMES,
    lag_seconds=st.floats(0, 1000),
)
NEWS = ("known_since", "person_at", "kept_at", "kernels_at", "clusters_at")


def later(one: float | None, other: float | None) -> bool:
    """Tell whether the one stop is as late as the other; None is never."""
    return one is None or (other is not None and one >= other)


@given(PLANS, ACTIVITIES, st.sampled_from(NEWS), st.floats(0, 1e6))
def test_activity_never_shortens_a_lifetime(the_plan, activity, what, more):
    news = (getattr(activity, what) or 0) + more
    before = resolve_lifetime(the_plan, activity)
    after = resolve_lifetime(the_plan, replace(activity, **{what: news}))
    assert later(after.stop_at, before.stop_at)
    assert later(after.idle_stop_at, before.idle_stop_at)


@given(PLANS, ACTIVITIES, ACTIVITIES)
def test_nothing_moves_the_longest_lifetime(the_plan, activity, other):
    other = replace(other, started_at=activity.started_at)
    before = resolve_lifetime(the_plan, activity)
    after = resolve_lifetime(the_plan, other)
    assert before.longest_stop_at == after.longest_stop_at
    if after.longest_stop_at is not None:
        assert after.stop_at <= after.longest_stop_at
        assert find_due_rule(after, after.longest_stop_at)


@given(PLANS, ACTIVITIES)
def test_what_counts_as_activity_never_shortens_a_lifetime(the_plan, activity):
    nothing = resolve_lifetime(replace(the_plan, active_while=()), activity)
    assert later(resolve_lifetime(the_plan, activity).stop_at, nothing.stop_at)


@given(PLANS, ACTIVITIES, st.floats(0, 1e7))
def test_nothing_is_due_before_it_was_announced(the_plan, activity, now):
    found = resolve_lifetime(the_plan, activity)
    rule = find_due_rule(found, now)
    assert bool(rule) == (found.stop_at is not None and now >= found.stop_at)
    if rule == "lifetime-idle":
        assert now - found.last_active_at >= found.idle_seconds - 1e-3
