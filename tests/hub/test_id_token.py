"""ID tokens: those that hold, and forgeries that each break one rule."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fake_iam import ec_key, pack, rsa_key, sign, to_jwk

from jupyterhub_af.hub.id_token import (
    Expected,
    UnknownKeyError,
    UnverifiedError,
    verify_id_token,
)
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
Forgery = Callable[[str], str]


def key_set(*keys: dict[str, Any]) -> Any:
    known = [to_jwk(key, kid) for kid, key in KINDS.values()]
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


@pytest.mark.parametrize("algorithm", KINDS)
@pytest.mark.parametrize("changes", GOOD)
def test_good_token_gives_its_claims(algorithm, changes):
    changes = dict(changes)
    token = make(algorithm, changes.pop("header", None), **changes)
    wanted = {**CLAIMS, **changes}
    assert check(token) == {k: v for k, v in wanted.items() if v is not ABSENT}


@pytest.mark.parametrize("algorithm", KINDS)
def test_token_without_kid_holds_where_there_is_one_key(algorithm):
    _, key = KINDS[algorithm]
    for kid in ("any", None):
        keys = parse_key_set(json.dumps({"keys": [to_jwk(key, kid)]}).encode())
        assert check(make(algorithm, {"kid": ABSENT}), keys)["sub"] == CLAIMS["sub"]


WRONG_CLAIMS = [
    ("issuer", "issuer of somebody else", {"iss": "https://iam.example.com/"}),
    ("issuer", "issuer with two slashes", {"iss": "https://iam.example.org//"}),
    ("issuer", "issuer in capitals", {"iss": "https://IAM.example.org/"}),
    ("issuer", "issuer by http", {"iss": "http://iam.example.org/"}),
    ("issuer", "issuer with our name in front", {"iss": ISSUER + "evil"}),
    ("issuer", "issuer with a space", {"iss": ISSUER + " "}),
    ("issuer", "issuer as a list", {"iss": [ISSUER]}),
    ("issuer", "issuer absent", {"iss": ABSENT}),
    ("audience", "another client's token", {"aud": "another"}),
    ("audience", "audience absent", {"aud": ABSENT}),
    ("audience", "audience null", {"aud": None}),
    ("audience", "audience in capitals", {"aud": "THE-HUB"}),
    ("audience", "audience that begins with us", {"aud": "the-hub2"}),
    ("audience", "empty audience", {"aud": []}),
    ("audience", "audience list without us", {"aud": ["a", "b"], "azp": "the-hub"}),
    ("audience", "audience list with a number", {"aud": ["the-hub", 1]}),
    ("audience", "audience as a map", {"aud": {"the-hub": 1}}),
    ("audience", "the any-audience", {"aud": "https://wlcg.cern.ch/jwt/v1/any"}),
    ("authorized-party", "two audiences, nobody authorized", {"aud": ["the-hub", "x"]}),
    ("authorized-party", "ours twice, nobody authorized", {"aud": ["the-hub"] * 2}),
    (
        "authorized-party",
        "two audiences, another authorized",
        {"aud": ["the-hub", "x"], "azp": "x"},
    ),
    ("authorized-party", "another authorized", {"azp": "x"}),
    ("authorized-party", "authorized party null", {"azp": None}),
    ("expired", "expired 61 s ago", {"exp": 1_748_528_934, "iat": 1_748_528_900}),
    ("expired", "expiry absent", {"exp": ABSENT}),
    ("expired", "expiry null", {"exp": None}),
    ("expired", "expiry true", {"exp": True}),
    ("expired", "expiry as text", {"exp": "1748529590"}),
    ("expired", "expiry with a fraction", {"exp": 1748529590.5}),
    ("expired", "expiry in the year 10^15", {"exp": 10**30}),
    ("expired", "expiry below zero", {"exp": -1}),
    ("expired", "expiry as a list", {"exp": [1_748_529_590]}),
    ("expired", "expiry before issue", {"exp": 1_748_528_980}),
    ("issued-at", "issued in 61 s", {"iat": 1_748_529_057}),
    ("issued-at", "issue absent", {"iat": ABSENT}),
    ("issued-at", "issue as text", {"iat": "1748528990"}),
    ("issued-at", "issue false", {"iat": False}),
    ("issued-at", "issue with a fraction", {"iat": 1748528990.0}),
    ("issued-at", "issue at zero", {"iat": 0}),
    ("issued-at", "issued two days ago", {"iat": 1_748_528_990 - 2 * 86400}),
    ("not-before", "not valid for 61 s", {"nbf": 1_748_529_057}),
    ("not-before", "start as text", {"nbf": "0"}),
    ("not-before", "start null", {"nbf": None}),
    ("not-before", "start true", {"nbf": True}),
    ("nonce", "nonce of another login", {"nonce": "b-nonce"}),
    ("nonce", "nonce absent", {"nonce": ABSENT}),
    ("nonce", "nonce empty", {"nonce": ""}),
    ("nonce", "nonce null", {"nonce": None}),
    ("nonce", "nonce as a list", {"nonce": ["a-nonce"]}),
    ("nonce", "nonce in other letters", {"nonce": "a-nonc\ud800"}),
    ("subject", "subject absent", {"sub": ABSENT}),
    ("subject", "subject empty", {"sub": ""}),
    ("subject", "subject a number", {"sub": 1}),
    ("subject", "subject null", {"sub": None}),
    ("subject", "subject of 1025 letters", {"sub": "s" * 1025}),
    ("subject", "subject with a newline", {"sub": "a\nb"}),
    ("subject", "subject with a blank at its end", {"sub": "a "}),
    ("subject", "subject that is no text", {"sub": "\ud800"}),
    ("wlcg-version", "WLCG version of another major", {"wlcg.ver": "2.0"}),
    ("wlcg-version", "WLCG version a number", {"wlcg.ver": 1.0}),
]


@pytest.mark.parametrize("algorithm", KINDS)
@pytest.mark.parametrize(
    ("rule", "claims"), [pytest.param(r, c, id=i) for r, i, c in WRONG_CLAIMS]
)
def test_signed_token_with_a_wrong_claim_is_refused(algorithm, rule, claims):
    with pytest.raises(UnverifiedError) as caught:
        check(make(algorithm, **claims))
    assert caught.value.rule == rule


WRONG_HEADERS = [
    ("algorithm", "algorithm none", {"alg": "none"}),
    ("algorithm", "algorithm None", {"alg": "None"}),
    ("algorithm", "algorithm empty", {"alg": ""}),
    ("algorithm", "algorithm null", {"alg": None}),
    ("algorithm", "algorithm absent", {"alg": ABSENT}),
    ("algorithm", "algorithm as a list", {"alg": ["RS256"]}),
    ("algorithm", "algorithm HS256", {"alg": "HS256"}),
    ("algorithm", "algorithm RS512", {"alg": "RS512"}),
    ("algorithm", "algorithm PS256", {"alg": "PS256"}),
    ("algorithm", "algorithm ES384", {"alg": "ES384"}),
    ("type", "an access token by its type", {"typ": "at+jwt"}),
    ("type", "a logout token by its type", {"typ": "logout+jwt"}),
    ("type", "type as a number", {"typ": 1}),
    ("key-unknown", "unknown kid", {"kid": "other"}),
    ("key-unknown", "kid with a blank", {"kid": "rsa1 "}),
    ("key-unknown", "kid empty", {"kid": ""}),
    ("key-unknown", "kid null", {"kid": None}),
    ("key-unknown", "kid a number", {"kid": 1}),
    ("key-unknown", "kid absent with two keys", {"kid": ABSENT}),
    ("header-refused", "an address of keys", {"jku": "https://evil.example/jwk"}),
    ("header-refused", "a key brought along", {"jwk": {"kty": "RSA"}}),
    ("header-refused", "an address of a certificate", {"x5u": "https://e.example/"}),
    ("header-refused", "a certificate brought along", {"x5c": ["MII"]}),
    ("header-refused", "an extension that must be known", {"crit": ["exp"]}),
    ("header-refused", "a payload that is not encoded", {"b64": False}),
    ("header-refused", "a packed payload", {"zip": "DEF"}),
]


@pytest.mark.parametrize("algorithm", KINDS)
@pytest.mark.parametrize(
    ("rule", "header"), [pytest.param(r, h, id=i) for r, i, h in WRONG_HEADERS]
)
def test_token_with_a_wrong_header_is_refused(algorithm, rule, header):
    with pytest.raises(UnverifiedError) as caught:
        check(make(algorithm, header))
    assert caught.value.rule == rule
    assert isinstance(caught.value, UnknownKeyError) == (rule == "key-unknown")


def parts(algorithm: str) -> list[str]:
    return make(algorithm).split(".")


def with_public_key_as_secret(algorithm: str) -> str:
    kid, key = KINDS[algorithm]
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    body = f"{pack({'alg': 'HS256', 'kid': kid})}.{pack(CLAIMS)}"
    return f"{body}.{pack(hmac.digest(pem, body.encode(), hashlib.sha256))}"


def with_public_jwk_as_secret(algorithm: str) -> str:
    kid, key = KINDS[algorithm]
    secret = json.dumps(to_jwk(key, kid)).encode()
    body = f"{pack({'alg': 'HS256', 'kid': kid})}.{pack(CLAIMS)}"
    return f"{body}.{pack(hmac.digest(secret, body.encode(), hashlib.sha256))}"


def as_access_token(**more: Any) -> Forgery:
    """Return IAM's own access token, as a form of it has them, in the ID token's place."""
    said = {
        "iss": ISSUER,
        "sub": CLAIMS["sub"],
        "iat": CLAIMS["iat"],
        "exp": CLAIMS["exp"],
        "jti": "b1b1c0de-0000-4000-8000-000000000001",
        "client_id": "the-hub",
        **more,
    }
    return with_text_as_claims(json.dumps(said).encode())


def by_another_key(algorithm: str) -> str:
    kid, _ = KINDS[algorithm]
    key = rsa_key("evil") if algorithm == "RS256" else ec_key("evil")
    return sign(CLAIMS, key, {"alg": algorithm, "kid": kid})


def with_other_algorithms_kid(algorithm: str) -> str:
    other = "ec1" if algorithm == "RS256" else "rsa1"
    return make(algorithm, {"kid": other})


def with_flipped_signature(algorithm: str) -> str:
    head, body, signature = parts(algorithm)
    return f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def with_changed_claims(algorithm: str) -> str:
    head, _, signature = parts(algorithm)
    return f"{head}.{pack({**CLAIMS, 'groups': ['facility/admins']})}.{signature}"


def with_two_groups_claims(algorithm: str) -> str:
    kid, key = KINDS[algorithm]
    text = json.dumps(CLAIMS)[:-1] + ', "groups": ["facility/admins"]}'
    return sign(text.encode(), key, {"alg": algorithm, "kid": kid})


def with_text_as_claims(text: bytes) -> Forgery:
    def forge(algorithm: str) -> str:
        kid, key = KINDS[algorithm]
        return sign(text, key, {"alg": algorithm, "kid": kid})

    return forge


def with_two_algorithms(algorithm: str) -> str:
    kid, _ = KINDS[algorithm]
    head = f'{{"alg": "none", "alg": "{algorithm}", "kid": "{kid}"}}'.encode()
    return f"{pack(head)}.{'.'.join(parts(algorithm)[1:])}"


def as_psychic_signature(algorithm: str) -> str:
    head, body, _ = parts(algorithm)
    return f"{head}.{body}.{pack(bytes(64))}"


FORGERIES: list[tuple[str, str, Forgery]] = [
    ("algorithm", "HS256 with the public key as secret", with_public_key_as_secret),
    ("algorithm", "HS256 with the public JWK as secret", with_public_jwk_as_secret),
    ("audience", "an access token of the form iam", as_access_token()),
    (
        "audience",
        "an access token of the form wlcg",
        as_access_token(
            **{"aud": "https://wlcg.cern.ch/jwt/v1/any", "wlcg.groups": ["/hackathon"]}
        ),
    ),
    (
        "audience",
        "an access token of the form kc",
        as_access_token(roles=["hackathon"], scope="openid profile"),
    ),
    ("nonce", "an access token for our audience", as_access_token(aud="the-hub")),
    ("signature", "signed by another key", by_another_key),
    ("key-unknown", "kid of a key for another algorithm", with_other_algorithms_kid),
    ("signature", "signature with one letter changed", with_flipped_signature),
    ("signature", "claims changed after signing", with_changed_claims),
    ("signature", "signature of zeros", as_psychic_signature),
    ("claims-malformed", "a claim twice", with_two_groups_claims),
    ("header-malformed", "the algorithm twice", with_two_algorithms),
    ("claims-malformed", "claims not a map", with_text_as_claims(b'["a"]')),
    ("claims-malformed", "claims not JSON", with_text_as_claims(b"hello")),
    ("claims-malformed", "claims with NaN", with_text_as_claims(b'{"exp": NaN}')),
    ("claims-malformed", "claims not UTF-8", with_text_as_claims(b'{"a": "\xff"}')),
    (
        "claims-malformed",
        "claims of 20 000 brackets",
        with_text_as_claims(b"[" * 20000),
    ),
    (
        "claims-malformed",
        "a number of 9 000 digits",
        with_text_as_claims(b'{"exp": ' + b"9" * 9000 + b"}"),
    ),
    ("token-malformed", "signature taken away", lambda a: ".".join(parts(a)[:2]) + "."),
    ("token-malformed", "two parts", lambda a: ".".join(parts(a)[:2])),
    ("token-malformed", "four parts", lambda a: make(a) + ".abc"),
    ("token-malformed", "a newline at the end", lambda a: make(a) + "\n"),
    ("token-malformed", "a blank in front", lambda a: " " + make(a)),
    ("token-malformed", "padding", lambda a: make(a) + "="),
    ("token-malformed", "an empty text", lambda a: ""),
    ("token-malformed", "letters outside ASCII", lambda a: make(a)[:-1] + "é"),
    ("header-malformed", "header not JSON", lambda a: "e30x." + make(a)),
    ("token-too-long", "a token of 1 MiB", lambda a: make(a, name="x" * 2**20)),
]


@pytest.mark.parametrize("algorithm", KINDS)
@pytest.mark.parametrize(
    ("rule", "forge"), [pytest.param(r, f, id=i) for r, i, f in FORGERIES]
)
def test_forgery_is_refused(algorithm, rule, forge):
    token = forge(algorithm)
    if rule == "header-malformed" and token.startswith("e30x"):
        token = token.removeprefix("e30x.").replace(token.split(".")[1], "e30x", 1)
    with pytest.raises(UnverifiedError) as caught:
        check(token)
    assert caught.value.rule == rule


@pytest.mark.parametrize(
    "token", [None, 7, b"a.b.c", ["a.b.c"], {}], ids=lambda value: type(value).__name__
)
def test_what_is_no_text_is_no_token(token):
    with pytest.raises(UnverifiedError, match="token-absent"):
        check(token)


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([], id="no key"),
        pytest.param(
            [{"kty": "oct", "kid": "rsa1", "k": pack(b"x" * 32)}], id="a symmetric key"
        ),
        pytest.param(
            [to_jwk(rsa_key("weak", 1024), "rsa1")], id="an RSA key of 1024 bits"
        ),
        pytest.param(
            [to_jwk(rsa_key("rsa1"), "rsa1", use="enc")], id="a key to encrypt"
        ),
        pytest.param([to_jwk(rsa_key("rsa1"), None)] * 2, id="keys without names"),
        pytest.param([to_jwk(rsa_key("rsa1"), "rsa1")] * 2, id="two keys of one name"),
    ],
)
def test_token_is_refused_where_the_key_set_holds(keys):
    found = parse_key_set(json.dumps({"keys": keys}).encode())
    with pytest.raises(UnknownKeyError):
        check(make("RS256"), found)


def test_weak_key_signs_nothing_even_by_its_own_set():
    token = sign(CLAIMS, rsa_key("weak", 1024), {"alg": "RS256", "kid": "weak"})
    with pytest.raises(UnknownKeyError):
        check(token, key_set(to_jwk(rsa_key("weak", 1024), "weak")))


def test_es256_on_another_curve_is_refused():
    key = ec.generate_private_key(ec.SECP384R1())
    jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    token = sign(CLAIMS, key, {"alg": "ES256", "kid": "p384"})
    with pytest.raises(UnknownKeyError):
        check(token, key_set({**jwk, "kid": "p384"}))


def test_empty_expected_nonce_matches_nothing():
    with pytest.raises(UnverifiedError, match="nonce"):
        verify_id_token(
            make("RS256", nonce=""), key_set(), Expected(ISSUER, "the-hub", ""), now=NOW
        )


def test_error_and_expectation_show_nothing_of_the_token():
    token = make("RS256", sub="")
    with pytest.raises(UnverifiedError) as caught:
        check(token)
    shown = f"{caught.value!r} {caught.value} {EXPECTED!r}"
    claims = base64.urlsafe_b64decode(token.split(".")[1] + "==").decode()
    assert not any(part in shown for part in (*token.split("."), claims, "a-nonce"))


def test_there_are_as_many_forgeries_and_good_tokens_as_are_promised():
    forgeries = [says for _, says, _ in (*WRONG_CLAIMS, *WRONG_HEADERS, *FORGERIES)]
    assert len(set(forgeries)) == len(forgeries) >= 60
    assert len(GOOD) >= 12
