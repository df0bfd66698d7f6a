"""The IAM's public keys: which of them count, and how long they are kept.

Only RSA of 2048 bits or more and EC P-256 count, each for one algorithm. A symmetric
key, a key for encryption, or one that this code does not understand is left out, so
that the rest of the set stays usable.

Source: RFC 7517; WLCG common JWT profile 1.3 (keep at least an hour, renew in 6 hours,
forget after 1 to 4 days).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from .iam_http import IAMAwayError, ask_iam
from .strict_json import parse_object

RENEW_SECONDS = 6 * 3600.0
FORGET_SECONDS = 2 * 86400.0
UNKNOWN_KEY_SECONDS = 60.0
KEEP_ANSWER_SECONDS = 10.0
KEEP_FAILURE_SECONDS = 10.0
_SMALLEST_RSA_BITS = 2048
_LARGEST_RSA_BITS = 8192
_LONGEST_NUMBER = 1400
_MOST_KEYS = 100


@dataclass(frozen=True, slots=True)
class Key:
    """One public key, good for one algorithm."""

    kid: str | None
    algorithm: str
    public_key: RSAPublicKey | EllipticCurvePublicKey


def parse_key_set(text: bytes) -> tuple[Key, ...]:
    """Return the usable keys of a JWK set.

    Raises
    ------
    ValueError
        If the text is not a JWK set at all.
    """
    keys = parse_object(text).get("keys")
    if not isinstance(keys, list):
        msg = "not a set of keys"
        raise ValueError(msg)
    parsed = (_parse_key(key) for key in keys[:_MOST_KEYS] if isinstance(key, dict))
    return tuple(key for key in parsed if key is not None)


def _parse_key(jwk: Mapping[str, object]) -> Key | None:
    kid = jwk.get("kid")
    if not (kid is None or isinstance(kid, str)) or not _is_for_signatures(jwk):
        return None
    if jwk.get("kty") == "RSA" and jwk.get("alg", "RS256") == "RS256":
        rsa = _parse_rsa(jwk)
        return Key(kid, "RS256", rsa) if rsa else None
    if jwk.get("kty") == "EC" and jwk.get("alg", "ES256") == "ES256":
        ec = _parse_ec(jwk)
        return Key(kid, "ES256", ec) if ec else None
    return None


def _is_for_signatures(jwk: Mapping[str, object]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
    )


def _numbers(jwk: Mapping[str, object], *names: str) -> dict[str, str] | None:
    """Return the public numbers of a key, never its private ones."""
    values = {name: jwk.get(name) for name in names}
    texts = {name: text for name, text in values.items() if isinstance(text, str)}
    if len(texts) != len(names):
        return None
    return texts if all(len(t) <= _LONGEST_NUMBER for t in texts.values()) else None


def _parse_rsa(jwk: Mapping[str, object]) -> RSAPublicKey | None:
    numbers = _numbers(jwk, "n", "e")
    if numbers is None:
        return None
    try:
        key = RSAAlgorithm.from_jwk({"kty": "RSA", **numbers})
    except (jwt.PyJWTError, ValueError):
        return None
    if not isinstance(key, RSAPublicKey):
        return None
    return key if _SMALLEST_RSA_BITS <= key.key_size <= _LARGEST_RSA_BITS else None


def _parse_ec(jwk: Mapping[str, object]) -> EllipticCurvePublicKey | None:
    numbers = _numbers(jwk, "x", "y")
    if numbers is None or jwk.get("crv") != "P-256":
        return None
    try:
        key = ECAlgorithm.from_jwk({"kty": "EC", "crv": "P-256", **numbers})
    except (jwt.PyJWTError, ValueError):
        return None
    return key if isinstance(key, EllipticCurvePublicKey) else None


class KeySet:
    """The keys of one issuer, fetched when asked and kept for hours."""

    def __init__(
        self,
        *,
        timeout_seconds: float,
        log: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._log = log
        self._clock = clock
        self._lock = asyncio.Lock()
        self._keys: tuple[Key, ...] = ()
        self._fetched_at: float | None = None
        self._failure: tuple[str, float] | None = None
        self._unknown_at: float | None = None

    async def keys(self, url: str) -> tuple[Key, ...]:
        """Return the keys; those of before if the IAM is silent, but not for ever.

        Raises
        ------
        IAMAwayError
            If there are none.
        """
        async with self._lock:
            if self._is_younger(RENEW_SECONDS):
                return self._keys
            try:
                return await self._fetch(url)
            except IAMAwayError:
                if not self._is_younger(FORGET_SECONDS):
                    raise
                return self._keys

    async def fetch(self, url: str) -> tuple[Key, ...]:
        """Return the keys of now; the answer of a moment ago counts, a failure too.

        Strangers come here: so many of them are not as many requests to the IAM.
        """
        async with self._lock:
            if self._is_younger(KEEP_ANSWER_SECONDS):
                return self._keys
            return await self._fetch(url)

    async def keys_again(self, url: str) -> tuple[Key, ...]:
        """Return the keys after a token named an unknown one: at most a fetch a minute."""
        async with self._lock:
            last, now = self._unknown_at, self._clock()
            if last is not None and now - last < UNKNOWN_KEY_SECONDS:
                return self._keys
            self._unknown_at = now
            return await self._fetch(url)

    def _is_younger(self, seconds: float) -> bool:
        fetched = self._fetched_at
        return fetched is not None and self._clock() - fetched <= seconds

    async def _fetch(self, url: str) -> tuple[Key, ...]:
        if self._failure and self._clock() - self._failure[1] <= KEEP_FAILURE_SECONDS:
            raise IAMAwayError(self._failure[0])
        try:
            self._keys = await self._ask(url)
        except IAMAwayError as error:
            self._failure = (str(error), self._clock())
            raise
        self._fetched_at, self._failure = self._clock(), None
        self._log.info(
            "fetched the keys of the IAM, %d of them usable", len(self._keys)
        )
        return self._keys

    async def _ask(self, url: str) -> tuple[Key, ...]:
        answer = await ask_iam(url, timeout_seconds=self._timeout_seconds)
        if answer.status != 200:
            msg = f"the answer about its keys was {answer.status}"
            raise IAMAwayError(msg)
        try:
            return parse_key_set(answer.body)
        except ValueError as error:
            msg = f"the answer about its keys is {error}"
            raise IAMAwayError(msg) from None
