"""Discovery: which documents count, what stands in for them, and what is kept."""

from __future__ import annotations

import asyncio
import json
import logging
import socket

import pytest
from fake_iam import FakeIAM

from jupyterhub_af.hub.discovery import (
    Discovery,
    DiscoveryError,
    Endpoints,
    conventional_endpoints,
    parse_discovery,
)

LOG = logging.getLogger("test")
ISSUER = "https://iam.example.org/"
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://login.example.org/authorize?tenant=1",
    "token_endpoint": "https://iam.example.org/token",
    "userinfo_endpoint": "https://iam.example.org/userinfo",
    "jwks_uri": "https://keys.example.org/jwk",
    "introspection_endpoint": "https://iam.example.org/introspect",
    "id_token_signing_alg_values_supported": ["none"],
}
ENDPOINTS = Endpoints(
    authorization="https://login.example.org/authorize?tenant=1",
    token="https://iam.example.org/token",
    userinfo="https://iam.example.org/userinfo",
    key_set="https://keys.example.org/jwk",
    introspection="https://iam.example.org/introspect",
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def parse(ours: str = ISSUER, **changes: object) -> Endpoints:
    return parse_discovery(json.dumps({**DOCUMENT, **changes}).encode(), ours)


@pytest.mark.parametrize("said", ["https://iam.example.org", ISSUER])
@pytest.mark.parametrize("ours", ["https://iam.example.org", ISSUER])
def test_issuer_counts_in_its_two_spellings(said, ours):
    assert parse(ours, issuer=said) == ENDPOINTS


def test_absent_userinfo_and_introspection_are_where_iam_has_them():
    document = {k: v for k, v in DOCUMENT.items() if k[:4] not in ("user", "intr")}
    assert parse_discovery(json.dumps(document).encode(), ISSUER) == ENDPOINTS


@pytest.mark.parametrize(
    "issuer",
    [
        "https://iam.example.com/",
        f"{ISSUER}/",
        "http://iam.example.org/",
        None,
        [ISSUER],
    ],
)
def test_document_of_another_issuer_is_not_used(issuer):
    with pytest.raises(DiscoveryError, match="another issuer"):
        parse(issuer=issuer)


@pytest.mark.parametrize(
    "key", ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"]
)
@pytest.mark.parametrize(
    "address",
    [
        pytest.param("http://iam.example.org/x", id="not https"),
        pytest.param("http://127.0.0.1/x", id="the loopback of a public issuer"),
        pytest.param("javascript:alert(1)", id="a script"),
        pytest.param("file:///etc/passwd", id="a file"),
        pytest.param("//iam.example.org/x", id="no scheme"),
        pytest.param("https:///x", id="no host"),
        pytest.param("https://a:b@iam.example.org/x", id="a password"),
        pytest.param("https://iam.example.org/x#y", id="a fragment"),
        pytest.param("https://iam.example.org/x\n", id="a newline"),
        pytest.param("https://iam.example.org/a b", id="a blank"),
        pytest.param("https://iam.example.org:99999/x", id="an impossible port"),
        pytest.param("https://[::1/x", id="half an address"),
        pytest.param("https://iam.example.org/" + "x" * 2048, id="too long"),
        pytest.param(7, id="a number"),
        pytest.param(None, id="null"),
    ],
)
def test_document_with_an_unsafe_address_is_not_used(key, address):
    with pytest.raises(DiscoveryError, match=key):
        parse(**{key: address})


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b'{"issuer": 1, "issuer": 2}'])
def test_document_that_is_no_json_object_is_not_used(text):
    with pytest.raises(DiscoveryError):
        parse_discovery(text, ISSUER)


@pytest.mark.parametrize(
    "issuer", ["https://iam.example.org/x", "https://iam.example.org/x/"]
)
def test_convention_is_below_the_issuer(issuer):
    assert conventional_endpoints(issuer) == Endpoints(
        authorization="https://iam.example.org/x/authorize",
        token="https://iam.example.org/x/token",
        userinfo="https://iam.example.org/x/userinfo",
        key_set="https://iam.example.org/x/jwk",
        introspection="https://iam.example.org/x/introspect",
    )


@pytest.fixture
async def iam():
    async with FakeIAM().running() as running:
        running.change_discovery = lambda d: {
            **d,
            "userinfo_endpoint": f"{d['issuer']}me",
        }
        yield running


def make(iam: FakeIAM, clock: Clock, **more: float) -> Discovery:
    return Discovery(
        iam.issuer, **{"timeout_seconds": 20, **more}, log=LOG, clock=clock
    )


async def test_document_is_fetched_once_and_kept_for_six_hours(iam):
    clock = Clock()
    discovery = make(iam, clock)
    found = await asyncio.gather(*(discovery.find() for _ in range(20)))
    assert {f.endpoints.userinfo for f in found} == {f"{iam.url}/me"}
    clock.now += 6 * 3600 - 1
    await discovery.find()
    assert len(iam.calls) == 1
    clock.now += 2
    await discovery.find()
    assert len(iam.calls) == 2


async def test_old_document_serves_while_the_iam_is_silent_and_then_the_convention(iam):
    clock = Clock()
    discovery = make(iam, clock)
    await discovery.find()
    iam.status["/.well-known/openid-configuration"] = (503, "")
    clock.now += 3600
    found = await discovery.find(max_age_seconds=10)
    assert (found.endpoints.userinfo, found.has_answered) == (f"{iam.url}/me", False)
    clock.now += 6 * 3600
    found = await discovery.find()
    assert found.endpoints == conventional_endpoints(iam.issuer)


async def test_failure_is_kept_for_ten_seconds(iam):
    clock = Clock()
    discovery = make(iam, clock)
    iam.status["/.well-known/openid-configuration"] = (404, "")
    for _ in range(5):
        found = await discovery.find()
        assert found == (type(found))(conventional_endpoints(iam.issuer), False)
    assert len(iam.calls) == 1
    iam.status.clear()
    clock.now += 11
    assert (await discovery.find()).has_answered


@pytest.mark.parametrize(
    ("status", "text"),
    [(302, ""), (401, ""), (500, ""), (200, "hello"), (200, "{" + " " * 2**20 + "}")],
    ids=["redirect", "refusal", "error", "not JSON", "more than 1 MiB"],
)
async def test_other_answers_leave_the_convention(iam, status, text):
    iam.status["/.well-known/openid-configuration"] = (status, text)
    found = await make(iam, Clock()).find()
    assert found.endpoints == conventional_endpoints(iam.issuer)
    assert iam.strangers == []


async def test_nobody_listening_leaves_the_convention():
    discovery = Discovery("http://127.0.0.1:9/", timeout_seconds=2, log=LOG)
    assert not (await discovery.find()).has_answered


async def test_hanging_iam_is_waited_for_no_longer_than_the_timeout():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        discovery = Discovery(url, timeout_seconds=0.2, log=LOG)
        found = await asyncio.wait_for(discovery.find(), 30)
    assert not found.has_answered
