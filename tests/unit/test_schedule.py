"""Whose membership is looked at next: oldest first, evenly, and nobody too late."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyterhub_af.policy import freshness
from jupyterhub_af.policy.freshness import Word, is_young
from jupyterhub_af.policy.recheck import END_RULES, RecheckReply
from jupyterhub_af.service.schedule import Bounds, Schedule

BOUND = 300
STEP = 0.05


class Hub:
    """A hub that asks the IAM as ours does, by how old a person's groups are."""

    def __init__(self, schedule: Schedule, checked: dict[str, float]) -> None:
        self.schedule, self.checked = schedule, dict(checked)
        self.status = "allowed"
        self.asked: list[tuple[float, str]] = []
        self.at_iam: list[tuple[float, str]] = []
        self.oldest = 0.0

    def run(self, now: float, seconds: float) -> float:
        """Let time pass; everybody who may be asked about is answered at once."""
        until = now + seconds
        while now < until:
            user, wait = self.schedule.next(now)
            if user is None:
                now += min(max(wait, STEP), 5)
                continue
            self.answer(user, now)
        return now

    def answer(self, user: str, now: float) -> None:
        self.asked.append((now, user))
        at = self.checked.get(user)
        word = Word(checked_at=at, answered_at=at)
        bounds = freshness.Bounds(self.schedule.bounds.recheck_seconds, 0)
        ahead = self.schedule.is_ahead(user)
        if self.status == "allowed" and not is_young(
            word, bounds, now, early=True, is_ending=ahead
        ):
            self.at_iam.append((now, user))
            self.oldest = max(self.oldest, 0 if at is None else now - at)
            self.checked[user] = now
        reply = RecheckReply(status=self.status, checked_at=self.checked.get(user))
        self.schedule.note(user, reply, now)


def most_in_a_second(calls: list[tuple[float, str]]) -> int:
    return max(Counter(int(at) for at, _ in calls).values())


def people(count: int) -> list[str]:
    return [f"p{number:04}" for number in range(count)]


def test_five_hundred_in_five_minutes_are_a_steady_stream():
    users = people(500)
    checked = {user: 1000 - n * BOUND / 500 for n, user in enumerate(users)}
    schedule = Schedule(Bounds(BOUND, 20), checked)
    schedule.take(users, 1000)
    hub = Hub(schedule, checked)
    hub.run(1000, 10 * BOUND)
    # one question for each person and bound, and none that the hub need not ask the IAM
    assert len(hub.asked) == len(hub.at_iam)
    assert 5000 <= len(hub.at_iam) <= 5000 / 0.95 + 1
    assert most_in_a_second(hub.asked) <= 3
    assert hub.oldest <= BOUND
    assert schedule.overdue(1000 + 10 * BOUND) == 0


def test_a_restart_is_no_burst_where_it_is_known_who_was_checked_when():
    users = people(500)
    checked = {user: 990 - n * BOUND / 500 for n, user in enumerate(users)}
    schedule = Schedule(Bounds(BOUND, 20), checked)
    schedule.take(users, 1000)
    hub = Hub(schedule, checked)
    hub.run(1000, BOUND)
    assert most_in_a_second(hub.asked[:20]) <= 20
    assert most_in_a_second(hub.asked[40:]) <= 3


def test_a_list_of_strangers_is_gone_through_in_half_the_bound():
    schedule = Schedule(Bounds(BOUND, 20), {})
    schedule.take(people(500), 0)
    hub = Hub(schedule, {})
    hub.run(0, BOUND / 2 + 1)
    assert {user for _, user in hub.asked} == set(people(500))
    assert most_in_a_second(hub.asked) <= 5


def test_all_who_logged_in_in_one_minute_are_spread_further_each_time():
    users = people(500)
    checked = {user: 1000 - n * 60 / 500 for n, user in enumerate(users)}
    schedule = Schedule(Bounds(BOUND, 20), checked)
    schedule.take(users, 1000)
    hub = Hub(schedule, checked)
    now, peaks = 1000.0, []
    for _ in range(12):
        hub.asked.clear()
        now = hub.run(now, BOUND)
        peaks.append(most_in_a_second(hub.asked))
    assert peaks[0] <= 10
    assert peaks[-1] <= 6
    assert hub.oldest <= BOUND


