"""Questions to the IAM through a breaker: nobody waits for an IAM that is known to be silent.

``IAMLine`` owns the breaker, and the one task that knocks while it is open. What may be
asked when is ``policy.breaker``'s decision.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from jupyterhub_af.policy.breaker import Breaker
from jupyterhub_af.policy.freshness import Hush

from .flood import is_stranger
from .iam_answers import IAMRefusedError
from .iam_client import OtherSubjectError
from .iam_http import IAMAwayError
from .iam_metrics import iam_metrics
from .id_token import UnverifiedError
from .secret_file import SecretFileError

_T = TypeVar("_T")
_LOOK_SECONDS = 0.25
# doubtful answers about so many people in a row are no matter of theirs
MOST_DOUBTED = 3


class HushError(Exception):
    """Say that there is no word about a person, and why."""

    def __init__(self, hush: Hush) -> None:
        self.hush: Hush = hush
        super().__init__(hush)


class IAMLine:
    """The one line of a hub to its IAM."""

    def __init__(
        self,
        knock: Callable[[], Awaitable[bool]],
        *,
        log: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._knock = knock
        self._log = log
        self._clock = clock
        self._breaker = Breaker()
        self._knocker: asyncio.Task[None] | None = None
        self._is_closed = False
        # of whom the last answers were not to be believed, since one was
        self._doubted: set[str] = set()
        iam_metrics.register()

    @property
    def hush(self) -> Hush:
        """Return what is to be said of whom nobody asks now."""
        return "client-refused" if self._breaker.state == "refused" else "silent"

    def may_ask(self) -> bool:
        """Tell whether a question may be sent now."""
        return self._breaker.may_ask(self._clock())

    @property
    def is_shut(self) -> bool:
        """Tell whether nothing may be sent now for the IAM's sake, however long one waits."""
        return self._breaker.state != "closed" and not self.may_ask()

    async def may_ask_soon(self) -> bool:
        """Tell whether a question may be sent, after waiting for the pace of a slow IAM.

        It is slow while a question is overdue and not yet known to be in vain.
        """
        while self._breaker.state == "closed" and not self.may_ask():
            if self._is_closed:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return self.may_ask()

    def answers_well(self) -> bool:
        """Tell whether a request may wait for an answer, as far as is known."""
        return self._breaker.is_well(self._clock())

    async def ask(
        self, question: Callable[[], Awaitable[_T]], *, about: str | None = None
    ) -> _T:
        """Return the answer; the breaker learns from it.

        ``about`` is the subject whose groups are asked for. Where answers about several
        people in a row are not to be believed, that is an outage: each may cost a token.

        Raises
        ------
        IAMRefusedError
            If the IAM refuses the person.
        HushError
            If it says nothing, or refuses this facility.
        UnverifiedError
            If an answer about the person is not to be believed.
        """
        self._turn(self._breaker.asked(self._clock()))
        try:
            answer = await question()
        except (IAMAwayError, SecretFileError, IAMRefusedError, UnverifiedError) as e:
            self._learn(e, about)
            raise
        except BaseException:
            # nothing is known: as if it had not been asked
            self._hear()
            raise
        if about is not None:
            self._doubted.clear()
        self._hear()
        return answer

    def _hear(self) -> None:
        """Turn the breaker by an answer, unless many of late were not to be believed."""
        if len(self._doubted) < MOST_DOUBTED:
            self._turn(self._breaker.answered())
        else:
            self._fall_silent()

    def _fall_silent(self) -> None:
        self._turn(self._breaker.silent())
        self._start_knocking()

    def _learn(self, error: Exception, about: str | None) -> None:
        """Turn the breaker by an error; raise ``HushError`` where it is about nobody."""
        if isinstance(error, IAMAwayError) or _is_no_answer(error):
            self._tell(
                "the IAM does not answer: the last word about people holds", error
            )
            self._fall_silent()
            raise HushError("silent") from None
        if isinstance(error, SecretFileError) or _refuses_us(error):
            self._tell(
                "the IAM refuses this facility's client, nobody is locked out", error
            )
            self._turn(self._breaker.refused())
            raise HushError("client-refused") from None
        if about is not None:
            self._weigh(error, about)
        self._hear()

    def _weigh(self, error: Exception, about: str) -> None:
        """Count of how many people in a row an answer was not to be believed."""
        is_doubtful = isinstance(error, UnverifiedError)
        # what is about somebody else was to be believed, and is the person's own matter
        if not is_doubtful or isinstance(error, OtherSubjectError):
            return
        self._doubted.add(about)
        if len(self._doubted) >= MOST_DOUBTED:
            self._tell(
                "the IAM's answers are not to be believed: the last word about people "
                "holds",
                error,
            )

    def _tell(self, what: str, error: Exception) -> None:
        if self._breaker.state == "closed":
            self._log.error("%s: %s", what, error)

    def _turn(self, breaker: Breaker) -> None:
        if breaker.state == "closed" != self._breaker.state:
            self._log.warning("the IAM answers again")
        self._breaker = breaker
        iam_metrics.state = breaker.state

    def _start_knocking(self) -> None:
        if not self._is_closed and (self._knocker is None or self._knocker.done()):
            self._knocker = asyncio.create_task(self._knock_until_it_answers())

    async def _knock_until_it_answers(self) -> None:
        is_stranger.set(False)
        while self._breaker.state == "open":
            if self._breaker.may_knock(self._clock()):
                await self.knock_once()
            else:
                await asyncio.sleep(_LOOK_SECONDS)

    async def knock_once(self) -> None:
        """Look whether the IAM answers at all, and let one question through if so."""
        iam_metrics.knocks += 1
        began = self._clock()
        self._turn(self._breaker.knocked(began, has_answered=False))
        has_answered = await self._knock()
        self._turn(self._breaker.knocked(began, has_answered=has_answered))

    def close(self) -> None:
        """Stop knocking and waiting."""
        self._is_closed = True
        if self._knocker is not None:
            self._knocker.cancel()


def _is_no_answer(error: Exception) -> bool:
    """Tell whether an answer is somebody else's, a proxy's or half of one."""
    return isinstance(error, UnverifiedError) and error.rule in (
        "token-answer",
        "introspection",
    )


def _refuses_us(error: Exception) -> bool:
    """Tell whether a refusal is of the facility: not of a person, nor of their token."""
    return isinstance(error, IAMRefusedError) and not error.is_of_person
