"""Narrow tokens from a real hub's engine, and an IAM that speaks at the wire."""

from __future__ import annotations

import pytest
from fake_iam import sign

from jupyterhub_af.hub.hand_outs import NarrowRefusedError
from jupyterhub_af.hub.iam_http import IAMAwayError

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]
AUDIENCE, SCOPES = "https://se.example.org", ("openid",)


def ask(visited):
    authenticator = visited.hub.app.authenticator
    return authenticator.narrow_token(visited.user, AUDIENCE, SCOPES)


def offer_no_exchange(iam):
    iam.change_discovery = lambda document: {
        **document,
        "grant_types_supported": ["authorization_code", "refresh_token"],
    }


def kinds(iam):
    return [form["grant_type"].rpartition(":")[2] for form in iam.grants]


async def test_where_the_iam_exchanges_tokens_nothing_is_refreshed(hub, visit):
    hub.iam.may_exchange = True
    visited = await visit()
    before = await visited.state()
    access = await ask(visited)
    assert access.value != before["access_token"]
    assert access.expires_at - access.obtained_at == 600
    assert kinds(hub.iam) == ["token-exchange"]
    assert await visited.state() == before


@pytest.mark.parametrize("is_offered", [False, True], ids=["not offered", "refused"])
@pytest.mark.parametrize("rotates", [False, True], ids=["stable", "rotating"])
async def test_else_a_refresh_asks_for_less_and_its_refresh_token_is_kept(
    hub, visit, is_offered, rotates
):
    if not is_offered:
        offer_no_exchange(hub.iam)
    hub.iam.may_exchange = False
    hub.iam.rotates = rotates
    visited = await visit()
    before = await visited.state()
    access = await ask(visited)
    assert kinds(hub.iam) == [
        *(["token-exchange"] if is_offered else []),
        "refresh_token",
    ]
    assert hub.iam.grants[-1]["scope"] == "openid"
    assert hub.iam.grants[-1]["audience"] == AUDIENCE
    after = await visited.state()
    assert after["access_token"] == before["access_token"] != access.value
    assert (after["refresh_token"] != before["refresh_token"]) is rotates
    # the kept one is good: the person goes on
    assert (await ask(visited)).value != access.value


async def test_a_wider_answer_is_refused_and_its_refresh_token_kept(hub, visit):
    visited = await visit()
    hub.iam.change_answer = lambda answer: {**answer, "scope": "openid email"}
    before = await visited.state()
    with pytest.raises(NarrowRefusedError, match="wider"):
        await ask(visited)
    after = await visited.state()
    assert after["refresh_token"] != before["refresh_token"]
    assert await visited.page() == 200


async def test_a_token_that_ignores_the_audience_is_refused(hub, visit):
    visited = await visit()
    before = await visited.state()
    # as INDIGO IAM's own form, of a version that does not know the parameter
    wide = sign({"scope": "openid"}, hub.iam.keys[hub.iam.kid], {"alg": "RS256"})
    hub.iam.change_answer = lambda answer: {**answer, "access_token": wide}
    with pytest.raises(NarrowRefusedError, match="wider"):
        await ask(visited)
    after = await visited.state()
    assert after["refresh_token"] != before["refresh_token"]
    assert after["access_token"] == before["access_token"]


async def test_a_client_that_may_not_is_refused_and_locks_nobody_out(hub, visit):
    visited = await visit()
    hub.iam.refuse_grant = (400, {"error": "invalid_scope"})
    with pytest.raises(NarrowRefusedError):
        await ask(visited)
    assert await visited.page() == 200


async def look(visited, every, times):
    """Ask as a server does that has no token yet; return the grants that it cost."""
    before = len(visited.hub.iam.grants)
    for _ in range(times):
        visited.clock.pass_by(every)
        with pytest.raises(NarrowRefusedError):
            await ask(visited)
    return len(visited.hub.iam.grants) - before


@pytest.mark.parametrize("is_wide", [True, False], ids=["a wider one", "none"])
async def test_a_token_that_the_iam_refuses_is_asked_for_ever_less_often(
    hub, visit, is_wide
):
    offer_no_exchange(hub.iam)
    visited = await visit()
    if is_wide:
        hub.iam.change_answer = lambda answer: {**answer, "scope": "openid email"}
    else:
        hub.iam.refuse_grant = (400, {"error": "invalid_scope"})
    # at once, and half a minute, one, two, four, eight minutes later
    assert await look(visited, every=5, times=12 * 16) == 6
    assert await look(visited, every=5, times=12 * 60) == 6


async def test_another_wish_and_a_new_login_are_no_refused_ones(hub, visit):
    offer_no_exchange(hub.iam)
    visited = await visit()
    hub.iam.refuse_grant = (400, {"error": "invalid_scope"})
    assert await look(visited, every=1, times=3) == 1
    hub.iam.refuse_grant = None
    authenticator = hub.app.authenticator
    assert await authenticator.narrow_token(visited.user, AUDIENCE, ())
    with pytest.raises(NarrowRefusedError):
        await ask(visited)
    visited.clock.pass_by(1)
    assert (await visited.browser.log_in()).status_code == 200
    assert await ask(visited)


async def test_what_the_iam_gives_once_more_was_never_refused(hub, visit):
    offer_no_exchange(hub.iam)
    visited = await visit()
    for _ in range(5):
        hub.iam.refuse_grant = (400, {"error": "invalid_scope"})
        assert await look(visited, every=1, times=3) == 1
        hub.iam.refuse_grant = None
        visited.clock.pass_by(30)
        assert await ask(visited)


async def test_a_silent_iam_is_asked_for_narrow_tokens_once(hub, visit):
    visited = await visit()
    hub.iam.status["/token"] = (503, "")
    for _ in range(5):
        with pytest.raises(IAMAwayError):
            await ask(visited)
    assert hub.iam.calls.count("/token") <= 2 + 1
    assert await visited.page() == 200