@settings(max_examples=60, deadline=None)
@given(
    ages=st.lists(st.floats(0, 280), min_size=1, max_size=60),
    bound_calls=st.sampled_from([5, 20]),
)
def test_nobody_s_groups_get_older_than_they_may(ages, bound_calls):
    users = people(len(ages))
    checked = {user: 1000 - age for user, age in zip(users, ages, strict=True)}
    schedule = Schedule(Bounds(BOUND, bound_calls), checked)
    schedule.take(users, 1000)
    hub = Hub(schedule, checked)
    hub.run(1000, 3 * BOUND)
    assert hub.oldest <= BOUND + STEP
    assert most_in_a_second(hub.asked) <= bound_calls + 1


@settings(max_examples=40, deadline=None)
@given(
    bound=st.one_of(st.integers(5, 86400), st.sampled_from([5, 300, 900, 3600, 86400])),
    ages=st.lists(st.floats(0, 0.9), min_size=1, max_size=20),
)
def test_no_bound_is_too_long_to_be_kept_without_a_question_for_nothing(bound, ages):
    users = people(len(ages))
    checked = {u: 1e6 - age * bound for u, age in zip(users, ages, strict=True)}
    schedule = Schedule(Bounds(bound, 20), checked)
    schedule.take(users, 1e6)
    hub = Hub(schedule, checked)
    hub.run(1e6, 2.5 * bound)
    assert hub.oldest <= bound + STEP
    # a question for nothing is one whose answer was younger than it may be
    assert len(hub.asked) == len(hub.at_iam)
    assert len(hub.at_iam) >= 2 * len(ages)


@pytest.mark.parametrize(
    ("count", "bound", "ceiling"),
    [(150, 300, 20), (250, 300, 5), (720, 300, 5), (200, 900, 2), (100, 20, 20)],
)
def test_many_who_were_confirmed_in_one_moment_are_spread_and_in_time(
    count, bound, ceiling
):
    users = people(count)
    checked = dict.fromkeys(users, 1000.0)
    schedule = Schedule(Bounds(bound, ceiling), checked)
    schedule.take(users, 1000)
    hub = Hub(schedule, checked)
    now = hub.run(1000, bound)
    assert hub.oldest <= bound
    assert most_in_a_second(hub.asked) <= 0.6 * ceiling + 1
    hub.run(now, bound)
    assert hub.oldest <= bound
    assert len(hub.at_iam) == len(hub.asked)
    assert schedule.overdue(now + bound) == 0


def test_what_asking_ahead_does_not_renew_keeps_nobody_else_waiting():
    users = people(1000)
    checked = dict.fromkeys(users, 1000.0)
    schedule = Schedule(Bounds(BOUND, 20), checked)
    schedule.take(users, 1000)
    hub = Hub(schedule, checked)
    hub.status = "denied"
    now = 1000.0 + BOUND - 90
    for _ in range(1000):
        user, wait = schedule.next(now)
        if user is None:
            now += wait
            continue
        hub.asked.append((now, user))
        reply = RecheckReply(status="allowed", checked_at=1000.0)
        schedule.note(user, reply, now)
    assert Counter(user for _, user in hub.asked).most_common(1)[0][1] == 1


def test_the_oldest_comes_first():
    checked = {"new": 999.0, "old": 500.0, "older": 400.0}
    schedule = Schedule(Bounds(BOUND, 20), checked)
    schedule.take(checked, 1000)
    found = [schedule.next(1000 + n)[0] for n in range(3)]
    assert found == ["older", "old", None]


def test_whoever_was_checked_by_a_page_just_now_is_not_due():
    schedule = Schedule(Bounds(BOUND, 20), {"anna": 700.0})
    schedule.take(["anna"], 1000)
    assert schedule.next(1000) == ("anna", 0)
    # a page had the IAM asked at 990
    schedule.note("anna", RecheckReply(status="allowed", checked_at=990), 1000)
    bounds = schedule.bounds
    assert schedule.next(1000) == (None, 990 + bounds.open_seconds - 1000)
    assert BOUND - bounds.early_seconds < bounds.open_seconds < BOUND


