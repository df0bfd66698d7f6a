"""Whether an ID token is one that our IAM made, for us, now, for this very login.

Pure: a token, the keys, what is expected and the time go in; the claims come out, or
an ``UnverifiedError`` with the rule that was broken. The rule is for the log; neither
it nor the error ever holds a part of the token.

Signatures are PyJWT's work. What it would let pass is checked here: keys twice, times
that are not whole numbers, an audience of several, an issuer in a third spelling.

Source: OpenID Connect Core 1.0, section 3.1.3.7; RFC 8725; WLCG JWT profile 1.3.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import jwt

from jupyterhub_af.policy.errors import AFError

from .discovery import issuer_spellings
from .key_set import Key
from .strict_json import parse_object

ALGORITHMS = ("RS256", "ES256")
LEEWAY_SECONDS = 60
OLDEST_SECONDS = 86400
# 500 groups of 100 characters, as AARC writes them twice, are 150 KiB
MAX_TOKEN_BYTES = 512 * 1024
MAX_SUBJECT_LENGTH = 1024
_LAST_SECOND = 2**53
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_WLCG_VERSION = re.compile(r"1\.[0-9]+")
# headers that bring a key along, or change how the token is to be read
_REFUSED_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"})


class UnverifiedError(AFError):
    """Say which rule an answer of the IAM broke, and nothing else of it."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"The answer of the IAM broke the rule {rule}.")


class UnknownKeyError(UnverifiedError):
    """Say that no key fits: fetching the keys again may help."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token must say about itself."""

    issuer: str
    client_id: str
    # None: a refreshed token belongs to no request of a browser's
    nonce: str | None = field(repr=False)


def verify_id_token(
    token: object, keys: tuple[Key, ...], expected: Expected, *, now: float
) -> dict[str, object]:
    """Return the claims of a token that holds; ``now`` is seconds since 1970.

    Raises
    ------
    UnknownKeyError
        If it is well made, and signed by a key that is not among ``keys``.
    UnverifiedError
        If anything else is wrong with it.
    """
    header, text = _split(token)
    key = _choose_key(header, keys)
    claims = _parse(_verify_signature(text, key), "claims-malformed")
    _check_parties(claims, expected)
    _check_times(claims, now)
    _check_nonce(claims, expected.nonce)
    check_subject(claims)
    _check_version(claims)
    return claims


def _require(is_so: bool, rule: str) -> None:
    if not is_so:
        raise UnverifiedError(rule)


def _split(token: object) -> tuple[dict[str, object], str]:
    """Return the header, and the token as text."""
    if not isinstance(token, str):
        raise UnverifiedError("token-absent")
    _require(len(token) <= MAX_TOKEN_BYTES, "token-too-long")
    match = _COMPACT.fullmatch(token)
    if match is None:
        raise UnverifiedError("token-malformed")
    try:
        header = base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4))
    except ValueError:
        raise UnverifiedError("token-malformed") from None
    return _parse(header, "header-malformed"), token


def _parse(text: bytes, rule: str) -> dict[str, object]:
    try:
        return parse_object(text)
    except ValueError:
        raise UnverifiedError(rule) from None


def _choose_key(header: Mapping[str, object], keys: tuple[Key, ...]) -> Key:
    """Return the one key that the header may mean."""
    _require(header.get("alg") in ALGORITHMS, "algorithm")
    kind = header.get("typ", "JWT")
    _require(isinstance(kind, str) and kind.upper() == "JWT", "type")
    _require(not _REFUSED_HEADERS & header.keys(), "header-refused")
    # with several keys a token that names none could be meant for any of them
    is_only = len(keys) == 1 and "kid" not in header
    fitting = tuple(
        key
        for key in keys
        if (is_only or (key.kid is not None and key.kid == header.get("kid")))
        and key.algorithm == header["alg"]
    )
    if len(fitting) != 1:
        raise UnknownKeyError("key-unknown")
    return fitting[0]


def _verify_signature(text: str, key: Key) -> bytes:
    try:
        checked = jwt.PyJWS(algorithms=list(ALGORITHMS)).decode_complete(
            text, key.public_key, algorithms=[key.algorithm]
        )
    except jwt.PyJWTError:
        raise UnverifiedError("signature") from None
    return bytes(checked["payload"])


def _check_parties(claims: Mapping[str, object], expected: Expected) -> None:
    """Check who made the token, and for whom."""
    _require(claims.get("iss") in issuer_spellings(expected.issuer), "issuer")
    audience = claims.get("aud")
    if isinstance(audience, list):
        _require(all(isinstance(item, str) for item in audience), "audience")
        _require(expected.client_id in audience, "audience")
        _require(len(audience) == 1 or "azp" in claims, "authorized-party")
    else:
        _require(audience == expected.client_id, "audience")
    azp = claims.get("azp", expected.client_id)
    _require(azp == expected.client_id, "authorized-party")


def _seconds(claims: Mapping[str, object], name: str, rule: str) -> int:
    value = claims.get(name)
    # bool is an int in Python: ``type`` and not ``isinstance``
    if type(value) is not int or not 0 < value < _LAST_SECOND:
        raise UnverifiedError(rule)
    return value


def _check_times(claims: Mapping[str, object], now: float) -> None:
    issued = _seconds(claims, "iat", "issued-at")
    expires = _seconds(claims, "exp", "expired")
    _require(now < expires + LEEWAY_SECONDS, "expired")
    _require(issued <= now + LEEWAY_SECONDS, "issued-at")
    _require(now - issued <= OLDEST_SECONDS, "issued-at")
    _require(issued < expires, "expired")
    if "nbf" in claims:
        not_before = _seconds(claims, "nbf", "not-before")
        _require(not_before <= now + LEEWAY_SECONDS, "not-before")


def _check_nonce(claims: Mapping[str, object], nonce: str | None) -> None:
    if nonce is None:
        return
    found = claims.get("nonce")
    _require(bool(nonce) and isinstance(found, str), "nonce")
    same = hmac.compare_digest(
        str(found).encode("utf8", "surrogatepass"), nonce.encode("utf8")
    )
    _require(same, "nonce")


def check_subject(claims: Mapping[str, object]) -> str:
    """Return the subject, or refuse it as an identifier."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_LENGTH:
        raise UnverifiedError("subject")
    _require(subject.isprintable() and subject == subject.strip(), "subject")
    return subject


def _check_version(claims: Mapping[str, object]) -> None:
    """Refuse a WLCG token of a major version that this code does not know."""
    version = claims.get("wlcg.ver", "1.0")
    is_known = isinstance(version, str) and bool(_WLCG_VERSION.fullmatch(version))
    _require(is_known, "wlcg-version")
