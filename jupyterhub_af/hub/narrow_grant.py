"""A token for one service and for few things, out of a person's own: never a wider one.

Two ways, in this order: token exchange, where the IAM's discovery offers it; a refresh
that asks for less. What comes is looked at as far as it can be seen, and what is wider
than asked for is thrown away.

Source: RFC 8693, section 2; RFC 6749, section 6; INDIGO IAM's ``audience``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from .hand_outs import NarrowRefusedError
from .iam_answers import IAMRefusedError, Tokens
from .strict_json import parse_object

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_TYPES = "urn:ietf:params:oauth:token-type"
Form = dict[str, str]
Ask = Callable[[Mapping[str, str]], Awaitable[Tokens]]


@dataclass(frozen=True, slots=True)
class NarrowRequest:
    """What to make less of, and what it is to be: an audience, scopes, or both."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    audience: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A narrow token, and the refresh token to keep from now on."""

    tokens: Tokens
    refresh_token: str | None = field(repr=False)


async def narrow(ask: Ask, request: NarrowRequest, *, can_exchange: bool) -> Narrowed:
    """Return a narrow token, asked for in the ways that there are.

    A rotated refresh token must be kept also where the token that came with it is not
    narrow: ``TooWideError`` carries it.

    Raises
    ------
    NarrowRefusedError
        If the IAM gives none, or only wider ones.
    IAMAwayError, UnverifiedError
        If there is no answer, or one that makes no sense.
    """
    refresh_token, is_too_wide = request.refresh_token, False
    for form in _forms(request, can_exchange=can_exchange):
        try:
            tokens = await ask(form)
        except IAMRefusedError as error:
            if error.code == "invalid_client":
                raise
            continue
        # an exchange's refresh token is another line of tokens, and is not kept
        if form["grant_type"] == "refresh_token" and tokens.refresh_token:
            refresh_token = tokens.refresh_token
        if is_narrow(tokens, request):
            return Narrowed(tokens, refresh_token)
        is_too_wide = True
    raise TooWideError(refresh_token, is_too_wide=is_too_wide)


class TooWideError(NarrowRefusedError):
    """Say that no way gave a narrow token; ``refresh_token`` is the one to keep."""

    def __init__(self, refresh_token: str | None, *, is_too_wide: bool) -> None:
        self.refresh_token = refresh_token
        super().__init__(
            "The login service gave a wider token: more scopes, or another audience."
            if is_too_wide
            else "The login service gives no token of this audience and these scopes."
        )


def _forms(request: NarrowRequest, *, can_exchange: bool) -> Iterator[Form]:
    """Return the forms for the token endpoint, the better way first."""
    wanted = {"scope": " ".join(request.scopes), "audience": request.audience}
    wanted = {key: value for key, value in wanted.items() if value}
    if can_exchange:
        yield {
            "grant_type": EXCHANGE,
            "subject_token": request.access_token,
            "subject_token_type": f"{_TYPES}:access_token",
            "requested_token_type": f"{_TYPES}:access_token",
            **wanted,
        }
    if request.refresh_token is not None:
        yield {
            "grant_type": "refresh_token",
            "refresh_token": request.refresh_token,
            **wanted,
        }


def is_narrow(tokens: Tokens, request: NarrowRequest) -> bool:
    """Tell whether a token is no wider than asked for.

    Without a word about scopes the answer means those that were asked for (RFC 6749,
    section 5.1). The audience must show in the token itself: one without it is good
    everywhere, and one that cannot be read may be.
    """
    if tokens.access_token == request.access_token:
        return False
    claims = _read_claims(tokens.access_token)
    if request.scopes:
        said = (tokens.scopes, _words(claims.get("scope")))
        if any(not set(scopes) <= set(request.scopes) for scopes in said):
            return False
    audience = _words(claims.get("aud"))
    return not request.audience or audience == (request.audience,)


def _words(value: object) -> tuple[str, ...]:
    """Return what a claim lists, as a text or as a list."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _read_claims(token: str) -> Mapping[str, object]:
    """Return what a token says of itself; it is the IAM's own answer, over TLS."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        return parse_object(base64.urlsafe_b64decode(padded))
    except (ValueError, binascii.Error):
        return {}
