"""Keys that come, go and are invented, over HTTP: who gets in, and what the IAM hears."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncIterator

import pytest
from fake_iam import CLIENT_ID, FakeIAM, ec_key, rsa_key, sign
from sign_in_world import STUDENT, try_login

from jupyterhub_af.hub import key_set
from jupyterhub_af.hub.iam_client import IAMClient, Tokens
from jupyterhub_af.hub.id_token import UnknownKeyError, UnverifiedError
from jupyterhub_af.line.sessions import close_sessions

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]
STORM = 1_000


@pytest.fixture
async def client(iam) -> AsyncIterator[IAMClient]:
    log = logging.getLogger("test")
    yield IAMClient(iam.issuer, CLIENT_ID, timeout_seconds=20, log=log)
    await close_sessions()


def token_by(iam: FakeIAM, kid: str, key) -> Tokens:
    """Return what the IAM would give a person, signed by a key."""
    now = int(time.time())
    claims = {"iss": iam.issuer, "sub": "sub-1", "aud": CLIENT_ID, "nonce": "n"}
    claims |= {"iat": now, "exp": now + 600, **STUDENT}
    algorithm = "ES256" if key.key_size == 256 else "RS256"
    id_token = sign(claims, key, {"alg": algorithm, "kid": kid})
    return Tokens("an-access-token", None, id_token, ())


async def subject_of(client: IAMClient, tokens: Tokens) -> str:
    return (await client.identify(tokens, "n", "auto")).subject


async def test_thousand_invented_kids_are_one_more_fetch(client, iam):
    assert await subject_of(client, token_by(iam, "rsa1", rsa_key("rsa1"))) == "sub-1"
    for _ in range(STORM):
        with pytest.raises(UnknownKeyError):
            await subject_of(client, token_by(iam, secrets.token_hex(), ec_key("evil")))
    assert iam.calls.count("/jwk") == 2
    # and whoever has a key of before gets in
    assert await subject_of(client, token_by(iam, "rsa1", rsa_key("rsa1"))) == "sub-1"


async def test_new_key_is_found_a_minute_after_a_storm(client, iam, monkeypatch):
    with pytest.raises(UnknownKeyError):
        await subject_of(client, token_by(iam, "invented", ec_key("evil")))
    iam.keys = {"rsa1": rsa_key("rsa1"), "ec2": ec_key("ec2")}
    new = token_by(iam, "ec2", ec_key("ec2"))
    with pytest.raises(UnknownKeyError):
        await subject_of(client, new)
    monkeypatch.setattr(key_set, "UNKNOWN_KEY_SECONDS", 0.0)
    assert await subject_of(client, new) == "sub-1"


async def test_both_keys_hold_while_they_overlap(client, iam):
    iam.keys = {"rsa1": rsa_key("rsa1"), "ec2": ec_key("ec2")}
    for kid, key in iam.keys.items():
        assert await subject_of(client, token_by(iam, kid, key)) == "sub-1"
    assert iam.calls.count("/jwk") == 1


async def test_withdrawn_key_holds_no_longer_than_the_set_is_kept(
    client, iam, monkeypatch
):
    old = token_by(iam, "rsa1", rsa_key("rsa1"))
    assert await subject_of(client, old) == "sub-1"
    iam.keys = {"ec2": ec_key("ec2")}
    monkeypatch.setattr(key_set, "RENEW_SECONDS", -1.0)
    with pytest.raises(UnknownKeyError):
        await subject_of(client, old)
    assert await subject_of(client, token_by(iam, "ec2", ec_key("ec2"))) == "sub-1"


async def test_withdrawn_key_is_gone_as_soon_as_the_new_one_is_fetched(client, iam):
    old = token_by(iam, "rsa1", rsa_key("rsa1"))
    assert await subject_of(client, old) == "sub-1"
    iam.keys = {"ec2": ec_key("ec2")}
    assert await subject_of(client, token_by(iam, "ec2", ec_key("ec2"))) == "sub-1"
    with pytest.raises(UnknownKeyError):
        await subject_of(client, old)


async def test_other_key_of_a_known_name_needs_no_fetch(client, iam):
    assert await subject_of(client, token_by(iam, "rsa1", rsa_key("rsa1"))) == "sub-1"
    for _ in range(20):
        with pytest.raises(UnverifiedError, match="signature"):
            await subject_of(client, token_by(iam, "rsa1", rsa_key("evil")))
    assert iam.calls.count("/jwk") == 1


async def test_keys_that_are_away_at_the_first_login_have_a_page(hub, iam):
    iam.person.claims = STUDENT
    iam.status["/jwk"] = (503, "EVIL")
    status, page = await try_login(hub)
    assert (status, page.title) == (503, "The login service does not answer")
    assert hub.rules() == ["iam-away"]
    assert hub.user("student1") is None


async def test_keys_of_before_serve_while_the_iam_is_silent_but_not_for_ever(
    hub, iam, monkeypatch
):
    iam.person.claims = STUDENT
    assert (await try_login(hub))[0] == 200
    iam.status["/jwk"] = (503, "")
    monkeypatch.setattr(key_set, "RENEW_SECONDS", -1.0)
    assert (await try_login(hub))[0] == 200
    monkeypatch.setattr(key_set, "FORGET_SECONDS", -1.0)
    status, page = await try_login(hub)
    assert (status, page.title) == (503, "The login service does not answer")


async def test_invented_kid_while_the_keys_are_away_has_a_page(hub, iam):
    iam.person.claims = STUDENT
    assert (await try_login(hub))[0] == 200
    iam.status["/jwk"] = (503, "")
    iam.keys, iam.kid = {"rsa2": rsa_key("rsa2")}, "rsa2"
    for title in (
        "The login service does not answer",
        "The login could not be verified",
    ):
        status, page = await try_login(hub)
        assert (status in (403, 503), page.title) == (True, title)
