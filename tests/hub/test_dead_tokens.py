"""Refresh tokens that are no longer any: a matter of one person, never of the facility."""

from __future__ import annotations

import pytest
from fake_iam import CLIENT_ID
from refresh_world import CLIENT_SUSPENDED, RECHECK

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]
OTHER = {"preferred_username": "other1", "groups": ["cygno"]}


async def visit_two(visit):
    first, second = await visit(), await visit(OTHER, "sub-2")
    first.clock = second.clock
    return first, second


async def test_one_persons_dead_token_stops_nobody_elses_questions(visit, iam):
    here, other = await visit_two(visit)
    state = await here.state()
    await here.user.save_auth_state({**state, "refresh_token": "dead"})
    here.clock.pass_by(RECHECK)
    assert (await here.rechecks.look(here.user)).status == "login-needed"
    assert (await other.rechecks.look(other.user, "start")).status == "allowed"
    assert iam.refreshes() == 2


async def test_a_person_whom_the_iam_refuses_as_a_client_is_not_the_only_trial(
    visit, iam
):
    here, other = await visit_two(visit)
    here.clock.pass_by(RECHECK)
    iam.refuse_grant = (401, {"error": "something_else"})
    assert (await here.rechecks.look(here.user)).status == "client-refused"
    shown = iam.refreshes()
    here.clock.pass_by(5)
    for why in ("page", "keeper", "start", "token"):
        assert (await here.rechecks.look(here.user, why)).status == "client-refused"
    assert iam.refreshes() == shown
    iam.refuse_grant = None
    assert (await other.rechecks.look(other.user, "start")).status == "allowed"


async def test_tokens_of_a_client_of_before_are_not_shown_and_need_a_login(visit, iam):
    here = await visit()
    state = await here.state()
    assert state["client_id"] == CLIENT_ID
    await here.user.save_auth_state({**state, "client_id": "of-before"})
    here.clock.pass_by(RECHECK)
    assert await here.page() == 302
    assert (await here.state())["refusal"] == "login-needed"
    assert state["refresh_token"] not in str(iam.grants)


async def test_a_wrong_name_of_the_client_locks_nobody_out(visit, iam):
    here = await visit()
    state = await here.state()
    await here.user.save_auth_state({**state, "client_id": "the-right-one"})
    iam.refuse_grant = CLIENT_SUSPENDED
    here.clock.pass_by(RECHECK)
    assert (await here.page(), await here.api()) == (200, 200)
    after = await here.state()
    assert after["refresh_token"] == state["refresh_token"]


async def test_a_record_of_an_earlier_version_is_taken_for_this_clients(visit, iam):
    here = await visit()
    state = await here.state()
    state.pop("client_id")
    await here.user.save_auth_state(state)
    here.clock.pass_by(RECHECK)
    assert await here.page() == 200
    assert (await here.state())["checked_at"] == here.clock.at
