"""ID tokens that hold, and what checks them: made by hand, so that each may be wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_iam import ec_key, pack, rsa_key, sign, to_jwk

from jupyterhub_af.hub.id_token import Expected, verify_id_token
from jupyterhub_af.hub.key_set import parse_key_set

NOW = 1_748_528_995.5
ISSUER = "https://iam.example.org/"
EXPECTED = Expected(ISSUER, "the-hub", "a-nonce")
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "80e5fb8d",
    "aud": "the-hub",
    "iat": 1_748_528_990,
    "exp": 1_748_529_590,
    "nonce": "a-nonce",
    "preferred_username": "test",
    "groups": ["Production", "Analysis"],
}
KINDS = {"RS256": ("rsa1", rsa_key("rsa1")), "ES256": ("ec1", ec_key("ec1"))}
ABSENT = object()


OCT = {"kty": "oct", "kid": "oct1", "alg": "HS256", "k": pack(b"x" * 32)}


def key_set(*keys: dict[str, Any]) -> Any:
    known = [*(to_jwk(key, kid) for kid, key in KINDS.values()), OCT]
    return parse_key_set(json.dumps({"keys": [*known, *keys]}).encode())


def make(algorithm: str, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return a good token, but for what is given; ``ABSENT`` takes a thing away."""
    kid, key = KINDS[algorithm]
    said = {"alg": algorithm, "kid": kid, **(header or {})}
    return sign(
        {k: v for k, v in {**CLAIMS, **claims}.items() if v is not ABSENT},
        key,
        {k: v for k, v in said.items() if v is not ABSENT},
    )


def check(token: Any, keys: Any = None) -> dict[str, Any]:
    keys = key_set() if keys is None else keys
    return verify_id_token(token, keys, EXPECTED, now=NOW)


GOOD = [
    pytest.param({}, id="as INDIGO IAM makes it"),
    pytest.param({"iss": ISSUER.rstrip("/")}, id="issuer without the slash"),
    pytest.param({"aud": ["the-hub"]}, id="audience as a list of one"),
    pytest.param({"aud": ["x", "the-hub"], "azp": "the-hub"}, id="two, we authorized"),
    pytest.param({"azp": "the-hub"}, id="authorized party without need"),
    pytest.param(
        {"exp": 1_748_528_990 + 1, "iat": 1_748_528_980}, id="expired 4 s ago"
    ),
    pytest.param({"iat": 1_748_528_995 + 59}, id="issued 59 s ahead by its clock"),
    pytest.param({"nbf": 1_748_528_995 + 59}, id="valid from 59 s ahead"),
    pytest.param({"nbf": 1_748_528_990}, id="valid from its issue"),
    pytest.param({"header": {"typ": "JWT"}}, id="type said"),
    pytest.param({"header": {"typ": "jwt"}}, id="type said in small letters"),
    pytest.param({"groups": ABSENT, "wlcg.ver": "1.7"}, id="newer minor WLCG version"),
    pytest.param({"kid": "rsa1", "unknown": {"a": [1]}}, id="claims nobody knows"),
    pytest.param({"sub": "s" * 1024}, id="longest subject"),
    pytest.param({"name": "Zoë Ñandú 李"}, id="name in many letters"),
]
