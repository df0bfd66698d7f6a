"""The route by which the service has somebody looked at again: who may, and what it says."""

from __future__ import annotations

import asyncio
import json

import pytest
from refresh_world import CLIENT_SUSPENDED, GRACE, RECHECK, SUSPENDED, make_service
from sign_in_world import ADMIN

from jupyterhub_af.policy.freshness import OUT_SECONDS

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]
ROUTE = "api/af/recheck"
ME = {"user": "student1"}
OTHER = {"preferred_username": "other1"}


async def recheck(here, token, body=ME):
    return await here.call(ROUTE, token, "POST", content=json.dumps(body))


async def test_the_service_hears_a_word_and_a_time(hub, visit, iam):
    here = await visit()
    token, began = make_service(hub), here.clock.at
    answer = await recheck(here, token)
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "allowed", "checked_at": began},
    )
    assert answer.headers["Cache-Control"] == "no-store"
    here.clock.pass_by(RECHECK - 15)
    assert (await recheck(here, token)).json() == {
        "status": "allowed",
        "checked_at": here.clock.at,
    }
    iam.refuse_grant = SUSPENDED
    here.clock.pass_by(RECHECK)
    assert (await recheck(here, token)).json() == {
        "status": "suspended",
        "checked_at": here.clock.at - RECHECK,
    }
    assert iam.refreshes() == 2


async def test_it_is_no_way_to_ask_the_iam_too_often(hub, visit, iam):
    here = await visit()
    token = make_service(hub)
    here.clock.pass_by(RECHECK)
    answers = await asyncio.gather(*(recheck(here, token) for _ in range(20)))
    assert {a.json()["status"] for a in answers} == {"allowed"}
    for _ in range(20):
        here.clock.pass_by(1)
        await recheck(here, token)
    assert iam.refreshes() == 1


async def test_whoever_s_server_ends_is_asked_about_as_often_as_who_is_out(
    hub, visit, iam
):
    here = await visit()
    token = make_service(hub)
    here.clock.pass_by(OUT_SECONDS + 1)
    await recheck(here, token)
    assert iam.refreshes() == 0
    answer = await recheck(here, token, {**ME, "is_ending": True})
    assert answer.json() == {"status": "allowed", "checked_at": here.clock.at}
    await recheck(here, token, {**ME, "is_ending": True})
    assert iam.refreshes() == 1


async def test_silence_and_a_refused_client_are_told_apart(hub, visit, iam):
    here = await visit()
    token, began = make_service(hub), here.clock.at
    iam.refuse_grant = CLIENT_SUSPENDED
    here.clock.pass_by(RECHECK)
    said = {"status": "client-refused", "checked_at": began}
    assert (await recheck(here, token)).json() == said
    iam.refuse_grant = None
    iam.status["/token"] = (502, "")
    here.clock.pass_by(10)
    await recheck(here, token)
    await here.rechecks.settled()
    assert (await recheck(here, token)).json() == {**said, "status": "silent"}


async def test_an_edited_file_is_heard_of_without_asking_the_iam(hub, visit, iam):
    here = await visit()
    token = make_service(hub)
    text = hub.facility_file.read_text()
    hub.facility_file.write_text(text.replace("[hackathon, cygno]", "[cygno]"))
    assert (await recheck(here, token)).json()["status"] == "denied"
    assert here.groups() == []
    hub.facility_file.write_text(text)
    assert (await recheck(here, token)).json()["status"] == "allowed"
    assert here.groups() == ["hackathon", "hackathon/students"]
    assert iam.grants == []


