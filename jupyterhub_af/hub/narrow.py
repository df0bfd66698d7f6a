"""A token of one audience and a few scopes, made of a person's own; never the wide one instead.

Token exchange comes first; where the IAM refuses it, a narrower refresh. Both happen in
the person's turn, since a refresh may rotate the refresh token.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from .auth_record import AuthRecord
from .hand_outs import AccessToken, Narrow, NarrowRefusedError
from .iam_answers import IAMRefusedError, Tokens
from .iam_questions import IAMQuestions, require_narrow
from .id_token import UnverifiedError

if TYPE_CHECKING:
    from jupyterhub.user import User

Act = Callable[[AuthRecord], Awaitable[AuthRecord]]
InTurn = Callable[["User", Act], Awaitable[None]]


def make_narrow(questions: IAMQuestions, in_turn: InTurn, user: User) -> Narrow:
    """Return what gets a person's narrow tokens."""

    async def narrow(audience: str, scopes: tuple[str, ...]) -> AccessToken:
        found: list[Tokens] = []

        async def act(record: AuthRecord) -> AuthRecord:
            tokens, after = await _ask(questions, record, audience, scopes)
            found.append(tokens)
            return after

        await in_turn(user, act)
        if not found:
            msg = "There is no login to make a token of."
            raise NarrowRefusedError(msg)
        require_narrow(found[0], audience, scopes)
        return _to_access(found[0], narrow)

    return narrow


async def _ask(
    questions: IAMQuestions, record: AuthRecord, audience: str, scopes: tuple[str, ...]
) -> tuple[Tokens, AuthRecord]:
    """Return a narrow token, and the record with what was rotated for it."""
    if record.issuer != questions.iam.issuer or record.word.is_out:
        msg = "There is no login to make a token of."
        raise NarrowRefusedError(msg)
    try:
        if record.access_token:
            token = record.access_token
            return await questions.exchange(token, audience, scopes), record
    except (IAMRefusedError, UnverifiedError):
        # clients of many an IAM may not exchange tokens
        pass
    if record.refresh_token is None:
        msg = "The login service exchanges no tokens, and gave none to renew with."
        raise NarrowRefusedError(msg)
    try:
        tokens = await questions.refresh_narrow(record.refresh_token, audience, scopes)
    except (IAMRefusedError, UnverifiedError) as error:
        msg = f"The login service gives no token of this audience and scopes: {error}"
        raise NarrowRefusedError(msg) from None
    kept = tokens.refresh_token or record.refresh_token
    return tokens, replace(record, refresh_token=kept)


def _to_access(tokens: Tokens, narrow: Narrow) -> AccessToken:
    now = time.time()
    expires = None if tokens.expires_in is None else now + tokens.expires_in
    return AccessToken(tokens.access_token, now, expires, narrow)
