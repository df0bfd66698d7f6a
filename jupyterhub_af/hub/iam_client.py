"""The hub as a client of the IAM: from an authorization code to a person.

Everything that reaches the rest of the hub went through here: tokens are wrapped so
that no log shows them, and claims are verified ones.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.groups import GroupsRead, read_groups

from .discovery import KEEP_FAILURE_SECONDS, Discovery, Endpoints
from .iam_http import ask_iam
from .id_token import (
    MAX_TOKEN_BYTES,
    Expected,
    UnknownKeyError,
    UnverifiedError,
    check_subject,
    verify_id_token,
)
from .key_set import KeySet
from .strict_json import parse_object

KNOWN_ERRORS = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_grant", "unauthorized"}
)


class IAMRefusedError(AFError):
    """Carry the IAM's refusal: ``code`` is one of ``KNOWN_ERRORS``, or ``other``."""

    def __init__(self, code: str, status: int) -> None:
        self.code = code
        self.status = status
        super().__init__(f"The IAM refused with {status} {code}.")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a code was exchanged for; ``repr`` shows none of it."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    id_token: object = field(repr=False)
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """Who has logged in, by verified claims."""

    issuer: str
    subject: str
    preferred_username: str
    groups: GroupsRead


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
        self._client_id = client_id
        self._timeout_seconds = timeout_seconds
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

    async def exchange(self, form: Mapping[str, str]) -> Tokens:
        """Return the tokens for a code.

        Raises
        ------
        IAMAwayError, IAMRefusedError, UnverifiedError
            If there is no answer, a refusal, or an answer that makes no sense.
        """
        endpoints = (await self._discovery.find()).endpoints
        answer = await ask_iam(
            endpoints.token, timeout_seconds=self._timeout_seconds, form=form
        )
        body = _parse(answer.body, "token-answer")
        if answer.status != 200 or "error" in body:
            code = body.get("error")
            known = isinstance(code, str) and code in KNOWN_ERRORS
            raise IAMRefusedError(str(code) if known else "other", answer.status)
        return _to_tokens(body)

    async def identify(self, tokens: Tokens, nonce: str, groups_claim: str) -> Person:
        """Return whom the tokens are about.

        Groups and name come from the ID token; where they are absent there, from
        userinfo about the same subject.
        """
        claims = await self._verify(tokens.id_token, nonce)
        groups = read_groups(claims, claim=groups_claim)
        username = claims.get("preferred_username")
        if username is None or not groups.is_present:
            more = await self._userinfo(tokens, check_subject(claims))
            username = more.get("preferred_username") if username is None else username
            if not groups.is_present:
                groups = read_groups(more, claim=groups_claim)
        return Person(
            self.issuer, check_subject(claims), _check_username(username), groups
        )

    async def _verify(self, id_token: object, nonce: str) -> dict[str, object]:
        url = (await self._discovery.find()).endpoints.key_set
        expected = Expected(self.issuer, self._client_id, nonce)
        keys = await self._keys.keys(url)
        try:
            return verify_id_token(id_token, keys, expected, now=self._now())
        except UnknownKeyError:
            keys = await self._keys.keys_again(url)
        return verify_id_token(id_token, keys, expected, now=self._now())

    async def _userinfo(self, tokens: Tokens, subject: str) -> dict[str, object]:
        endpoints = (await self._discovery.find()).endpoints
        answer = await ask_iam(
            endpoints.userinfo,
            timeout_seconds=self._timeout_seconds,
            bearer=tokens.access_token,
        )
        if answer.status != 200:
            raise UnverifiedError("userinfo")
        claims = _parse(answer.body, "userinfo")
        if claims.get("sub") != subject:
            raise UnverifiedError("userinfo-subject")
        return claims


def _parse(text: bytes, rule: str) -> dict[str, object]:
    try:
        return parse_object(text)
    except ValueError:
        raise UnverifiedError(rule) from None


def _to_tokens(body: Mapping[str, object]) -> Tokens:
    access, refresh = body.get("access_token"), body.get("refresh_token")
    scope = body.get("scope", "")
    kind = body.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise UnverifiedError("token-answer")
    if not isinstance(access, str) or not _is_token(access):
        raise UnverifiedError("token-answer")
    if refresh is not None and not (isinstance(refresh, str) and _is_token(refresh)):
        raise UnverifiedError("token-answer")
    scopes = tuple(scope.split()) if isinstance(scope, str) else ()
    return Tokens(access, refresh, body.get("id_token"), scopes)


def _is_token(text: str) -> bool:
    """Tell whether a text can stand in a header."""
    return (
        0 < len(text) <= MAX_TOKEN_BYTES
        and text.isascii()
        and text.isprintable()
        and " " not in text
    )


def _check_username(username: object) -> str:
    if not isinstance(username, str) or not 0 < len(username) <= 255:
        raise UnverifiedError("username")
    if not username.isprintable() or username != username.strip():
        raise UnverifiedError("username")
    return username
