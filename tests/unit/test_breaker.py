"""The breaker: an outage costs a call a second at most, and nobody asks in it."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from jupyterhub_af.policy.breaker import (
    LONGEST_PAUSE_SECONDS,
    PACE_SECONDS,
    REFUSED_SECONDS,
    SLOW_SECONDS,
    Breaker,
)


def test_while_it_answers_everybody_may_ask_at_once():
    breaker = Breaker().asked(0).asked(0)
    assert breaker.may_ask(0)
    assert breaker.answered() == Breaker(called_at=0)


def test_silence_opens_it_and_a_knock_that_is_answered_lets_one_through():
    breaker = Breaker().asked(0).silent()
    assert (breaker.state, breaker.may_ask(9), breaker.may_knock(0.5)) == (
        "open",
        False,
        False,
    )
    assert breaker.may_knock(1)
    assert breaker.knocked(1, has_answered=False).state == "open"
    trying = breaker.knocked(1, has_answered=True)
    assert (trying.state, trying.may_ask(1.5), trying.may_ask(2)) == (
        "trying",
        False,
        True,
    )
    one = trying.asked(2)
    assert not one.may_ask(60)
    assert one.answered().state == "closed"


def test_trials_in_vain_are_further_and_further_apart():
    breaker, now, pauses = Breaker().asked(0).silent(), 0.0, []
    for _ in range(6):
        pauses.append(breaker.pause_seconds)
        now += breaker.pause_seconds
        breaker = breaker.knocked(now, has_answered=True)
        now += breaker.pause_seconds
        breaker = breaker.asked(now).silent()
    assert pauses == [1, 2, 4, 4, 4, 4]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_a_refused_client_is_tried_now_and_then_and_never_knocked_for():
    breaker = Breaker().asked(0).refused()
    assert (breaker.state, breaker.may_knock(99)) == ("refused", False)
    assert not breaker.may_ask(REFUSED_SECONDS - 0.1)
    assert breaker.may_ask(REFUSED_SECONDS)
    assert breaker.asked(5).answered().state == "closed"


def test_a_question_without_a_word_for_a_second_slows_the_next():
    breaker = Breaker().asked(0)
    assert breaker.may_ask(SLOW_SECONDS - 0.1)
    # asked long ago, no word since: the pace holds from here on
    slow = breaker.asked(0.75)
    assert not slow.may_ask(1.5)
    assert (slow.is_well(0.9), slow.is_well(1.5), slow.is_well(99)) == (
        True,
        False,
        False,
    )
    assert slow.may_ask(0.75 + PACE_SECONDS)


@pytest.mark.parametrize("state", ["closed", "trying", "refused"])
def test_a_knock_changes_only_an_open_breaker(state):
    breaker = Breaker(state=state)
    assert breaker.knocked(3, has_answered=True) == Breaker(state=state, called_at=3)


class Outage(RuleBasedStateMachine):
    """People ask as fast as they like; the IAM may or may not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker()
        self.calls: list[float] = []
        self.is_known_silent = False
        self.is_asking = False

    @rule(seconds=st.floats(0, 10, allow_nan=False))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    def _call(self) -> None:
        if self.is_known_silent:
            assert not self.calls or self.now - self.calls[-1] >= PACE_SECONDS - 1e-6
        self.calls.append(self.now)

    @precondition(lambda self: not self.is_asking)
    @rule()
    def somebody_asks(self) -> None:
        if self.breaker.may_ask(self.now):
            self._call()
            self.breaker = self.breaker.asked(self.now)
            self.is_asking = True

    @rule()
    def somebody_knocks(self) -> None:
        if self.breaker.may_knock(self.now):
            self._call()
            has_answered = bool(int(self.now * 10) % 2)
            self.breaker = self.breaker.knocked(self.now, has_answered=has_answered)

    @precondition(lambda self: self.is_asking)
    @rule(seconds=st.floats(0, 5, allow_nan=False))
    def no_answer_comes(self, seconds: float) -> None:
        self.now += seconds
        self.breaker = self.breaker.silent()
        self.is_known_silent, self.is_asking = True, False

    @precondition(lambda self: self.is_asking)
    @rule()
    def an_answer_comes(self) -> None:
        self.breaker = self.breaker.answered()
        self.is_known_silent = self.is_asking = False

    @precondition(lambda self: self.is_asking)
    @rule()
    def the_client_is_refused(self) -> None:
        self.breaker = self.breaker.refused()
        self.is_asking = False

    @invariant()
    def an_open_breaker_lets_nobody_ask(self) -> None:
        if self.breaker.state == "open":
            assert not self.breaker.may_ask(self.now + 1000)

    @invariant()
    def it_is_never_stuck(self) -> None:
        later = self.now + LONGEST_PAUSE_SECONDS + REFUSED_SECONDS
        assert (
            self.is_asking
            or self.breaker.may_ask(later)
            or self.breaker.may_knock(later)
        )


TestOutage = Outage.TestCase
TestOutage.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
