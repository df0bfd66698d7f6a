"""ID tokens that do not hold: each breaks one rule, which is named beside it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import serialization
from fake_iam import ec_key, pack, rsa_key, sign, to_jwk
from id_tokens import ABSENT, CLAIMS, ISSUER, KINDS, make

Forgery = Callable[[str], str]

WRONG_CLAIMS = [
    ("issuer", "issuer of somebody else", {"iss": "https://iam.example.com/"}),
    ("issuer", "issuer with two slashes", {"iss": "https://iam.example.org//"}),
    ("issuer", "issuer in capitals", {"iss": "https://IAM.example.org/"}),
    ("issuer", "issuer by http", {"iss": "http://iam.example.org/"}),
    ("issuer", "issuer with our name in front", {"iss": ISSUER + "evil"}),
    ("issuer", "issuer with a space", {"iss": ISSUER + " "}),
    ("issuer", "issuer with its port", {"iss": "https://iam.example.org:443/"}),
    ("issuer", "issuer with another port", {"iss": "https://iam.example.org:8443/"}),
    ("issuer", "issuer with a path", {"iss": "https://iam.example.org/realms/a/"}),
    ("issuer", "issuer with a dot", {"iss": "https://iam.example.org./"}),
    ("issuer", "issuer with a name", {"iss": "https://evil@iam.example.org/"}),
    ("issuer", "issuer with a query", {"iss": ISSUER + "?"}),
    ("issuer", "issuer in a twin letter", {"iss": "https://i\u0430m.example.org/"}),
    ("issuer", "issuer in full width", {"iss": "https://\uff49am.example.org/"}),
    ("issuer", "issuer with no width", {"iss": "https://iam\u200b.example.org/"}),
    ("issuer", "issuer with a newline", {"iss": ISSUER + "\n"}),
    ("issuer", "issuer null", {"iss": None}),
    ("issuer", "issuer empty", {"iss": ""}),
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
    ("expired", "expiry false", {"exp": False}),
    ("expired", "expiry at zero", {"exp": 0}),
    ("expired", "expiry in milliseconds of 300 digits", {"exp": 10**300}),
    ("expired", "expiry empty", {"exp": ""}),
    ("expired", "expiry as a map", {"exp": {"exp": 1_748_529_590}}),
    ("expired", "expiry as a list", {"exp": [1_748_529_590]}),
    ("expired", "expiry before issue", {"exp": 1_748_528_980}),
    ("issued-at", "issued in 61 s", {"iat": 1_748_529_057}),
    ("issued-at", "issue absent", {"iat": ABSENT}),
    ("issued-at", "issue as text", {"iat": "1748528990"}),
    ("issued-at", "issue false", {"iat": False}),
    ("issued-at", "issue with a fraction", {"iat": 1748528990.0}),
    ("issued-at", "issue at zero", {"iat": 0}),
    ("issued-at", "issue true", {"iat": True}),
    ("issued-at", "issue null", {"iat": None}),
    ("issued-at", "issue below zero", {"iat": -1_748_528_990}),
    ("issued-at", "issue in the year 10^15", {"iat": 10**30}),
    ("issued-at", "issue as a list", {"iat": [1_748_528_990]}),
    ("issued-at", "issued two days ago", {"iat": 1_748_528_990 - 2 * 86400}),
    ("not-before", "not valid for 61 s", {"nbf": 1_748_529_057}),
    ("not-before", "start as text", {"nbf": "0"}),
    ("not-before", "start null", {"nbf": None}),
    ("not-before", "start true", {"nbf": True}),
    ("not-before", "start with a fraction", {"nbf": 1748528990.5}),
    ("not-before", "start at zero", {"nbf": 0}),
    ("not-before", "start below zero", {"nbf": -1}),
    ("not-before", "start in the year 10^15", {"nbf": 10**30}),
    ("not-before", "start as a list", {"nbf": []}),
    ("nonce", "nonce of another login", {"nonce": "b-nonce"}),
    ("nonce", "nonce absent", {"nonce": ABSENT}),
    ("nonce", "nonce empty", {"nonce": ""}),
    ("nonce", "nonce null", {"nonce": None}),
    ("nonce", "nonce as a list", {"nonce": ["a-nonce"]}),
    ("nonce", "nonce in capitals", {"nonce": "A-NONCE"}),
    ("nonce", "nonce with more behind", {"nonce": "a-nonce2"}),
    ("nonce", "nonce as a number", {"nonce": 7}),
    ("nonce", "nonce in other letters", {"nonce": "a-nonc\ud800"}),
    ("subject", "subject absent", {"sub": ABSENT}),
    ("subject", "subject empty", {"sub": ""}),
    ("subject", "subject a number", {"sub": 1}),
    ("subject", "subject null", {"sub": None}),
    ("subject", "subject true", {"sub": True}),
    ("subject", "subject as a list", {"sub": ["80e5fb8d"]}),
    ("subject", "subject a blank", {"sub": " "}),
    ("subject", "subject with a NUL", {"sub": "80e5fb8d\0"}),
    ("subject", "subject that runs backwards", {"sub": "80e5\u202efb8d"}),
    ("subject", "subject of 1025 letters", {"sub": "s" * 1025}),
    ("subject", "subject with a newline", {"sub": "a\nb"}),
    ("subject", "subject with a blank at its end", {"sub": "a "}),
    ("subject", "subject that is no text", {"sub": "\ud800"}),
    ("wlcg-version", "WLCG version of another major", {"wlcg.ver": "2.0"}),
    ("wlcg-version", "WLCG version a number", {"wlcg.ver": 1.0}),
]


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


def with_raw_claim(text: bytes, *, twice: bool = False) -> Forgery:
    """Return good claims with one more, which may be there already, written by hand."""
    name = text.split(b'"')[1].decode()
    rest = CLAIMS if twice else {k: v for k, v in CLAIMS.items() if k != name}
    return with_text_as_claims(json.dumps(rest).encode()[:-1] + b", " + text + b"}")


def with_raw_header(text: bytes) -> Forgery:
    def forge(algorithm: str) -> str:
        kid, key = KINDS[algorithm]
        good = json.dumps({"alg": algorithm, "kid": kid}).encode()
        return sign(CLAIMS, key, good[:-1] + b", " + text + b"}")

    return forge


def with_two_kids(algorithm: str) -> str:
    kid, _ = KINDS[algorithm]
    return with_raw_header(b'"kid": "%s"' % kid.encode())(algorithm)


def with_symmetric_key(algorithm: str) -> str:
    """Return a token by the ``oct`` key that the set holds, called RS256 or ES256."""
    body = f"{pack({'alg': algorithm, 'kid': 'oct1'})}.{pack(CLAIMS)}"
    return f"{body}.{pack(hmac.digest(b'x' * 32, body.encode(), hashlib.sha256))}"


def with_key_of_its_own(algorithm: str) -> str:
    kid, _ = KINDS[algorithm]
    key = rsa_key("evil") if algorithm == "RS256" else ec_key("evil")
    return sign(CLAIMS, key, {"alg": algorithm, "kid": kid, "jwk": to_jwk(key, kid)})


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
    ("claims-malformed", "expiry NaN", with_raw_claim(b'"exp": NaN')),
    ("claims-malformed", "issue NaN", with_raw_claim(b'"iat": NaN')),
    ("claims-malformed", "start NaN", with_raw_claim(b'"nbf": NaN')),
    ("claims-malformed", "expiry Infinity", with_raw_claim(b'"exp": Infinity')),
    ("claims-malformed", "start -Infinity", with_raw_claim(b'"nbf": -Infinity')),
    ("expired", "expiry 1e400", with_raw_claim(b'"exp": 1e400')),
    ("expired", "expiry 1748529590.0", with_raw_claim(b'"exp": 1748529590.0')),
    ("claims-malformed", "the issuer twice", with_raw_claim(b'"iss": "x"', twice=True)),
    (
        "claims-malformed",
        "a key twice inside a claim",
        with_raw_claim(b'"more": {"a": 1, "a": 2}'),
    ),
    ("header-malformed", "the kid twice", with_two_kids),
    (
        "header-malformed",
        "a key twice deep in the header",
        with_raw_header(b'"x": [{"a": 1, "a": 1}]'),
    ),
    ("header-malformed", "header NaN", with_raw_header(b'"x": NaN')),
    ("key-unknown", "signed by the symmetric key of the set", with_symmetric_key),
    ("header-refused", "by the key that it brings along", with_key_of_its_own),
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
    ("token-malformed", "header alone", lambda a: parts(a)[0]),
    ("token-malformed", "an encrypted token's five parts", lambda a: make(a) + ".a.b"),
    ("token-malformed", "signs of ordinary base64", lambda a: make(a)[:-4] + "+/+/"),
    ("token-too-long", "a token of 1 MiB", lambda a: make(a, name="x" * 2**20)),
]


def forgeries_of(algorithm: str) -> dict[str, str]:
    """Return every forged token of an algorithm by what it is."""
    claims = {says: make(algorithm, **more) for _, says, more in WRONG_CLAIMS}
    headers = {says: make(algorithm, header) for _, says, header in WRONG_HEADERS}
    others = {says: forge(algorithm) for _, says, forge in FORGERIES}
    every = {**claims, **headers, **others}
    assert len(every) == len(claims) + len(headers) + len(others)
    return every
