"""How long the IAM's word about a person holds, and what it means meanwhile.

Pure: the last *word* of the IAM, the facility's bounds and the time go in, a status comes
out. A word is *young* until ``recheck_seconds`` after it; until then nobody asks again.
Later it is asked for anew, and while the IAM says nothing the old word holds to the end of
the grace. Nothing widens by itself: a person who was out is in again by a younger word of
the IAM's, or by an edit of the facility file that ends what an edit of it began.

Times are seconds since 1970. A clock that was put back makes words old, never young.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from .recheck import RecheckStatus

# what the IAM answers instead of groups; login-needed: nothing to ask it with
WordRefusal = Literal["suspended", "aup-unsigned", "login-needed"]
# why there is no new word: the IAM says nothing, or refuses this facility as a whole
Hush = Literal["silent", "client-refused"]

# while one of these is said of a person, they may go on
HOLDING: frozenset[RecheckStatus] = frozenset({"allowed", "silent", "client-refused"})

# the keeper asks a little before the bound, so that pages never have to
EARLY_SHARE = 0.05
LONGEST_EARLY_SECONDS = 15.0
# who lost something has little time to be given it back: the keeper asks about them often
OUT_SECONDS = 10.0
_CLOCK_SLACK_SECONDS = 60.0
# a token is renewed when less than this of its life is left: more than the fifth promised
RENEW_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Bounds:
    """How old a word may be: before it is asked for again, and in an outage."""

    recheck_seconds: float
    grace_seconds: float

    @property
    def most_seconds(self) -> float:
        """Return how old a word may be in an outage."""
        return max(self.grace_seconds, self.recheck_seconds)

    @property
    def early_seconds(self) -> float:
        """Return how long before the bound the keeper may ask."""
        return min(EARLY_SHARE * self.recheck_seconds, LONGEST_EARLY_SECONDS)


@dataclass(frozen=True, slots=True)
class Word:
    """What the IAM last said of a person.

    ``checked_at`` is when it last named their groups, ``answered_at`` when it last said
    anything definite of them. ``is_out`` says whether they could not log in by it, and
    ``outlived`` which grace it was too old for: it stays so, whatever a clock says later.
    """

    groups: frozenset[str] = frozenset()
    checked_at: float | None = None
    answered_at: float | None = None
    refusal: WordRefusal | None = None
    is_out: bool = False
    outlived: float | None = None


def is_young(
    word: Word,
    bounds: Bounds,
    now: float,
    *,
    early: bool = False,
    is_ending: bool = False,
) -> bool:
    """Tell whether a word need not be asked for again.

    ``early``: the keeper asks; ``is_ending``: and a server of the person's ends.
    """
    if word.answered_at is None:
        return False
    age = now - word.answered_at
    most = bounds.recheck_seconds - (bounds.early_seconds if early else 0.0)
    if early and (word.is_out or is_ending):
        most = min(most, OUT_SECONDS)
    return -_CLOCK_SLACK_SECONDS <= age < most


def hear_groups(word: Word, groups: frozenset[str], now: float) -> Word:
    """Return the word after the IAM named the groups; time never goes back in it."""
    at = _later(word.checked_at, now)
    return replace(
        word,
        groups=groups,
        checked_at=at,
        answered_at=_later(word.answered_at, now),
        refusal=None,
        outlived=None,
    )


def hear_refusal(word: Word, refusal: WordRefusal, now: float) -> Word:
    """Return the word after the IAM refused the person; the groups are no longer any."""
    at = _later(word.answered_at, now)
    return replace(
        word, groups=frozenset(), answered_at=at, refusal=refusal, is_out=True
    )


def _later(before: float | None, now: float) -> float:
    # a time ahead of the clock is a clock's mistake, not a later word
    is_kept = before is not None and now < before <= now + _CLOCK_SLACK_SECONDS
    return before if is_kept and before is not None else now


def judge(
    word: Word,
    bounds: Bounds,
    now: float,
    *,
    is_allowed: bool,
    hush: Hush | None = None,
) -> RecheckStatus:
    """Return how a person stands; ``is_allowed``: by the word's groups and today's file.

    ``hush`` says why there is no younger word, where somebody asked for one. What the file
    alone took away it may give back, also in an outage: the groups are the IAM's still.
    """
    if word.refusal is not None:
        return word.refusal
    if word.checked_at is None:
        return "expired"
    if not is_allowed:
        return "denied"
    if _is_outlived(word, word.checked_at, bounds, now):
        return "expired"
    return "allowed" if is_young(word, bounds, now) else hush or "allowed"


def _is_outlived(word: Word, checked_at: float, bounds: Bounds, now: float) -> bool:
    most = bounds.most_seconds
    was_outlived = word.outlived is not None and most <= word.outlived
    return was_outlived or now - checked_at > most


def note_decision(word: Word, status: RecheckStatus, bounds: Bounds) -> Word:
    """Return the word with what was decided by it."""
    outlived = word.outlived
    if status in HOLDING:
        outlived = None
    elif status == "expired":
        outlived = max(outlived or 0.0, bounds.most_seconds)
    return replace(word, is_out=status not in HOLDING, outlived=outlived)


def needs_renewal(
    obtained_at: float | None, expires_at: float | None, now: float
) -> bool:
    """Tell whether an access token should be renewed for its own sake."""
    if obtained_at is None or expires_at is None:
        return False
    return now >= renew_at(obtained_at, expires_at)


def renew_at(obtained_at: float, expires_at: float) -> float:
    """Return when a token is to be renewed."""
    return expires_at - RENEW_SHARE * max(expires_at - obtained_at, 0.0)
