"""A token of one audience and a few scopes, made of a person's own: in the person's turn.

A refresh may rotate the refresh token, so that two askers would each hold a dead one.
What is asked and what counts as narrow is in ``narrow_grant``. A silent IAM is not asked
for these tokens either.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .auth_record import AuthRecord
from .hand_outs import AccessToken, NarrowRefusedError
from .iam_answers import IAMRefusedError, Tokens
from .iam_http import IAMAwayError
from .iam_line import HushError, IAMLine
from .iam_questions import IAMQuestions
from .id_token import UnverifiedError
from .narrow_grant import EXCHANGE, Narrowed, NarrowRequest, TooWideError, narrow
from .narrow_refusals import NarrowRefusals, Question

if TYPE_CHECKING:
    from jupyterhub.user import User

Act = Callable[[AuthRecord], Awaitable[AuthRecord]]
InTurn = Callable[["User", Act], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Narrower:
    """Get a person's narrow tokens; it is what ``AccessToken.narrow`` asks to be."""

    questions: IAMQuestions
    line: IAMLine
    in_turn: InTurn
    user: User
    refusals: NarrowRefusals
    now: Callable[[], float] = time.time

    async def __call__(self, audience: str, scopes: tuple[str, ...]) -> AccessToken:
        """Return a token of one audience and of scopes, or raise; never a wider one."""
        found: list[Tokens] = []
        refused: list[NarrowRefusedError] = []

        async def act(record: AuthRecord) -> AuthRecord:
            if record.issuer != self.questions.iam.issuer or record.word.is_out:
                return record
            question = Question(self.user.id, record.login_at, audience, scopes)
            self.refusals.check(question)
            try:
                answer = await self._ask(record, audience, scopes)
            except NarrowRefusedError as error:
                self.refusals.note(question, error)
                refused.append(error)
                # the refresh token that came with a wider one is the one to go on with
                rotated = (
                    error.refresh_token if isinstance(error, TooWideError) else None
                )
                return _keep(record, rotated)
            self.refusals.forget(question)
            found.append(answer.tokens)
            return _keep(record, answer.refresh_token)

        await self.in_turn(self.user, act)
        if refused:
            raise refused[0]
        if not found:
            msg = "There is no login to make a token of."
            raise NarrowRefusedError(msg)
        return self._to_access(found[0])

    async def _ask(
        self, record: AuthRecord, audience: str, scopes: tuple[str, ...]
    ) -> Narrowed:
        token = record.access_token
        request = NarrowRequest(token or "", record.refresh_token, audience, scopes)
        if not self.line.may_ask():
            msg = "the IAM does not answer"
            raise IAMAwayError(msg)

        async def question() -> Narrowed:
            offered = await self.questions.iam.offers(EXCHANGE)
            can_exchange = bool(token) and offered
            return await narrow(
                self.questions.grant, request, can_exchange=can_exchange
            )

        try:
            return await self.line.ask(question)
        except HushError:
            msg = "the IAM does not answer"
            raise IAMAwayError(msg) from None
        except (IAMRefusedError, UnverifiedError) as error:
            msg = f"The login service gives no token of this kind: {error}"
            raise NarrowRefusedError(msg) from None

    def _to_access(self, tokens: Tokens) -> AccessToken:
        now = self.now()
        expires = None if tokens.expires_in is None else now + tokens.expires_in
        return AccessToken(tokens.access_token, now, expires, self)


def _keep(record: AuthRecord, refresh_token: str | None) -> AuthRecord:
    return replace(record, refresh_token=refresh_token or record.refresh_token)
