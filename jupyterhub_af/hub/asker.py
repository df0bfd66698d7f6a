"""One question about one person, and the record that its answer makes.

By grant, a refresh token brings new tokens and groups at once. By introspection the
access token is looked at, and a grant only renews it: for IAM clients whose refresh ends
the token that running servers have.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.freshness import (
    WordRefusal,
    hear_groups,
    hear_refusal,
    needs_renewal,
)

from .auth_record import AuthRecord
from .iam_answers import IAMRefusedError, Tokens
from .iam_line import IAMLine
from .iam_metrics import iam_metrics
from .iam_questions import IAMQuestions, to_word_refusal
from .id_token import UnverifiedError

# shown in place of another client's refresh token
NO_TOKEN = "the-token-is-of-another-client"  # noqa: S105 - a stand-in

Save = Callable[[AuthRecord], Awaitable[object]]
Start = Callable[[Awaitable[None]], object]


class Asker:
    """Ask one IAM about people, one question each time."""

    def __init__(
        self,
        questions: IAMQuestions,
        line: IAMLine,
        *,
        facility: Callable[[], Facility],
        now: Callable[[], float],
        log: logging.Logger,
    ) -> None:
        self._questions = questions
        self._line = line
        self._facility = facility
        self._now = now
        self._log = log
        # the token to look at after a first refresh; then whether it was looked at
        self.token_to_probe: str | None = None
        self._has_probed = False

    async def ask(self, record: AuthRecord, save: Save) -> AuthRecord:
        """Return the record with a new word; ``save`` keeps new tokens before they are read.

        Raises
        ------
        HushError
            If there is no word of the IAM's at all.
        UnverifiedError
            If there is one that is not to be believed.
        """
        if record.issuer != self._questions.iam.issuer:
            # another IAM's refresh token is not shown to this one
            return self._refused(record, "login-needed")
        try:
            if self._may_introspect(record) and (
                groups := await self._introspect(record)
            ):
                return self._confirmed(record, groups[0])
            return await self._grant(record, save)
        except (IAMRefusedError, UnverifiedError) as error:
            refusal = to_word_refusal(error)
            if refusal is None:
                raise
            return self._refused(record, refusal)

    def _may_introspect(self, record: AuthRecord) -> bool:
        if record.access_token is None or record.refresh_token is None:
            # without a refresh token there is nothing else to ask with
            return record.access_token is not None
        is_wanted = self._facility().iam.recheck_by == "introspection"
        return is_wanted and not needs_renewal(
            record.token_obtained_at, record.token_expires_at, self._now()
        )

    async def _introspect(self, record: AuthRecord) -> tuple[frozenset[str]] | None:
        """Return the groups, in a tuple since they may be none; None: the token is dead."""
        token = record.access_token or ""
        groups = await self._line.ask(
            lambda: self._questions.introspect(token, record.subject),
            about=record.subject,
        )
        return None if groups is None else (groups,)

    async def _grant(self, record: AuthRecord, save: Save) -> AuthRecord:
        token = record.refresh_token
        if token is None:
            return self._refused(record, "login-needed")
        if record.client_id not in ("", self._questions.iam.client_id):
            # the IAM would end it; a made-up one tells whether this client is accepted
            token = NO_TOKEN

        async def question() -> AuthRecord:
            tokens = await self._questions.refresh(token)
            renewed = self._renewed(record, tokens)
            if renewed.refresh_token != record.refresh_token:
                # whatever the rest of the answer is worth, the old one is dead
                await save(renewed)
            groups = await self._questions.confirm(
                tokens, record.subject, record.auth_time
            )
            return self._confirmed(renewed, groups)

        confirmed = await self._line.ask(question, about=record.subject)
        self._choose_to_probe(record)
        return confirmed

    def _renewed(self, record: AuthRecord, tokens: Tokens) -> AuthRecord:
        now = self._now()
        lives = tokens.expires_in
        return replace(
            record,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token or record.refresh_token,
            token_obtained_at=now,
            token_expires_at=None if lives is None else now + lives,
        )

    def _confirmed(self, record: AuthRecord, groups: frozenset[str]) -> AuthRecord:
        return replace(record, word=hear_groups(record.word, groups, self._now()))

    def _refused(self, record: AuthRecord, refusal: WordRefusal) -> AuthRecord:
        """Return the record of somebody refused: tokens stay where asking again may help."""
        word = hear_refusal(record.word, refusal, self._now())
        if refusal == "login-needed":
            return replace(record, word=word, access_token=None, refresh_token=None)
        return replace(record, word=word)

    def _choose_to_probe(self, record: AuthRecord) -> None:
        expires = record.token_expires_at
        if not self._has_probed and expires is not None and self._now() < expires:
            self._has_probed = True
            self.token_to_probe = record.access_token

    async def probe(self) -> None:
        """Find out once whether a refresh ends the token that servers have."""
        old, self.token_to_probe = self.token_to_probe, None
        if old is None or self._facility().iam.recheck_by != "grant":
            return
        # an IAM that refuses to say is no news
        with suppress(AFError):
            is_alive = await self._questions.is_alive(old)
            iam_metrics.clears_tokens = not is_alive
            if not is_alive:
                self._log.warning(
                    "the IAM's client ends access tokens at each refresh, and with them "
                    "those in running servers: have that switched off at the IAM, or "
                    "set iam.recheck_by to introspection"
                )
