"""ID tokens: those that hold, and forgeries that each break one rule."""

from __future__ import annotations

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fake_iam import pack, rsa_key, sign, to_jwk
from forgeries import FORGERIES, WRONG_CLAIMS, WRONG_HEADERS, forgeries_of
from id_tokens import (
    ABSENT,
    CLAIMS,
    EXPECTED,
    GOOD,
    ISSUER,
    KINDS,
    NOW,
    check,
    key_set,
    make,
)

from jupyterhub_af.hub.id_token import (
    Expected,
    UnknownKeyError,
    UnverifiedError,
    verify_id_token,
)
from jupyterhub_af.hub.key_set import parse_key_set


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


@pytest.mark.parametrize("algorithm", KINDS)
@pytest.mark.parametrize(
    ("rule", "claims"), [pytest.param(r, c, id=i) for r, i, c in WRONG_CLAIMS]
)
def test_signed_token_with_a_wrong_claim_is_refused(algorithm, rule, claims):
    with pytest.raises(UnverifiedError) as caught:
        check(make(algorithm, **claims))
    assert caught.value.rule == rule


@pytest.mark.parametrize("algorithm", KINDS)
@pytest.mark.parametrize(
    ("rule", "header"), [pytest.param(r, h, id=i) for r, i, h in WRONG_HEADERS]
)
def test_token_with_a_wrong_header_is_refused(algorithm, rule, header):
    with pytest.raises(UnverifiedError) as caught:
        check(make(algorithm, header))
    assert caught.value.rule == rule
    assert isinstance(caught.value, UnknownKeyError) == (rule == "key-unknown")


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


def is_accepted(token: str) -> bool:
    try:
        check(token)
    except UnverifiedError:
        return False
    return True


@pytest.mark.parametrize("algorithm", KINDS)
def test_no_forgery_of_at_least_sixty_is_accepted_and_every_good_token_is(algorithm):
    forged = forgeries_of(algorithm)
    good = [make(algorithm, **param.values[0]) for param in GOOD]
    assert len(set(forged.values())) == len(forged) >= 60
    assert [says for says, token in forged.items() if is_accepted(token)] == []
    assert [is_accepted(token) for token in good] == [True] * len(GOOD)
    assert len(set(good)) >= 12
