"""Membership that is looked at again: what a grant answers, and what follows from it."""

from __future__ import annotations

import asyncio

import pytest
from fake_iam import DEAD_TOKEN
from prometheus_client import REGISTRY, generate_latest
from refresh_world import AUP, CLIENT_SUSPENDED, GRACE, RECHECK, SUSPENDED
from sign_in_world import ADMIN, STUDENT, Page, assert_secrets_unlogged

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]


async def test_a_young_word_is_not_asked_for_again(hub, visit, iam):
    here = await visit()
    calls = len(iam.calls)
    here.clock.pass_by(RECHECK - 1)
    assert (await here.page(), await here.api()) == (200, 200)
    assert len(iam.calls) == calls


@pytest.mark.parametrize("rotates", [True, False], ids=["rotating", "stable"])
async def test_an_old_word_costs_one_grant_and_brings_groups_and_tokens(
    hub, visit, iam, rotates
):
    iam.rotates = rotates
    here = await visit()
    before = await here.state()
    iam.person.claims["groups"] = ["cygno"]
    for _ in range(3):
        here.clock.pass_by(RECHECK)
        assert await here.page() == 200
        assert await here.api() == 200
    after = await here.state()
    assert iam.refreshes() == 3
    assert here.groups() == after["groups"] == ["cygno"]
    assert after["access_token"] != before["access_token"]
    assert (after["refresh_token"] != before["refresh_token"]) is rotates
    assert after["checked_at"] == here.clock.at
    assert after["token_expires_at"] == here.clock.at + 3599
    assert_secrets_unlogged(hub)


async def test_fifty_requests_at_once_are_one_grant(hub, visit, iam):
    here = await visit()
    here.clock.pass_by(RECHECK)
    pages = [here.page() for _ in range(25)] + [here.api() for _ in range(25)]
    assert set(await asyncio.gather(*pages)) == {200}
    assert iam.refreshes() == 1


async def test_a_client_that_hangs_up_cancels_nothing(hub, visit, iam):
    here = await visit()
    here.clock.pass_by(RECHECK)
    iam.hanging["/token"] = asyncio.Event()
    looks = [asyncio.create_task(here.rechecks.look(here.user)) for _ in range(2)]
    await iam.is_hanging.wait()
    looks[0].cancel()
    iam.hanging.pop("/token").set()
    assert (await looks[1]).status == "allowed"
    assert (await here.state())["checked_at"] == here.clock.at


@pytest.mark.parametrize(
    ("answer", "status", "keeps_token"),
    [
        pytest.param(SUSPENDED, "suspended", True, id="account suspended"),
        pytest.param(AUP, "aup-unsigned", True, id="rules unsigned"),
        pytest.param(
            (400, {"error": "invalid_grant"}), "login-needed", False, id="revoked"
        ),
        pytest.param(
            (401, DEAD_TOKEN), "login-needed", False, id="revoked, in the IAM's words"
        ),
    ],
)
async def test_a_refusal_of_the_person_ends_everything_at_once(
    hub, visit, iam, answer, status, keeps_token
):
    here = await visit()
    iam.refuse_grant = answer
    here.clock.pass_by(RECHECK)
    assert (await here.page(), await here.api()) == (302, 403)
    assert here.groups() == []
    state = await here.state()
    assert (state["refusal"], state["refresh_token"] is not None) == (
        status,
        keeps_token,
    )
    for _ in range(5):
        assert (await here.page(), await here.api()) == (302, 403)
    assert iam.refreshes() == 1
    assert [r.getMessage() for r in hub.log.records if r.exc_info] == []
    login = Page(await here.browser.get("login"))
    assert login.alert
    iam.refuse_grant = None
    assert (await here.browser.log_in()).status_code == 200
    assert (await here.page(), await here.api()) == (200, 200)
    assert here.groups() == sorted(STUDENT["groups"])


async def test_a_lost_group_ends_access_and_a_given_one_brings_it_back(hub, visit, iam):
    here = await visit()
    iam.person.claims["groups"] = ["zoo"]
    here.clock.pass_by(RECHECK)
    assert (await here.page(), await here.api(), here.groups()) == (302, 403, [])
    page = Page(await here.browser.get("login"))
    assert "it is for members of one of the groups hackathon, cygno" in page.alert
    iam.person.claims["groups"] = ["hackathon"]
    here.clock.pass_by(RECHECK)
    assert (await here.page(), await here.api()) == (200, 200)
    assert here.groups() == ["hackathon"]
    assert iam.refreshes() == 2


async def test_an_administrator_who_left_the_group_is_none_after_the_recheck(
    hub, visit, iam
):
    claims = {**ADMIN, "groups": [*ADMIN["groups"], "hackathon"]}
    here = await visit(claims)
    assert here.user.admin
    assert (await here.browser.get("admin", follow=False)).status_code == 200
    iam.person.claims["groups"] = ["hackathon"]
    here.clock.pass_by(RECHECK)
    assert await here.page() == 200
    assert not here.user.admin
    assert (await here.browser.get("admin", follow=False)).status_code in (403, 404)


