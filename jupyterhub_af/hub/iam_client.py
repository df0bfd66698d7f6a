"""The hub as a client of the IAM: from an authorization code to a person, and again.

Everything that reaches the rest of the hub went through here: tokens are wrapped so
that no log shows them, and claims are verified ones.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from jupyterhub_af.policy.groups import GroupsRead, read_groups

from .discovery import KEEP_FAILURE_SECONDS, Discovery, Endpoints
from .iam_answers import (
    IAMRefusedError,
    Introspected,
    Person,
    Tokens,
    auth_time_of,
    check_username,
    parse_answer,
    to_refusal,
    to_tokens,
)
from .iam_http import IAMAwayError, ask_iam
from .id_token import (
    Expected,
    UnknownKeyError,
    UnverifiedError,
    check_subject,
    verify_id_token,
)
from .key_set import KeySet


class OtherSubjectError(UnverifiedError):
    """Say that the IAM's answer is about somebody else."""

    def __init__(self) -> None:
        super().__init__("subject-changed")


class IAMClient:
    """One IAM, and one client of it."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        *,
        timeout_seconds: float,
        log: logging.Logger,
        now: Callable[[], float] = time.time,
    ) -> None:
        # one spelling for ever: the register knows people by (issuer, subject)
        self.issuer = f"{issuer.removesuffix('/')}/"
        self.client_id = client_id
        self.timeout_seconds = timeout_seconds
        self._now = now
        self._discovery = Discovery(issuer, timeout_seconds=timeout_seconds, log=log)
        self._keys = KeySet(timeout_seconds=timeout_seconds, log=log)

    async def ready(self) -> Endpoints:
        """Return the endpoints of an IAM that has answered just now.

        Raises
        ------
        IAMAwayError
            If it answers neither for discovery nor for its keys.
        """
        found = await self._discovery.find(max_age_seconds=KEEP_FAILURE_SECONDS)
        if not found.has_answered:
            await self._keys.fetch(found.endpoints.key_set)
        return found.endpoints

    async def find_addresses(self) -> None:
        """Find where to ask, before anything is shown: nobody waits twice for silence.

        Raises
        ------
        IAMAwayError
            If the IAM was to say where its endpoints are, and said nothing.
        """
        if (await self._discovery.find()).is_silent:
            msg = "no answer about where its endpoints are"
            raise IAMAwayError(msg)

    async def exchange(self, form: Mapping[str, str]) -> Tokens:
        """Return the tokens for a grant: a code's, a refresh token's, an exchange's.

        Raises
        ------
        IAMAwayError, IAMRefusedError, UnverifiedError
            If there is no answer, a refusal, or an answer that makes no sense.
        """
        endpoints = (await self._discovery.find()).endpoints
        answer = await ask_iam(
            endpoints.token, timeout_seconds=self.timeout_seconds, form=form
        )
        body = parse_answer(answer.body, "token-answer")
        if answer.status != 200 or "error" in body:
            raise to_refusal(body, answer.status)
        return to_tokens(body)

    async def introspect(self, form: Mapping[str, str]) -> Introspected:
        """Return what the IAM says of a token; raises as ``exchange`` does."""
        endpoints = (await self._discovery.find()).endpoints
        answer = await ask_iam(
            endpoints.introspection, timeout_seconds=self.timeout_seconds, form=form
        )
        body = parse_answer(answer.body, "introspection")
        if answer.status != 200 or not isinstance(body.get("active"), bool):
            raise to_refusal(body, answer.status)
        return Introspected(body["active"] is True, body)

    async def offers(self, grant: str) -> bool:
        """Tell whether the IAM's own word names a grant."""
        return grant in (await self._discovery.find()).endpoints.grants

    async def answers(self) -> bool:
        """Tell whether the IAM answers at all: one small question, nothing shown to it."""
        try:
            await ask_iam(self._discovery.url, timeout_seconds=self.timeout_seconds)
        except IAMAwayError:
            return False
        self._discovery.note_answer()
        return True

    async def confirm(
        self, tokens: Tokens, subject: str, auth_time: int | None, groups_claim: str
    ) -> GroupsRead:
        """Return the groups that refreshed tokens name, of the same person and login.

        A refresh may bring no new ID token: then userinfo says it.
        """
        claims: Mapping[str, object] = {"sub": subject}
        if tokens.id_token is not None:
            claims = await self._verify(tokens.id_token, None)
            _require_same(claims, subject, auth_time)
        return await self.find_groups(claims, tokens.access_token, groups_claim)

    async def find_groups(
        self, claims: Mapping[str, object], access_token: str, groups_claim: str
    ) -> GroupsRead:
        """Return the groups of verified claims, or where they say none, of userinfo."""
        groups = read_groups(claims, claim=groups_claim)
        if groups.is_present:
            return groups
        more = await self._userinfo(access_token, check_subject(claims))
        return read_groups(more, claim=groups_claim)

    async def identify(self, tokens: Tokens, nonce: str, groups_claim: str) -> Person:
        """Return whom the tokens are about.

        Groups and name come from the ID token; where they are absent there, from
        userinfo about the same subject.
        """
        claims = await self._verify(tokens.id_token, nonce)
        groups = read_groups(claims, claim=groups_claim)
        username = claims.get("preferred_username")
        if username is None or not groups.is_present:
            more = await self._userinfo(tokens.access_token, check_subject(claims))
            username = more.get("preferred_username") if username is None else username
            if not groups.is_present:
                groups = read_groups(more, claim=groups_claim)
        return Person(
            self.issuer,
            check_subject(claims),
            check_username(username),
            groups,
            auth_time_of(claims),
        )

    async def _verify(self, id_token: object, nonce: str | None) -> dict[str, object]:
        url = (await self._discovery.find()).endpoints.key_set
        expected = Expected(self.issuer, self.client_id, nonce)
        keys = await self._keys.keys(url)
        try:
            return verify_id_token(id_token, keys, expected, now=self._now())
        except UnknownKeyError:
            keys = await self._keys.keys_again(url)
        return verify_id_token(id_token, keys, expected, now=self._now())

    async def _userinfo(self, access_token: str, subject: str) -> dict[str, object]:
        endpoints = (await self._discovery.find()).endpoints
        answer = await ask_iam(
            endpoints.userinfo,
            timeout_seconds=self.timeout_seconds,
            bearer=access_token,
        )
        if answer.status != 200:
            raise UnverifiedError("userinfo")
        claims = parse_answer(answer.body, "userinfo")
        if claims.get("sub") != subject:
            raise UnverifiedError("userinfo-subject")
        return claims


def _require_same(
    claims: Mapping[str, object], subject: str, auth_time: int | None
) -> None:
    """Refuse a new ID token that is of another person, or of another login."""
    if claims.get("sub") != subject:
        raise OtherSubjectError
    now = auth_time_of(claims)
    if None not in (auth_time, now) and auth_time != now:
        raise UnverifiedError("auth-time")


__all__ = ["IAMClient", "IAMRefusedError", "OtherSubjectError", "Person", "Tokens"]
