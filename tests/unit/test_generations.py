"""Which generations are kept: the rules as tables, and what holds for every history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_af.policy.generations import (
    DAY_SECONDS,
    HOUR_SECONDS,
    Keeping,
    choose_time,
    order_for_space,
    select_kept,
)

HISTORY = st.frozensets(st.integers(0, 40 * DAY_SECONDS), max_size=60)
NUMBERS = st.integers(0, 30)
RULES = st.builds(Keeping, keep=st.integers(1, 30), hourly=NUMBERS, daily=NUMBERS)


def at(day: int, hour: int = 0, minute: int = 0) -> int:
    return day * DAY_SECONDS + hour * HOUR_SECONDS + minute * 60


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        (Keeping(1), [at(2, 9, 30)]),
        (Keeping(2), [at(2, 9, 30), at(2, 9, 0)]),
        (Keeping(1, hourly=2), [at(2, 9, 30), at(2, 8, 45)]),
        (Keeping(1, daily=2), [at(2, 9, 30), at(1, 23, 59)]),
        (Keeping(1, hourly=3, daily=3), [at(2, 9, 30), at(2, 8, 45), at(1, 23, 59), at(0)]),
        (Keeping(100), [at(0), at(1, 23, 15), at(1, 23, 59), at(2, 8, 0), at(2, 8, 45), at(2, 9, 0), at(2, 9, 30)]),
    ],
    ids=lambda value: str(value) if isinstance(value, Keeping) else "",
)  # fmt: skip
def test_the_newest_and_the_last_of_hours_and_days_are_kept(rules, kept):
    history = [at(0), at(1, 23, 15), at(1, 23, 59), at(2, 8, 0), at(2, 8, 45), at(2, 9, 0), at(2, 9, 30)]  # fmt: skip
    assert select_kept(history, rules) == frozenset(kept)


@given(HISTORY, RULES)
def test_a_history_never_becomes_empty_and_keeps_its_newest(history, rules):
    kept = select_kept(history, rules)
    assert kept <= history
    assert bool(kept) == bool(history)
    assert set(sorted(history)[-rules.keep :]) <= kept


@given(HISTORY, RULES)
def test_the_last_of_each_promised_hour_and_day_is_kept(history, rules):
    kept = select_kept(history, rules)
    for seconds, count in ((HOUR_SECONDS, rules.hourly), (DAY_SECONDS, rules.daily)):
        spans = sorted({time // seconds for time in history}, reverse=True)[:count]
        assert {max(t for t in history if t // seconds == s) for s in spans} <= kept


@given(HISTORY, RULES)
def test_no_more_is_kept_than_the_rules_say(history, rules):
    assert len(select_kept(history, rules)) <= rules.keep + rules.hourly + rules.daily


@given(HISTORY, RULES, RULES)
def test_more_generous_rules_let_nothing_go_that_stingier_ones_keep(history, one, more):
    sums = Keeping(
        one.keep + more.keep, one.hourly + more.hourly, one.daily + more.daily
    )
    assert select_kept(history, one) <= select_kept(history, sums)


@given(HISTORY, RULES)
def test_asking_again_lets_nothing_more_go(history, rules):
    kept = select_kept(history, rules)
    assert select_kept(kept, rules) == kept


@given(st.dictionaries(st.sampled_from(["al", "alice", "GW"]), HISTORY))
def test_for_space_the_oldest_go_first_and_the_newest_of_a_tree_never(generations):
    order = order_for_space(generations)
    times = [time for _, time in order]
    assert times == sorted(times)
    for owner, history in generations.items():
        going = {time for name, time in order if name == owner}
        assert history - going == ({max(history)} if history else set())


@given(st.lists(st.floats(0, 2**31, allow_nan=False), min_size=1, max_size=30))
def test_times_are_unique_and_sorted_whatever_the_clock_does(clock):
    newest: int | None = None
    given_times = []
    for now in clock:
        newest = choose_time(now, newest)
        given_times.append(newest)
    assert given_times == sorted(set(given_times))
