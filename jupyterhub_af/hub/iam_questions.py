"""What the hub asks the IAM about a person who has logged in, by grant or introspection.

Forms and their answers, with the client's own name and secret; nothing is kept here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jupyterhub_af.policy.freshness import WordRefusal

from .hand_outs import NarrowRefusedError
from .iam_answers import IAMRefusedError, Tokens
from .iam_client import IAMClient, OtherSubjectError
from .id_token import UnverifiedError, check_subject
from .strict_json import parse_object

_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name


@dataclass(frozen=True, slots=True)
class IAMQuestions:
    """Questions to one IAM as one client of it."""

    iam: IAMClient
    credentials: Callable[[], Mapping[str, str]] = field(repr=False)
    groups_claim: Callable[[], str]

    async def refresh(self, refresh_token: str) -> Tokens:
        """Return new tokens for a refresh token."""
        return await self._grant(
            {"grant_type": "refresh_token", "refresh_token": refresh_token}
        )

    async def confirm(
        self, tokens: Tokens, subject: str, auth_time: int | None
    ) -> frozenset[str]:
        """Return the groups that refreshed tokens name."""
        claim = self.groups_claim()
        return (await self.iam.confirm(tokens, subject, auth_time, claim)).groups

    async def introspect(
        self, access_token: str, subject: str
    ) -> frozenset[str] | None:
        """Return the groups of an access token's person; None: it is no longer active."""
        form = {"token": access_token, **self.credentials()}
        answer = await self.iam.introspect(form)
        if not answer.is_active:
            return None
        if check_subject(answer.claims) != subject:
            raise OtherSubjectError
        claim = self.groups_claim()
        return (await self.iam.find_groups(answer.claims, access_token, claim)).groups

    async def is_alive(self, access_token: str) -> bool:
        """Tell whether an access token is active still."""
        form = {"token": access_token, **self.credentials()}
        return (await self.iam.introspect(form)).is_active

    async def exchange(
        self, access_token: str, audience: str, scopes: tuple[str, ...]
    ) -> Tokens:
        """Return a token made of another, of one audience and of scopes."""
        form = {
            "grant_type": _EXCHANGE,
            "subject_token": access_token,
            "subject_token_type": _ACCESS_TOKEN,
            "requested_token_type": _ACCESS_TOKEN,
        }
        return await self._grant({**form, **_narrow(audience, scopes)})

    async def refresh_narrow(
        self, refresh_token: str, audience: str, scopes: tuple[str, ...]
    ) -> Tokens:
        """Return what a narrower refresh gives; the refresh token may be a new one."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return await self._grant({**form, **_narrow(audience, scopes)})

    async def _grant(self, form: Mapping[str, str]) -> Tokens:
        return await self.iam.exchange({**form, **self.credentials()})


def _narrow(audience: str, scopes: tuple[str, ...]) -> dict[str, str]:
    wanted = {"audience": audience, "scope": " ".join(scopes)}
    return {key: value for key, value in wanted.items() if value}


def require_narrow(tokens: Tokens, audience: str, scopes: tuple[str, ...]) -> None:
    """Refuse a token that opens more than was asked for.

    An answer that names no scopes gave those asked for (RFC 6749, section 5.1). The
    audience is read where the token is a JWT: it came from the IAM itself.
    """
    claims = _claims_of(tokens.access_token)
    said = claims.get("scope")
    given = said.split() if isinstance(said, str) else tokens.scopes
    if scopes and not set(given) <= set(scopes):
        msg = "The login service gave a token of more scopes than were asked for."
        raise NarrowRefusedError(msg)
    if audience and "aud" in claims:
        found = claims["aud"]
        if found not in (audience, [audience]):
            msg = "The login service gave a token of another audience."
            raise NarrowRefusedError(msg)


def _claims_of(token: str) -> dict[str, object]:
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        return parse_object(
            base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        )
    except ValueError:
        return {}


def to_word_refusal(error: IAMRefusedError | UnverifiedError) -> WordRefusal | None:
    """Return what an error says of the person; None: nothing definite."""
    if isinstance(error, OtherSubjectError):
        return "login-needed"
    if isinstance(error, UnverifiedError):
        return None
    if error.is_inactive:
        return "suspended"
    return "aup-unsigned" if error.wants_aup else "login-needed"
