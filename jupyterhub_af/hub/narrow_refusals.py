"""What narrow tokens the IAM has refused, so that servers do not ask for them for ever.

A server without its token asks each few seconds. What was refused is asked for again
after a pause that doubles; a new login, or another wish, is another question.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .hand_outs import NarrowRefusedError

FIRST_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Question:
    """A token that a person's server wants, by one login of theirs."""

    user_id: int
    login_at: float | None
    audience: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Refused:
    message: str
    at: float
    pause_seconds: float


class NarrowRefusals:
    """The refusals of one hub; a person's of an earlier login are forgotten."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._refused: dict[int, dict[Question, _Refused]] = {}

    def check(self, question: Question) -> None:
        """Raise ``NarrowRefusedError`` where a question is not to be asked yet."""
        found = self._refused.get(question.user_id, {}).get(question)
        # a clock that was put back ends a pause
        if found and 0 <= self._now() - found.at < found.pause_seconds:
            raise NarrowRefusedError(found.message)

    def note(self, question: Question, error: NarrowRefusedError) -> None:
        """Remember that the IAM has refused."""
        of_person = self._refused.setdefault(question.user_id, {})
        for other in [o for o in of_person if o.login_at != question.login_at]:
            del of_person[other]
        before = of_person.get(question)
        pause = FIRST_PAUSE_SECONDS if before is None else 2 * before.pause_seconds
        of_person[question] = _Refused(
            str(error), self._now(), min(pause, LONGEST_PAUSE_SECONDS)
        )

    def forget(self, question: Question) -> None:
        """Forget a refusal: the IAM has given the token."""
        self._refused.get(question.user_id, {}).pop(question, None)

    def forget_person(self, user_id: int) -> None:
        """Forget all of somebody who is no longer one of the hub's."""
        self._refused.pop(user_id, None)
