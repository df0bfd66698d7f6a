"""The IAM's access token in a server: what it is to be, where it lies, what is said of it.

A *wish* is what the facility file wants of a server's token. The token lies in a folder
of the facility's own, one for each server, which server and Dask workers see read-only
at ``INSIDE``. Nothing else of the IAM's ever goes there: no refresh token, no ID token.

How long it is good is in ``token_life``.
"""

from __future__ import annotations

from dataclasses import dataclass

from .facility import Facility, Profile
from .names import make_slug
from .sentence import Sentence, say
from .storage import STRICT

INSIDE = "/run/af/token"
TOKEN = "token"  # noqa: S105 - a file's name
EXPIRES_AT = "expires_at"
LIFETIME = "lifetime"
PROBLEM = "problem"
# WLCG bearer token discovery: the variable that names the token's file
VARIABLE = "BEARER_TOKEN_FILE"
TOKEN_FILE = f"{INSIDE}/{TOKEN}"


@dataclass(frozen=True, slots=True)
class TokenWish:
    """What a server's token is to be good for; neither of them: what the IAM gives.

    A wish for less than the whole is never met with the whole.
    """

    __pydantic_config__ = STRICT

    audience: str | None = None
    scopes: tuple[str, ...] = ()

    @property
    def is_narrow(self) -> bool:
        """Return whether the token of the login itself is too much."""
        return bool(self.audience or self.scopes)


def wish_of(facility: Facility, profile: Profile) -> TokenWish | None:
    """Return what the servers of a profile get for a token; None where there is none."""
    if not facility.iam.server_tokens:
        return None
    if profile.token is None:
        return TokenWish()
    return TokenWish(profile.token.audience, tuple(profile.token.scopes))


def token_folder(user: str, server_name: str) -> str:
    """Return the name of a server's folder below the folder of all tokens.

    A slug holds no ``--`` but before its hash, so no two servers share a folder.
    """
    names = (user, server_name) if server_name else (user,)
    return "--".join(make_slug(name) for name in names)


def explain_late(facility: Facility) -> Sentence:
    """Return what a person reads of a token that was not renewed in time."""
    return say(
        "The login service has not renewed your access token. Your server goes on and "
        "asks again by itself; if it stays so, tell {contact}.",
        contact=facility.contact,
    )


def explain_missing(facility: Facility) -> Sentence:
    """Return what a person reads of a server that has no token yet."""
    return say(
        "There is no access token for your server yet: log out of {facility} and in "
        "again to get one. If it stays so, tell {contact}.",
        facility=facility.name,
        contact=facility.contact,
    )


def explain_refused(facility: Facility, profile_title: str) -> Sentence:
    """Return what a person reads where the IAM gives no token as narrow as is wanted."""
    return say(
        "The login service gives no access token of the kind that {profile} is set up "
        "for. Tell {contact}.",
        profile=profile_title,
        contact=facility.contact,
    )


def explain_broken(facility: Facility) -> Sentence:
    """Return what a person reads where the facility could not write the token down."""
    return say(
        "Your access token was renewed but could not be put into your server. Tell "
        "{contact}.",
        contact=facility.contact,
    )


def explain_ended(facility: Facility) -> Sentence:
    """Return what a person reads of the token once they have lost access."""
    return say(
        "Your access to {facility} has ended, and your access token is not renewed any "
        "more. Ask {contact}.",
        facility=facility.name,
        contact=facility.contact,
    )
