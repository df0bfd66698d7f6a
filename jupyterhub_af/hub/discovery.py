"""Where the IAM's endpoints are: its own word for it, else INDIGO IAM's convention.

The hub starts while the IAM is down: nothing is fetched before a login. What counts
of the discovery document is its addresses, and those only if it names our issuer;
its list of algorithms is never read, since it offers ``none``.

Source: OpenID Connect Discovery 1.0, sections 3 and 4.3.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from .iam_http import IAMAwayError, IAMSilentError, ask_iam
from .strict_json import parse_object

KEEP_SECONDS = 6 * 3600.0
KEEP_FAILURE_SECONDS = 10.0
_LONGEST_URL = 2048
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class DiscoveryError(ValueError):
    """Say why a discovery document is not used."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses that a client of the IAM needs, and the grants it says it knows."""

    authorization: str
    token: str
    userinfo: str
    key_set: str
    introspection: str
    grants: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Found:
    """The endpoints to use, and whether the IAM itself has just said so.

    ``is_silent``: it was asked lately and gave no answer at all.
    """

    endpoints: Endpoints
    has_answered: bool
    is_silent: bool = False


def issuer_spellings(issuer: str) -> tuple[str, str]:
    """Return the two spellings of an issuer: without and with the final slash."""
    bare = issuer.removesuffix("/")
    return bare, f"{bare}/"


def conventional_endpoints(issuer: str) -> Endpoints:
    """Return where INDIGO IAM has its endpoints, whoever answers for discovery."""
    base = issuer.removesuffix("/")
    return Endpoints(
        authorization=f"{base}/authorize",
        token=f"{base}/token",
        userinfo=f"{base}/userinfo",
        key_set=f"{base}/jwk",
        introspection=f"{base}/introspect",
    )


def parse_discovery(text: bytes, issuer: str) -> Endpoints:
    """Return the endpoints that a discovery document of this issuer names.

    Raises
    ------
    DiscoveryError
        If it is of another issuer, an address is missing that a login needs, or one
        is not https (http only where the issuer itself is a loopback's).
    """
    try:
        document = parse_object(text)
    except ValueError as error:
        raise DiscoveryError(str(error)) from None
    if document.get("issuer") not in issuer_spellings(issuer):
        msg = "it is of another issuer"
        raise DiscoveryError(msg)
    convention = conventional_endpoints(issuer)
    plain = urlsplit(issuer).scheme == "http"

    def address(key: str, otherwise: str = "") -> str:
        return _address(document, key, otherwise, is_http_allowed=plain)

    return Endpoints(
        authorization=address("authorization_endpoint"),
        token=address("token_endpoint"),
        userinfo=address("userinfo_endpoint", convention.userinfo),
        key_set=address("jwks_uri"),
        introspection=address("introspection_endpoint", convention.introspection),
        grants=_grants(document.get("grant_types_supported")),
    )


def _grants(value: object) -> frozenset[str]:
    """Return the grants that a document names; what is no list of texts names none."""
    if not isinstance(value, list):
        return frozenset()
    return frozenset(item for item in value if isinstance(item, str))


def _address(
    document: Mapping[str, object], key: str, otherwise: str, *, is_http_allowed: bool
) -> str:
    value = document.get(key, otherwise)
    if not isinstance(value, str) or not _is_address(value, is_http_allowed):
        msg = f"its {key} is not an address that this facility may use"
        raise DiscoveryError(msg)
    return value


def _is_address(value: str, is_http_allowed: bool) -> bool:
    if len(value) > _LONGEST_URL or not value.isascii() or not value.isprintable():
        return False
    try:
        url = urlsplit(value)
        has_host = bool(url.hostname) and url.port != 0
    except ValueError:
        return False
    return (
        has_host and not _is_dressed_up(value, url) and _is_safe(url, is_http_allowed)
    )


def _is_dressed_up(value: str, url: SplitResult) -> bool:
    """Tell whether an address holds a password, a fragment or a blank."""
    return bool(url.username or url.password or url.fragment) or any(
        sign in value for sign in ' "<>\\'
    )


def _is_safe(url: SplitResult, is_http_allowed: bool) -> bool:
    if url.scheme == "https":
        return True
    return is_http_allowed and url.scheme == "http" and url.hostname in _LOOPBACK


class Discovery:
    """The endpoints of one issuer, fetched when asked and kept for a while.

    A failure is kept too, for a short while, so that many logins in an outage are not
    as many waits.
    """

    def __init__(
        self,
        issuer: str,
        *,
        timeout_seconds: float,
        log: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self.url = f"{issuer.removesuffix('/')}/.well-known/openid-configuration"
        self._timeout_seconds = timeout_seconds
        self._log = log
        self._clock = clock
        self._lock = asyncio.Lock()
        self._found: tuple[Endpoints, float] | None = None
        self._failed_at: float | None = None
        self._is_silent = False

    async def find(self, *, max_age_seconds: float = KEEP_SECONDS) -> Found:
        """Return the endpoints; an answer of the IAM's not older than asked counts."""
        async with self._lock:
            if self._is_younger(max_age_seconds) or not self._may_fetch():
                return self._answer(self._is_younger(max_age_seconds))
            return self._answer(await self._fetch())

    def _is_younger(self, seconds: float) -> bool:
        return self._found is not None and self._clock() - self._found[1] <= seconds

    def _may_fetch(self) -> bool:
        failed = self._failed_at
        return failed is None or self._clock() - failed > KEEP_FAILURE_SECONDS

    def _answer(self, has_answered: bool) -> Found:
        if self._found is not None and self._is_younger(KEEP_SECONDS):
            return Found(self._found[0], has_answered)
        convention = conventional_endpoints(self._issuer)
        return Found(convention, has_answered, is_silent=self._is_silent)

    def note_answer(self) -> None:
        """Forget a failure: the IAM answers again."""
        self._failed_at, self._is_silent = None, False

    async def _fetch(self) -> bool:
        """Fetch the document; tell whether it is one to use."""
        try:
            answer = await ask_iam(self.url, timeout_seconds=self._timeout_seconds)
            if answer.status != 200:
                msg = f"the answer was {answer.status}"
                raise DiscoveryError(msg)
            endpoints = parse_discovery(answer.body, self._issuer)
        except (IAMAwayError, DiscoveryError) as error:
            self._failed_at = self._clock()
            self._is_silent = isinstance(error, IAMSilentError)
            self._log.warning(
                "did not use the discovery of %s: %s", self._issuer, error
            )
            return False
        self._found = (endpoints, self._clock())
        self.note_answer()
        return True
