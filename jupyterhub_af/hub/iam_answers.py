"""What the IAM answers a client, taken apart: tokens, refusals, names.

Pure. Tokens are wrapped so that no log shows them; of a refusal only its code is kept,
and the two things that its words alone say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.groups import GroupsRead

from .id_token import MAX_TOKEN_BYTES, UnverifiedError
from .strict_json import parse_object

KNOWN_ERRORS = frozenset(
    {
        "invalid_client",
        "unauthorized_client",
        "invalid_grant",
        "invalid_token",
        "unauthorized",
    }
)
# a refresh token that is dead: by the standard, and by INDIGO IAM (401, as of a bearer)
_TOKEN_ERRORS = frozenset({"invalid_grant", "invalid_token"})
# INDIGO IAM's words: "User NAME needs to sign AUP …", "User NAME is not active."
_AUP = re.compile(r"\bAUP\b")
_NOT_ACTIVE = re.compile(r"\bis not active\b")
_LONGEST_LIFE_SECONDS = 366 * 86400.0


class IAMRefusedError(AFError):
    """Carry the IAM's refusal: ``code`` is one of ``KNOWN_ERRORS``, or ``other``.

    ``wants_aup`` and ``is_inactive`` are what it says in words only: that the person has
    rules to sign, or is suspended.
    """

    def __init__(self, code: str, status: int, words: object = "") -> None:
        self.code = code
        self.status = status
        text = words[:500] if isinstance(words, str) else ""
        self.wants_aup = code == "invalid_grant" and _AUP.search(text) is not None
        self.is_inactive = code == "unauthorized" and bool(_NOT_ACTIVE.search(text))
        super().__init__(f"The IAM refused with {status} {code}.")

    @property
    def is_of_person(self) -> bool:
        """Tell whether it is about a person or their token, and not about this facility."""
        return self.code in _TOKEN_ERRORS or self.is_inactive


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a grant gave; ``repr`` shows none of it. ``expires_in`` is in seconds."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    id_token: object = field(repr=False)
    scopes: tuple[str, ...]
    expires_in: float | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Who has logged in, by verified claims."""

    issuer: str
    subject: str
    preferred_username: str
    groups: GroupsRead
    auth_time: int | None = None


@dataclass(frozen=True, slots=True)
class Introspected:
    """What the IAM says of an access token; of an inactive one nothing more."""

    is_active: bool
    claims: Mapping[str, object] = field(repr=False)


def parse_answer(text: bytes, rule: str) -> dict[str, object]:
    """Return the object in an answer, or say which rule it broke."""
    try:
        return parse_object(text)
    except ValueError:
        raise UnverifiedError(rule) from None


def to_tokens(body: Mapping[str, object]) -> Tokens:
    """Return the tokens of an answer of the token endpoint, checked for their shape."""
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
    lives = _read_life(body.get("expires_in"))
    return Tokens(access, refresh, body.get("id_token"), scopes, lives)


def to_refusal(body: Mapping[str, object], status: int) -> IAMRefusedError:
    """Return the error for a refusal of the token endpoint."""
    code = body.get("error")
    known = isinstance(code, str) and code in KNOWN_ERRORS
    words = body.get("error_description")
    return IAMRefusedError(str(code) if known else "other", status, words)


def auth_time_of(claims: Mapping[str, object]) -> int | None:
    """Return when the person proved who they are, where the token says so."""
    value = claims.get("auth_time")
    return value if type(value) is int else None


def _read_life(value: object) -> float | None:
    # bool is an int in Python
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= _LONGEST_LIFE_SECONDS else None


def _is_token(text: str) -> bool:
    """Tell whether a text can stand in a header."""
    return (
        0 < len(text) <= MAX_TOKEN_BYTES
        and text.isascii()
        and text.isprintable()
        and " " not in text
    )


def check_username(username: object) -> str:
    """Return the name, or refuse one that no page could show."""
    if not isinstance(username, str) or not 0 < len(username) <= 255:
        raise UnverifiedError("username")
    if not username.isprintable() or username != username.strip():
        raise UnverifiedError("username")
    return username
