"""What the hub asks the IAM about a person who has logged in, by grant or introspection.

Forms and their answers, with the client's own name and secret; nothing is kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jupyterhub_af.policy.freshness import WordRefusal

from .iam_answers import IAMRefusedError, Introspected, Tokens
from .iam_client import IAMClient, OtherSubjectError
from .id_token import UnverifiedError, check_subject


@dataclass(frozen=True, slots=True)
class IAMQuestions:
    """Questions to one IAM as one client of it."""

    iam: IAMClient
    credentials: Callable[[], Mapping[str, str]] = field(repr=False)
    groups_claim: Callable[[], str]

    async def refresh(self, refresh_token: str) -> Tokens:
        """Return new tokens for a refresh token."""
        return await self.grant(
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
        answer = await self._introspect(access_token)
        if not answer.is_active:
            return None
        if check_subject(answer.claims) != subject:
            raise OtherSubjectError
        claim = self.groups_claim()
        return (await self.iam.find_groups(answer.claims, access_token, claim)).groups

    async def is_alive(self, access_token: str) -> bool:
        """Tell whether an access token is active still."""
        return (await self._introspect(access_token)).is_active

    async def _introspect(self, access_token: str) -> Introspected:
        await self.iam.find_addresses()
        form = {"token": access_token, **self.credentials()}
        return await self.iam.introspect(form)

    async def grant(self, form: Mapping[str, str]) -> Tokens:
        """Return the tokens for a grant of this client's."""
        await self.iam.find_addresses()
        return await self.iam.exchange({**form, **self.credentials()})


def to_word_refusal(error: IAMRefusedError | UnverifiedError) -> WordRefusal | None:
    """Return what an error says of the person; None: nothing definite."""
    if isinstance(error, OtherSubjectError):
        return "login-needed"
    if isinstance(error, UnverifiedError):
        return None
    if error.is_inactive:
        return "suspended"
    return "aup-unsigned" if error.wants_aup else "login-needed"