async def test_a_refused_client_locks_nobody_out_and_raises_the_alarm(hub, visit, iam):
    here = await visit()
    iam.refuse_grant = CLIENT_SUSPENDED
    here.clock.pass_by(RECHECK)
    for _ in range(10):
        assert (await here.page(), await here.api()) == (200, 200)
    assert iam.refreshes() == 1
    assert "af_iam_client_refused 1.0" in generate_latest(REGISTRY).decode()
    iam.refuse_grant = None
    here.clock.pass_by(10)
    await here.page()
    await here.rechecks.settled()
    assert (await here.state())["checked_at"] == here.clock.at
    assert "af_iam_client_refused 0.0" in generate_latest(REGISTRY).decode()
    assert any("refuses this facility" in r.getMessage() for r in hub.log.records)


async def test_an_id_token_of_somebody_else_ends_the_login(hub, visit, iam):
    here = await visit()
    iam.change_claims = lambda claims: {**claims, "sub": "sub-2"}
    here.clock.pass_by(RECHECK)
    assert (await here.page(), await here.api()) == (302, 403)
    assert (await here.state())["refusal"] == "login-needed"


@pytest.mark.parametrize("rotates", [True, False], ids=["rotating", "stable"])
async def test_a_bad_id_token_confirms_nothing_and_loses_no_refresh_token(
    hub, visit, iam, rotates
):
    iam.rotates = rotates
    here = await visit()
    before = await here.state()
    iam.change_token = lambda token: token[:-6] + "AAAAAA"
    iam.person.claims["groups"] = ["cygno"]
    here.clock.pass_by(RECHECK)
    for _ in range(5):
        assert await here.page() == 200
    assert iam.refreshes() == 1
    assert here.groups() == sorted(STUDENT["groups"])
    assert (await here.state())["checked_at"] == before["checked_at"]
    iam.change_token = lambda token: token
    here.clock.pass_by(10)
    assert await here.page() == 200
    assert here.groups() == ["cygno"]


async def test_a_refresh_without_an_id_token_is_read_from_userinfo(hub, visit, iam):
    here = await visit()
    iam.brings_id_token = False
    iam.person.userinfo = {"groups": ["cygno"]}
    here.clock.pass_by(RECHECK)
    assert await here.page() == 200
    assert here.groups() == ["cygno"]
    iam.person.userinfo = {"groups": ["cygno"], "sub": "sub-2"}
    here.clock.pass_by(RECHECK)
    assert await here.page() == 200
    assert (await here.state())["checked_at"] == here.clock.at - RECHECK


async def test_a_silent_iam_harms_nobody_within_the_grace_and_lets_nobody_stay_after(
    hub, visit, iam
):
    here = await visit()
    iam.status["/token"] = (503, "")
    iam.status["/.well-known/openid-configuration"] = (503, "")
    here.clock.pass_by(RECHECK)
    calls = len(iam.calls)
    for _ in range(10):
        assert (await here.page(), await here.api()) == (200, 200)
    assert iam.calls[calls:].count("/token") == 1
    here.clock.pass_by(GRACE - RECHECK)
    assert (await here.page(), await here.api()) == (200, 200)
    here.clock.pass_by(1)
    assert (await here.page(), await here.api()) == (302, 403)
    assert here.groups() == []


async def test_an_iam_that_is_back_is_asked_once_then_by_all(hub, visit, iam):
    here = await visit()
    iam.status["/token"] = iam.status["/.well-known/openid-configuration"] = (503, "")
    here.clock.pass_by(RECHECK)
    assert await here.page() == 200
    iam.status.clear()
    here.clock.pass_by(1)
    await here.rechecks.knock()
    assert await here.page() == 200
    # the trial waits for the pace, and nobody for the trial
    here.clock.pass_by(1)
    assert await here.page() == 200
    await here.rechecks.settled()
    assert (await here.state())["checked_at"] == here.clock.at
    assert iam.refreshes() == 1


async def test_a_hub_that_died_after_the_grant_asks_for_one_clean_login(
    hub, visit, iam
):
    here = await visit()
    # as if the answer to a grant had come, and nothing of it was stored
    iam.revoke()
    here.clock.pass_by(RECHECK)
    for _ in range(5):
        assert await here.page() == 302
    assert iam.refreshes() == 1
    assert (await here.browser.log_in()).status_code == 200
    here.clock.pass_by(RECHECK)
    assert await here.page() == 200
    assert iam.refreshes() == 2


async def test_a_login_of_before_this_version_is_looked_at_at_once(hub, visit, iam):
    here = await visit()
    state = await here.state()
    old = {
        k: state[k] for k in ("access_token", "refresh_token", "scope", "iss", "sub")
    }
    await here.user.save_auth_state({**old, "groups": ["hackathon"]})
    iam.person.claims["groups"] = ["cygno"]
    assert (await here.page(), here.groups(), iam.refreshes()) == (200, ["cygno"], 1)


async def test_tokens_of_another_iam_are_not_shown_to_this_one(hub, visit, iam):
    here = await visit()
    state = await here.state()
    await here.user.save_auth_state({**state, "iss": "https://other.example.org/"})
    here.clock.pass_by(RECHECK)
    assert await here.page() == 302
    assert iam.grants == []


async def test_nobody_sees_what_the_hub_keeps_of_a_login(hub, visit, iam):
    claims = {**ADMIN, "groups": [*ADMIN["groups"], "hackathon"]}
    here = await visit(claims)
    answer = await here.call("api/users/admin1", here.token)
    assert answer.status_code == 200
    assert "auth_state" not in answer.json()
    assert [s for s in iam.secrets if s in answer.text] == []


async def test_the_service_hears_of_each_login(hub, visit, iam, service):
    here = await visit()
    assert service.logins == ["student1"]
    await here.browser.log_in()
    assert service.logins == ["student1"] * 2
