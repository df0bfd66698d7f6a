"""The IAM's keys: which count, how long they are kept, how often they are fetched."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from fake_iam import FakeIAM, ec_key, pack, rsa_key, to_jwk

from jupyterhub_af.hub.iam_http import MAX_BYTES, IAMAwayError
from jupyterhub_af.hub.key_set import Key, KeySet, parse_key_set

LOG = logging.getLogger("test")
RSA = to_jwk(rsa_key("rsa1"), "rsa1")
EC = to_jwk(ec_key("ec1"), "ec1")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def parse(*keys: object) -> tuple[Key, ...]:
    return parse_key_set(json.dumps({"keys": keys}).encode())


def test_rsa_and_ec_keys_count():
    assert [(key.kid, key.algorithm) for key in parse(RSA, EC)] == [
        ("rsa1", "RS256"),
        ("ec1", "ES256"),
    ]


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(
            {**RSA, "use": "sig", "alg": "RS256"}, id="use and algorithm said"
        ),
        pytest.param({**RSA, "key_ops": ["verify"]}, id="operations said"),
        pytest.param({**RSA, "x5c": ["MII"], "x5t": "a"}, id="with a certificate"),
        pytest.param({**RSA, "d": "AQAB"}, id="with a number that should be private"),
        pytest.param({k: v for k, v in RSA.items() if k != "kid"}, id="without a name"),
    ],
)
def test_key_counts(key):
    assert [found.algorithm for found in parse(key)] == ["RS256"]


@pytest.mark.parametrize(
    "key",
    [
        pytest.param({"kty": "oct", "kid": "a", "k": pack(b"x" * 32)}, id="symmetric"),
        pytest.param(to_jwk(rsa_key("weak", 1024), "weak"), id="RSA of 1024 bits"),
        pytest.param({**RSA, "use": "enc"}, id="for encryption"),
        pytest.param({**RSA, "key_ops": ["sign"]}, id="for signing only"),
        pytest.param({**RSA, "key_ops": "verify"}, id="operations as one text"),
        pytest.param({**RSA, "alg": "PS256"}, id="for another algorithm"),
        pytest.param({**RSA, "alg": "HS256"}, id="for a symmetric algorithm"),
        pytest.param({**RSA, "kid": 7}, id="name a number"),
        pytest.param({**RSA, "n": "A" * 4000}, id="modulus of 24 000 bits"),
        pytest.param({**RSA, "n": "!!"}, id="modulus not encoded"),
        pytest.param({**RSA, "n": 7}, id="modulus a number"),
        pytest.param({**RSA, "e": pack(b"\x01")}, id="exponent 1"),
        pytest.param({**RSA, "e": pack(b"\x02")}, id="exponent 2"),
        pytest.param({"kty": "RSA", "kid": "a"}, id="RSA without numbers"),
        pytest.param({**EC, "crv": "P-384"}, id="another curve"),
        pytest.param({**EC, "crv": "secp256k1"}, id="a coin's curve"),
        pytest.param({**EC, "y": EC["x"]}, id="a point off the curve"),
        pytest.param({**EC, "alg": "ES512"}, id="EC for another algorithm"),
        pytest.param({"kty": "OKP", "crv": "Ed25519", "x": "AA"}, id="Edwards curve"),
        pytest.param({**RSA, "kty": "rsa"}, id="kind in small letters"),
        pytest.param({}, id="an empty map"),
        pytest.param("rsa1", id="a text"),
        pytest.param(None, id="null"),
    ],
)
def test_key_is_left_out_and_the_rest_stays(key):
    assert [found.kid for found in parse(key, EC)] == ["ec1"]


def test_only_the_first_hundred_keys_are_looked_at():
    assert len(parse(*[{}] * 99, RSA, EC)) == 1


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": null}',
        b'{"keys": [], "keys": []}',
    ],
)
def test_what_is_no_key_set_is_refused(text):
    with pytest.raises(ValueError, match="not"):
        parse_key_set(text)


@pytest.fixture
async def iam():
    async with FakeIAM().running() as running:
        yield running


def names(keys):
    return [key.kid for key in keys]


async def test_keys_are_fetched_once_for_many_logins(iam):
    keys = KeySet(timeout_seconds=20, log=LOG)
    url = f"{iam.url}/jwk"
    found = await asyncio.gather(*(keys.keys(url) for _ in range(20)))
    assert {tuple(names(f)) for f in found} == {("rsa1",)}
    assert iam.calls == ["/jwk"]


async def test_keys_are_renewed_after_six_hours_and_kept_while_the_iam_is_silent(iam):
    clock, url = Clock(), f"{iam.url}/jwk"
    keys = KeySet(timeout_seconds=20, log=LOG, clock=clock)
    await keys.keys(url)
    iam.keys = {"rsa2": rsa_key("rsa2")}
    clock.now += 5 * 3600
    assert names(await keys.keys(url)) == ["rsa1"]
    iam.status["/jwk"] = (503, "")
    clock.now += 2 * 3600
    assert names(await keys.keys(url)) == ["rsa1"]
    clock.now += 2 * 86400
    with pytest.raises(IAMAwayError):
        await keys.keys(url)
    del iam.status["/jwk"]
    clock.now += 11
    assert names(await keys.keys(url)) == ["rsa2"]


async def test_storm_of_unknown_keys_fetches_once_a_minute(iam):
    clock, url = Clock(), f"{iam.url}/jwk"
    keys = KeySet(timeout_seconds=20, log=LOG, clock=clock)
    await keys.keys(url)
    for _ in range(200):
        clock.now += 0.2
        await keys.keys_again(url)
    assert len(iam.calls) == 2
    clock.now += 21
    await keys.keys_again(url)
    assert len(iam.calls) == 3


async def test_failure_is_told_again_without_asking_for_a_moment(iam):
    clock, url = Clock(), f"{iam.url}/jwk"
    keys = KeySet(timeout_seconds=20, log=LOG, clock=clock)
    iam.status["/jwk"] = (500, "")
    for _ in range(5):
        with pytest.raises(IAMAwayError, match="500"):
            await keys.keys(url)
    assert len(iam.calls) == 1
    del iam.status["/jwk"]
    clock.now += 11
    assert names(await keys.fetch(url)) == ["rsa1"]


@pytest.mark.parametrize(
    ("status", "text", "words"),
    [
        (404, "", "404"),
        (302, "", "302"),
        (200, "hello", "not a JSON object"),
        (200, '{"keys": 7}', "not a set of keys"),
        (200, "x" * (MAX_BYTES + 1), "longer than"),
    ],
    ids=["not there", "a redirect", "not JSON", "no set", "more than 1 MiB"],
)
async def test_bad_answer_gives_no_keys(iam, status, text, words):
    iam.status["/jwk"] = (status, text)
    with pytest.raises(IAMAwayError, match=words):
        await KeySet(timeout_seconds=20, log=LOG).keys(f"{iam.url}/jwk")
    assert iam.strangers == []