def test_a_wish_comes_before_its_turn_and_is_not_lost_while_asked():
    schedule = Schedule(Bounds(BOUND, 20), {"anna": 1000.0, "bob": 990.0})
    schedule.take(["anna", "bob"], 1000)
    assert schedule.next(1000)[0] is None
    schedule.want("anna", 1000)
    assert schedule.next(1000) == ("anna", 0)
    schedule.want("anna", 1000.01)
    schedule.note("anna", RecheckReply(status="allowed", checked_at=1000), 1000.02)
    assert schedule.next(1001) == ("anna", 0)
    schedule.note("anna", RecheckReply(status="allowed", checked_at=1000), 1001)
    assert schedule.next(1002)[0] is None


def test_a_wish_is_not_lost_while_asked_out_of_turn():
    schedule = Schedule(Bounds(BOUND, 20), {"anna": 1000.0})
    schedule.take(["anna"], 1000)
    schedule.begin("anna")
    schedule.want("anna", 1000)
    assert schedule.next(1000) == (None, float("inf"))
    schedule.note("anna", RecheckReply(status="denied", checked_at=1000), 1001)
    assert schedule.next(1001) == ("anna", 0)


def test_everybody_at_once_is_under_the_ceiling_still():
    users = people(100)
    schedule = Schedule(Bounds(BOUND, 20), dict.fromkeys(users, 1000.0))
    schedule.take(users, 1000)
    schedule.want_all(1000)
    hub = Hub(schedule, dict.fromkeys(users, 1000.0))
    hub.run(1000, 6)
    assert len(hub.asked) == 100
    assert most_in_a_second(hub.asked) <= 21
    assert hub.at_iam == []


@pytest.mark.parametrize("status", ["silent", "client-refused", "unknown"])
@pytest.mark.parametrize("bound", [5, 300])
def test_without_a_word_of_the_iam_it_is_tried_again_in_time(status, bound):
    users = people(50)
    schedule = Schedule(Bounds(bound, 20), dict.fromkeys(users, 1.0))
    schedule.take(users, 1000)
    hub = Hub(schedule, {})
    hub.status = status
    now = hub.run(1000, 120)
    hub.status = "allowed"
    hub.asked.clear()
    hub.run(now, min(60, bound))
    assert {user for _, user in hub.asked} == set(users)


def test_a_hub_that_is_away_is_asked_again_and_not_all_the_time():
    schedule = Schedule(Bounds(BOUND, 20), {})
    schedule.take(["anna"], 1000)
    now, count = 1000.0, 0
    while now < 1060:
        user, wait = schedule.next(now)
        if user:
            count += 1
            schedule.note_failed(user, now)
        now += max(wait, STEP)
    assert 1 <= count <= 60 / 3
    assert schedule.overdue(1000 + BOUND + 1) == 1
    assert schedule.oldest_age(1100) == 100


@pytest.mark.parametrize("status", sorted(END_RULES))
def test_whoever_lost_access_is_looked_at_often_to_let_them_back_in(status):
    schedule = Schedule(Bounds(BOUND, 20), {})
    schedule.take(["anna"], 1000)
    schedule.next(1000)
    schedule.note("anna", RecheckReply(status=status, checked_at=1000), 1000)
    assert schedule.next(1000) == (None, 15)
    assert schedule.next(1030)[0] == "anna"


def test_whoever_has_a_server_that_ends_is_looked_at_as_often():
    schedule = Schedule(Bounds(900, 20), {})
    schedule.take(["anna"], 1000)
    schedule.next(1000)
    schedule.note("anna", RecheckReply(status="allowed", checked_at=1000), 1000)
    schedule.note_ending("anna", 1000)
    assert schedule.next(1000) == (None, 15)
    schedule.note("anna", RecheckReply(status="allowed", checked_at=1015), 1015)
    assert schedule.next(1030) == (None, pytest.approx(1015 + 885 - 1030, abs=30))


def test_whoever_has_nothing_running_any_more_is_not_asked_about():
    schedule = Schedule(Bounds(BOUND, 20), {})
    schedule.take(["anna", "bob"], 1000)
    schedule.take(["bob"], 1001)
    assert schedule.next(1001) == ("bob", 0)
    assert schedule.next(1002) == (None, float("inf"))
    assert ("anna" in schedule, len(schedule)) == (False, 1)