async def test_an_edit_that_is_taken_back_restores_in_an_outage_too(hub, visit, iam):
    here, other = await visit(), await visit({**OTHER, "groups": ["cygno"]}, "sub-2")
    here.clock = other.clock
    token = make_service(hub)
    iam.person.claims["groups"] = ["zoo"]
    other.clock.pass_by(RECHECK)
    assert (await recheck(other, token, {"user": "other1"})).json()[
        "status"
    ] == "denied"
    iam.status["/token"] = iam.status["/.well-known/openid-configuration"] = (503, "")
    await recheck(here, token)
    text = hub.facility_file.read_text()
    hub.facility_file.write_text(text.replace("[hackathon, cygno]", "[cygno]"))
    for _ in range(2):
        assert (await recheck(here, token)).json()["status"] == "denied"
        assert here.groups() == []
        here.clock.pass_by(RECHECK)
    hub.facility_file.write_text(text)
    assert (await recheck(here, token)).json()["status"] == "silent"
    assert here.groups() == ["hackathon", "hackathon/students"]
    assert (await here.page(), await here.api()) == (200, 200)
    # whom the IAM's word put out is out still
    answer = (await recheck(other, token, {"user": "other1"})).json()
    assert (answer["status"], other.groups()) == ("denied", [])


async def test_whose_grace_ended_reads_that_and_of_no_lost_group(hub, visit, iam):
    here = await visit()
    token = make_service(hub)
    here.clock.pass_by(GRACE + 1)
    iam.status["/token"] = (500, "")
    for _ in range(3):
        assert (await recheck(here, token)).json()["status"] == "expired"
        why = str(here.rechecks.explain(here.user))
        assert "has not answered for a long time" in why
        here.clock.pass_by(RECHECK)


async def test_people_whom_nobody_knows_are_said_to_be_unknown(hub, visit):
    here = await visit()
    answer = await recheck(here, make_service(hub), {"user": "nobody"})
    assert answer.json() == {"status": "unknown", "checked_at": None}


async def test_a_person_without_a_login_needs_one(hub, visit):
    here = await visit()
    # the test hub's own user never logged in
    answer = await recheck(here, make_service(hub), {"user": "user"})
    assert answer.json() == {"status": "login-needed", "checked_at": None}


async def test_a_login_that_is_written_again_meanwhile_is_a_login(
    hub, visit, monkeypatch
):
    here = await visit()
    look = here.rechecks.look

    async def look_and_write(user, why="page"):
        standing = await look(user, why)
        await user.save_auth_state(await user.get_auth_state())
        return standing

    monkeypatch.setattr(here.rechecks, "look", look_and_write)
    here.clock.pass_by(RECHECK)
    said = {"status": "allowed", "checked_at": here.clock.at}
    assert (await recheck(here, make_service(hub))).json() == said


async def test_nobody_but_the_service_may_ask(hub, visit, iam, subtests):
    here = await visit({**ADMIN, "groups": ["hackathon", *ADMIN["groups"]]})
    calls = len(iam.calls)
    here.clock.pass_by(RECHECK - 10)
    callers = {
        "an administrator's token": here.token,
        "another service": make_service(hub, "other"),
        "a token nobody gave": "x" * 32,
    }
    for what, token in callers.items():
        with subtests.test(what):
            answer = await recheck(here, token, {"user": "admin1"})
            assert answer.status_code == 403
    with subtests.test("an administrator's cookie"):
        url = f"{hub.url}{ROUTE}"
        answer = await here.browser.http.post(url, content=json.dumps(ME))
        assert answer.status_code == 403
    with subtests.test("the token in the address"):
        token = make_service(hub, "third")
        url = f"{hub.url}{ROUTE}?token={token}"
        answer = await here.browser.http.post(url, content=json.dumps(ME))
        assert answer.status_code == 403
    assert len(iam.calls) == calls


async def test_a_question_of_another_form_is_refused(hub, visit, subtests):
    here = await visit()
    token = make_service(hub)
    bodies = ["", "{}", "[]", "{", '{"user": 1}', '{"user": ""}', '{"name": "x"}']
    for body in [*bodies, json.dumps({"user": "x" * 5000}), '{"user":"a","b":1}']:
        with subtests.test(body[:20]):
            answer = await here.call(ROUTE, token, "POST", content=body)
            assert answer.status_code == 400
            assert "Traceback" not in answer.text
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        with subtests.test(method):
            answer = await here.call(ROUTE, token, method)
            assert answer.status_code == 405
