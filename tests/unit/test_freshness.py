"""How long the IAM's word holds: driven by hypothesis on plain data."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from jupyterhub_af.policy.freshness import (
    HOLDING,
    Bounds,
    Word,
    hear_groups,
    hear_refusal,
    is_young,
    judge,
    needs_renewal,
    note_decision,
    renew_at,
)
from jupyterhub_af.policy.recheck import END_RULES

BOUNDS = Bounds(300, 28800)
OLD = Word(frozenset({"a"}), 1000.0, 1000.0)


@pytest.mark.parametrize(
    ("age", "allowed", "hush", "status"),
    [
        pytest.param(0, True, None, "allowed", id="young"),
        pytest.param(299, True, "silent", "allowed", id="young in an outage"),
        pytest.param(299, False, None, "denied", id="young, no group is allowed"),
        pytest.param(300, True, "silent", "silent", id="old in an outage"),
        pytest.param(300, True, "client-refused", "client-refused", id="old, refused"),
        pytest.param(28800, True, "silent", "silent", id="at the end of the grace"),
        pytest.param(28801, True, "silent", "expired", id="after the grace"),
        pytest.param(28801, True, "client-refused", "expired", id="refused too long"),
        pytest.param(400, False, "silent", "denied", id="an edit of the file denies"),
        pytest.param(-3600, True, "silent", "silent", id="a clock put back"),
    ],
)
def test_what_a_word_of_some_age_means(age, allowed, hush, status):
    assert judge(OLD, BOUNDS, 1000 + age, is_allowed=allowed, hush=hush) == status


@pytest.mark.parametrize("age", [100, 400])
def test_an_edit_that_is_taken_back_restores_whom_it_put_out(age):
    now = 1000 + age
    out = note_decision(OLD, "denied", BOUNDS)
    assert judge(out, BOUNDS, now, is_allowed=False, hush="silent") == "denied"
    assert judge(out, BOUNDS, now, is_allowed=True, hush="silent") in HOLDING


def test_who_is_out_by_the_grace_stays_so_whatever_a_clock_says():
    out = note_decision(OLD, "expired", BOUNDS)
    for age in (28801, 10**6, 400, 0, -9999):
        now = 1000 + age
        assert judge(out, BOUNDS, now, is_allowed=True, hush="silent") == "expired"
    back = hear_groups(out, frozenset({"a"}), 90000)
    assert judge(back, BOUNDS, 90000, is_allowed=True) == "allowed"


def test_a_grace_that_an_edit_shortened_and_gave_back_restores():
    short = Bounds(300, 0)
    assert judge(OLD, short, 1400, is_allowed=True, hush="silent") == "expired"
    out = note_decision(OLD, "expired", short)
    assert judge(out, BOUNDS, 1400, is_allowed=True, hush="silent") == "silent"
    held = note_decision(out, "silent", BOUNDS)
    assert judge(held, BOUNDS, 1500, is_allowed=True, hush="silent") == "silent"


@given(
    st.floats(0, 1e6),
    st.lists(st.floats(0, 1e5), max_size=5),
    st.booleans(),
    st.sampled_from([None, "silent", "client-refused"]),
)
def test_while_nothing_but_time_changes_the_end_has_one_reason(
    age, steps, is_allowed, hush
):
    word, now, ends = OLD, 1000 + age, set()
    for step in [0, *steps]:
        now += step
        status = judge(word, BOUNDS, now, is_allowed=is_allowed, hush=hush)
        word = note_decision(word, status, BOUNDS)
        if status not in HOLDING:
            ends.add(status)
        assert not ends or status in ends
    assert len(ends) <= 1


def test_a_grace_of_nothing_still_leaves_the_time_between_two_rechecks():
    none = Bounds(300, 0)
    assert judge(OLD, none, 1300, is_allowed=True, hush="silent") == "silent"
    assert judge(OLD, none, 1301, is_allowed=True, hush="silent") == "expired"


@pytest.mark.parametrize("refusal", ["suspended", "aup-unsigned", "login-needed"])
def test_a_refusal_holds_until_the_iam_says_otherwise(refusal):
    word = hear_refusal(OLD, refusal, 2000)
    assert word.groups == frozenset()
    for now in (2000, 9999, 10**6):
        assert judge(word, BOUNDS, now, is_allowed=True, hush="silent") == refusal
    again = hear_groups(word, frozenset({"a"}), 3000)
    assert judge(again, BOUNDS, 3000, is_allowed=True) == "allowed"


@pytest.mark.parametrize(
    ("recheck", "early"), [(5, 0.25), (300, 15), (900, 15), (86400, 15)]
)
def test_the_keeper_may_ask_a_little_earlier(recheck, early):
    bounds = Bounds(recheck, 0)
    assert bounds.early_seconds == early
    at = 1000 + recheck - early
    assert is_young(OLD, bounds, at)
    assert not is_young(OLD, bounds, at, early=True)
    assert is_young(OLD, bounds, at - 0.1, early=True)


@pytest.mark.parametrize("recheck", [5, 300])
def test_who_is_out_is_asked_about_often_by_the_keeper_alone(recheck):
    bounds = Bounds(recheck, 0)
    out = replace(OLD, is_out=True)
    assert is_young(out, bounds, 1000 + 4)
    assert not is_young(out, bounds, 1000 + 10, early=True)
    assert is_young(out, bounds, 1000 + recheck - 0.1)


@pytest.mark.parametrize("recheck", [5, 300])
def test_whose_server_ends_is_asked_about_as_often(recheck):
    bounds = Bounds(recheck, 0)
    assert not is_young(OLD, bounds, 1000 + 10, early=True, is_ending=True)
    assert is_young(OLD, bounds, 1000 + 4, early=True, is_ending=True)


def test_a_word_from_the_future_is_asked_for_again():
    assert is_young(OLD, BOUNDS, 1000 - 59)
    assert not is_young(OLD, BOUNDS, 1000 - 61)
    assert hear_groups(OLD, frozenset(), 500).checked_at == 500


def test_what_was_never_checked_opens_nothing_in_an_outage():
    assert judge(Word(), BOUNDS, 0, is_allowed=True, hush="silent") == "expired"


@given(st.floats(0, 1e9), st.floats(1, 1e6))
def test_a_token_is_renewed_while_a_fifth_of_its_life_is_left(obtained, life):
    expires = obtained + life
    at = renew_at(obtained, expires)
    assert needs_renewal(obtained, expires, at)
    assert expires - at >= 0.2 * (expires - obtained)
    assert not needs_renewal(obtained, None, at)


class Membership(RuleBasedStateMachine):
    """A person, an IAM that answers or not, a facility that is edited, and time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1e6
        self.word = hear_groups(Word(), frozenset({"a"}), self.now)
        self.allowed = {"a"}
        self.confirmed_at = self.now
        self.hush = None
        self.status = "allowed"
        # what has happened since the last look
        self.is_edited = self.is_younger = False
        self._look()

    def _look(self) -> None:
        was, self.is_edited, is_edited = self.status, False, self.is_edited
        is_younger, self.is_younger = self.is_younger, False
        self.status = judge(
            self.word,
            BOUNDS,
            self.now,
            is_allowed=bool(self.word.groups & self.allowed),
            hush=self.hush,
        )
        if was not in HOLDING and self.status in HOLDING:
            assert is_younger or (is_edited and was == "denied")
        self.word = note_decision(self.word, self.status, BOUNDS)

    @rule(seconds=st.floats(0, 20000, allow_nan=False))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self._look()

    @rule(groups=st.frozensets(st.sampled_from("abc")))
    def the_iam_names_groups(self, groups: frozenset[str]) -> None:
        self.hush = None
        self.word = hear_groups(self.word, groups, self.now)
        self.confirmed_at, self.is_younger = self.now, True
        self._look()
        assert self.status == ("allowed" if groups & self.allowed else "denied")

    @rule(refusal=st.sampled_from(["suspended", "aup-unsigned", "login-needed"]))
    def the_iam_refuses(self, refusal: str) -> None:
        self.hush = None
        self.word = hear_refusal(self.word, refusal, self.now)
        self._look()
        assert self.status == refusal

    @rule(seconds=st.floats(0, 50000, allow_nan=False))
    def the_clock_is_put_back(self, seconds: float) -> None:
        was, before = self.status, self.now
        self.now -= seconds
        self._look()
        assert was in HOLDING or self.status == was
        self.now = before

    @rule(hush=st.sampled_from(["silent", "client-refused"]))
    def the_iam_says_nothing(self, hush: str) -> None:
        before = self.status
        self.hush = hush
        self._look()
        within = self.now - self.confirmed_at <= BOUNDS.grace_seconds
        if before in HOLDING and within:
            assert self.status in HOLDING

    @rule(groups=st.sets(st.sampled_from("abc"), min_size=1))
    def the_file_is_edited(self, groups: set[str]) -> None:
        self.allowed, self.is_edited = groups, True
        self._look()

    @invariant()
    def nobody_holds_beyond_the_grace(self) -> None:
        if self.now - self.confirmed_at > BOUNDS.grace_seconds:
            assert self.status not in HOLDING

    @invariant()
    def nobody_holds_without_an_allowed_group(self) -> None:
        assert self.status in END_RULES | HOLDING
        if self.status in HOLDING:
            assert self.word.groups & self.allowed

    @invariant()
    def the_record_never_moves_back(self) -> None:
        assert self.word.checked_at == self.confirmed_at
        assert self.word.answered_at >= self.word.checked_at


TestMembership = Membership.TestCase
TestMembership.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)
