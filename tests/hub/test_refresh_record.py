"""What is stored of a login, and what may come between: restarts, logins, a bad disk."""

from __future__ import annotations

import asyncio

import pytest
from refresh_world import GRACE, RECHECK, SUSPENDED
from sign_in_world import STUDENT
from sqlalchemy.exc import OperationalError

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]


async def restart_engine(here) -> None:
    """Forget what is in memory, as a hub that starts again."""
    here.rechecks.close()
    await here.rechecks.settled()
    here.hub.app.authenticator._rechecks = None


async def test_a_restart_asks_nothing_anew_where_the_word_is_young(visit, iam):
    here = await visit()
    await restart_engine(here)
    here.clock.pass_by(RECHECK - 1)
    pages = [here.page() for _ in range(20)]
    assert set(await asyncio.gather(*pages)) == {200}
    assert iam.grants == []
    await restart_engine(here)
    here.clock.pass_by(1)
    assert set(await asyncio.gather(*(here.page() for _ in range(20)))) == {200}
    assert iam.refreshes() == 1


async def test_a_restart_forgets_no_refusal(visit, iam):
    here = await visit()
    iam.refuse_grant = SUSPENDED
    here.clock.pass_by(RECHECK)
    assert await here.page() == 302
    await restart_engine(here)
    iam.status["/token"] = (503, "")
    here.clock.pass_by(2 * RECHECK)
    assert (await here.page(), await here.api()) == (302, 403)


async def test_a_login_during_a_flight_is_not_undone(hub, visit, iam):
    here = await visit()
    here.clock.pass_by(RECHECK)
    iam.hanging["/token"] = asyncio.Event()
    flight = asyncio.create_task(here.rechecks.look(here.user))
    await iam.is_hanging.wait()
    waits = iam.hanging.pop("/token")
    iam.person.claims["groups"] = ["cygno"]
    async with hub.browser() as other:
        assert (await other.log_in()).status_code == 200
    login = await here.state()
    iam.person.claims["groups"] = ["hackathon"]
    waits.set()
    assert (await flight).status == "allowed"
    assert await here.state() == login
    assert here.groups() == ["cygno"]


async def test_a_database_that_refuses_the_write_harms_nobody(
    hub, visit, iam, monkeypatch
):
    here = await visit()
    here.clock.pass_by(RECHECK)
    commit = hub.app.db.commit

    def refuse() -> None:
        raise OperationalError("UPDATE", {}, Exception("disk is full"))

    stored = here.user.encrypted_auth_state
    await here.rechecks.look(here.user)
    here.clock.pass_by(RECHECK)
    monkeypatch.setattr(hub.app.db, "commit", refuse)
    assert (await here.rechecks.look(here.user)).status == "allowed"
    monkeypatch.setattr(hub.app.db, "commit", commit)
    assert here.user.encrypted_auth_state != stored
    # the rotated token of the answer that was not stored is the one that is shown next
    here.clock.pass_by(RECHECK)
    assert (await here.rechecks.look(here.user)).status == "allowed"
    assert iam.refreshes() == 3
    assert (await here.state())["checked_at"] == here.clock.at
    lines = [r.getMessage() for r in hub.log.records]
    assert any("goes on from memory" in line for line in lines)


async def test_a_flight_in_vain_ends_no_login_that_came_meanwhile(hub, visit, iam):
    here = await visit()
    here.clock.pass_by(GRACE + RECHECK)
    iam.hanging["/token"] = waits = asyncio.Event()
    flight = asyncio.create_task(here.rechecks.look(here.user))
    await iam.is_hanging.wait()
    iam.hanging.clear()
    async with hub.browser() as other:
        assert (await other.log_in()).status_code == 200
    iam.status["/token"] = (503, "")
    waits.set()
    assert (await flight).status == "allowed"
    assert (await here.page(), here.groups()) == (200, sorted(STUDENT["groups"]))
    lines = [r.getMessage() for r in hub.log.records]
    assert not any("ended the access" in line for line in lines)


async def test_a_person_deleted_during_a_flight_is_unknown(hub, visit, iam):
    here = await visit()
    here.clock.pass_by(RECHECK)
    iam.hanging["/token"] = asyncio.Event()
    flight = asyncio.create_task(here.rechecks.look(here.user))
    await iam.is_hanging.wait()
    hub.app.users.delete(here.user)
    iam.hanging.pop("/token").set()
    assert (await flight).status == "unknown"
    assert (await here.page(), hub.user("student1")) == (302, None)


# introspection


def by_introspection(hub) -> None:
    text = hub.facility_file.read_text()
    changed = text.replace('org/"}', 'org/", recheck_by: introspection}')
    assert changed != text
    hub.facility_file.write_text(changed)


async def test_introspection_sees_a_lost_group_and_spends_no_token(hub, visit, iam):
    by_introspection(hub)
    here = await visit()
    before = await here.state()
    iam.person.claims["groups"] = ["cygno"]
    here.clock.pass_by(RECHECK)
    assert (await here.page(), here.groups()) == (200, ["cygno"])
    assert (await here.state())["access_token"] == before["access_token"]
    iam.person.claims["groups"] = ["zoo"]
    here.clock.pass_by(RECHECK)
    assert (await here.page(), await here.api()) == (302, 403)
    assert iam.grants == []


async def test_introspection_renews_by_a_grant_when_the_token_nears_its_end(
    hub, visit, iam
):
    by_introspection(hub)
    here = await visit()
    for _ in range(11):
        here.clock.pass_by(RECHECK)
        assert await here.page() == 200
    assert (iam.calls.count("/introspect"), iam.refreshes()) == (10, 1)


async def test_a_token_that_introspection_calls_dead_is_renewed(hub, visit, iam):
    by_introspection(hub)
    here = await visit()
    iam.forget_access_tokens()
    here.clock.pass_by(RECHECK)
    assert await here.page() == 200
    assert (iam.refreshes(), here.groups()) == (1, sorted(STUDENT["groups"]))


@pytest.mark.parametrize("clears", [True, False], ids=["clears", "leaves"])
async def test_a_client_that_ends_old_tokens_is_noticed_once(hub, visit, iam, clears):
    iam.clears_tokens = clears
    here = await visit()
    for _ in range(3):
        here.clock.pass_by(RECHECK)
        assert await here.page() == 200
        await here.rechecks.settled()
    lines = [r.getMessage() for r in hub.log.records]
    warned = [line for line in lines if "ends access tokens at each refresh" in line]
    assert (len(warned), iam.calls.count("/introspect")) == (int(clears), 1)
