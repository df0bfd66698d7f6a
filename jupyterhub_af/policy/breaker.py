"""When the IAM may be asked: at once while it answers, once a second while it does not.

Pure: times go in (seconds of one clock, any zero), the next ``Breaker`` comes out. Words:
*closed* is the good state, everybody may ask. *open* is an outage: nobody asks, one task
*knocks* (it looks whether the IAM answers at all). When that is so, the breaker is
*trying*: one question is let through, and its answer closes or opens again. A breaker is
*refused* while the IAM answers, but refuses this facility: now and then one question
finds out whether it still does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

State = Literal["closed", "open", "trying", "refused"]

PACE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 4.0
REFUSED_SECONDS = 5.0
# longer without a word, and the next question waits for the pace
SLOW_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of the IAM.

    ``called_at`` is when it was last asked anything, ``unanswered_since`` when the first
    question was sent that no answer has followed. ``failed_trials`` counts questions let
    through in vain since it last answered one.
    """

    state: State = "closed"
    called_at: float = float("-inf")
    unanswered_since: float | None = None
    failed_trials: int = 0

    @property
    def pause_seconds(self) -> float:
        """Return how long nothing is asked after the last call, while it is not closed."""
        if self.state == "refused":
            return REFUSED_SECONDS
        return min(PACE_SECONDS * (1 << self.failed_trials), LONGEST_PAUSE_SECONDS)

    def may_ask(self, now: float) -> bool:
        """Tell whether a question may be sent now."""
        has_paused = now - self.called_at >= self.pause_seconds
        if self.state == "closed":
            return self.is_well(now) or has_paused
        if self.state == "open":
            return False
        return self.unanswered_since is None and has_paused

    def is_well(self, now: float) -> bool:
        """Tell whether an answer may be waited for: closed, and nothing is overdue."""
        since = self.unanswered_since
        is_slow = since is not None and now - since >= SLOW_SECONDS
        return self.state == "closed" and not is_slow

    def may_knock(self, now: float) -> bool:
        """Tell whether somebody should look now whether the IAM answers at all."""
        return self.state == "open" and now - self.called_at >= self.pause_seconds

    def asked(self, now: float) -> Breaker:
        """Return the breaker after a question was sent."""
        since = now if self.unanswered_since is None else self.unanswered_since
        return replace(self, called_at=now, unanswered_since=since)

    def answered(self) -> Breaker:
        """Return it after an answer to a question: of whatever kind, but one of the IAM's."""
        return replace(self, state="closed", unanswered_since=None, failed_trials=0)

    def silent(self) -> Breaker:
        """Return it after a question that was not answered."""
        trials = self.failed_trials + (self.state in ("trying", "refused"))
        return replace(
            self, state="open", unanswered_since=None, failed_trials=min(trials, 16)
        )

    def refused(self) -> Breaker:
        """Return it after the IAM refused this facility, not a person."""
        return replace(self, state="refused", unanswered_since=None, failed_trials=0)

    def knocked(self, now: float, *, has_answered: bool) -> Breaker:
        """Return it after a knock; only an open one is changed by an answer."""
        is_back = has_answered and self.state == "open"
        return replace(self, state="trying" if is_back else self.state, called_at=now)
