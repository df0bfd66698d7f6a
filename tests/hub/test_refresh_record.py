"""What is stored of a login, and what may come between: restarts, logins, a bad disk."""

from __future__ import annotations

import asyncio
import os

import pytest
from jupyterhub.crypto import CryptKeeper
from refresh_world import GRACE, RECHECK, SUSPENDED
from sign_in_world import ADMIN, STUDENT
from sqlalchemy.exc import OperationalError

from jupyterhub_af.hub import rechecks

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


@pytest.fixture
def another_key(monkeypatch):
    """Let the hub have two keys, as while they are changed: it then writes what it reads."""
    keeper = CryptKeeper.instance()
    monkeypatch.setattr(keeper, "keys", [os.urandom(32), *keeper.keys])


@pytest.fixture
async def later(monkeypatch):
    """Keep what the engine would do later, for the test to do."""
    loop, kept = asyncio.get_running_loop(), []
    call_later = loop.call_later

    def keep(delay, act, *arguments, **more):
        if delay != rechecks.SAVE_AGAIN_SECONDS:
            return call_later(delay, act, *arguments, **more)
        return kept.append(act)

    monkeypatch.setattr(rechecks, "SAVE_AGAIN_SECONDS", 4.75)
    monkeypatch.setattr(loop, "call_later", keep)
    return kept


async def ask_narrow(here) -> None:
    authenticator = here.hub.app.authenticator
    await authenticator.narrow_token(here.user, "https://se.example.org", ("openid",))


async def test_groups_that_the_database_refused_are_stored_as_soon_as_it_does(
    hub, visit, iam, monkeypatch
):
    here = await visit({**ADMIN, "groups": ["hackathon", *ADMIN["groups"]]})
    assert here.user.admin
    iam.person.claims["groups"] = ["hackathon"]
    here.clock.pass_by(RECHECK)

    def refuse() -> None:
        raise OperationalError("UPDATE", {}, Exception("database is locked"))

    with monkeypatch.context() as patch:
        patch.setattr(hub.app.db, "commit", refuse)
        assert (await here.rechecks.look(here.user)).status == "allowed"
        assert (await here.rechecks.look(here.user)).status == "allowed"
    assert here.user.admin
    here.clock.pass_by(1)
    assert (await here.rechecks.look(here.user)).status == "allowed"
    assert (here.user.admin, here.groups()) == (False, ["hackathon"])
    assert iam.refreshes() == 1


async def test_one_look_is_waiting_however_often_the_database_refuses(
    hub, visit, iam, later, monkeypatch
):
    here = await visit()
    commit = hub.app.db.commit

    def refuse() -> None:
        raise OperationalError("UPDATE", {}, Exception("disk is full"))

    later.clear()
    monkeypatch.setattr(hub.app.db, "commit", refuse)
    for _ in range(3):
        here.clock.pass_by(RECHECK)
        assert (await here.rechecks.look(here.user)).status == "allowed"
    assert len(later) == 1
    later.pop()()
    await here.rechecks.settled()
    assert len(later) == 1
    monkeypatch.setattr(hub.app.db, "commit", commit)
    later.pop()()
    await here.rechecks.settled()
    assert (await here.state())["checked_at"] == here.clock.at


async def test_nothing_is_kept_of_a_person_who_was_deleted(hub, visit, iam):
    here = await visit()
    here.clock.pass_by(RECHECK)
    assert await here.page() == 200
    await here.rechecks.settled()
    assert here.rechecks.peek(here.user) is not None
    hub.app.authenticator.delete_user(here.user)
    # what is stored is not looked for
    assert here.rechecks.peek(here.user) is None
    hub.app.users.delete(here.user)


async def test_what_was_kept_of_a_deleted_person_is_forgotten_a_little_later(
    hub, visit, later
):
    here = await visit()
    later.clear()
    here.clock.pass_by(RECHECK)
    assert await here.page() == 200
    # by another way than the authenticator, which forgets at once
    hub.app.users.delete(here.user)
    [look_again] = later
    look_again()
    await here.rechecks.settled()
    assert here.rechecks.peek(here.user) is None


@pytest.mark.parametrize(
    "renew", [ask_narrow, None], ids=["a narrow token's", "a re-check's"]
)
@pytest.mark.parametrize(
    "is_restarted", [True, False], ids=["after a restart", "in the same hub"]
)
async def test_a_hub_that_writes_an_old_text_again_does_not_bring_a_dead_token_back(
    visit, iam, another_key, later, monkeypatch, renew, is_restarted
):
    iam.change_discovery = lambda found: {**found, "grant_types_supported": []}
    here = await visit()
    save, goes_on = type(here.user).save_auth_state, asyncio.Event()

    async def save_late(user, state):
        await goes_on.wait()
        await save(user, state)

    monkeypatch.setattr(type(here.user), "save_auth_state", save_late)
    page = asyncio.create_task(here.user.get_auth_state())
    while not iam.grants:
        await asyncio.sleep(0)
        if renew:
            await renew(here)
        else:
            here.clock.pass_by(RECHECK)
            await here.rechecks.look(here.user)
    goes_on.set()
    await page
    if is_restarted:
        later.pop()()
        await here.rechecks.settled()
        await restart_engine(here)
    here.clock.pass_by(RECHECK)
    assert (await here.rechecks.look(here.user)).status == "allowed"
    assert iam.refreshes() == 2


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
