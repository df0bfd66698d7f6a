"""An IAM that hangs, breaks or changes its keys: what it costs, and when all is well again."""

from __future__ import annotations

import asyncio

import pytest
from fake_iam import rsa_key
from refresh_world import GRACE, RECHECK, make_visit

from jupyterhub_af.hub.discovery import Discovery

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]


OTHER = {"preferred_username": "other1", "groups": ["cygno"]}


async def test_while_one_question_hangs_others_neither_ask_nor_wait(hub, visit, iam):
    first = await visit()
    here = await visit(OTHER, "sub-2")
    first.clock = here.clock
    here.clock.pass_by(RECHECK)
    iam.hanging["/token"] = asyncio.Event()
    hanging = asyncio.create_task(first.page())
    await iam.is_hanging.wait()
    # a second without a word: the next question keeps the pace, and nobody waits for it
    here.clock.pass_by(1)
    for _ in range(20):
        assert (await here.page(), await here.api()) == (200, 200)
    assert iam.calls.count("/token") - 2 <= 2
    iam.hanging.pop("/token").set()
    assert await hanging == 200
    await here.rechecks.settled()


@pytest.mark.parametrize("why", ["page", "keeper", "start"])
async def test_an_iam_that_is_slow_puts_nobody_out_and_refuses_no_start(
    hub, visit, iam, why
):
    first, second = await visit(), await visit(OTHER, "sub-2")
    here = await visit({**OTHER, "preferred_username": "third1"}, "sub-3")
    first.clock = second.clock = here.clock
    # back in the morning: nobody's word holds any more
    here.clock.pass_by(GRACE + RECHECK)
    iam.hanging["/token"] = waits = asyncio.Event()
    looks = [asyncio.create_task(first.rechecks.look(first.user))]
    await iam.is_hanging.wait()
    for one in (second, here):
        here.clock.pass_by(1.1 if one is second else 0.3)
        looks.append(asyncio.create_task(here.rechecks.look(one.user, why)))
        await asyncio.sleep(0.1)
    # the third keeps the pace, and is out of nothing meanwhile
    assert iam.calls.count("/token") == 3 + 2
    assert here.groups() == ["cygno"]
    iam.hanging.clear()
    waits.set()
    assert [(await look).status for look in looks] == ["allowed"] * 3
    lines = [r.getMessage() for r in hub.log.records]
    assert not any("ended the access" in line for line in lines)


BROKEN = {
    "5xx": (500, ""),
    "half an answer": (200, '{"access_token": "abc'),
    "a page in place of an answer": (200, "<html>hello</html>"),
    "not found": (404, "<html>"),
    "sent elsewhere": (302, ""),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_answer_is_silence_and_costs_one_question(visit, iam, kind):
    here = await visit()
    iam.status["/token"] = BROKEN[kind]
    before = await here.state()
    here.clock.pass_by(RECHECK)
    calls = iam.calls.count("/token")
    for _ in range(20):
        assert await here.page() == 200
    assert iam.calls.count("/token") - calls == 1
    assert await here.state() == before
    iam.status.clear()
    here.clock.pass_by(1)
    await here.rechecks.knock()
    here.clock.pass_by(1)
    await here.page()
    await here.rechecks.settled()
    assert (await here.state())["checked_at"] == here.clock.at


async def test_keys_that_changed_in_an_outage_are_fetched(visit, iam):
    here = await visit()
    iam.keys, iam.kid = {"rsa2": rsa_key("rsa2")}, "rsa2"
    iam.person.claims["groups"] = ["cygno"]
    here.clock.pass_by(RECHECK)
    assert (await here.page(), here.groups()) == (200, ["cygno"])
    assert iam.calls.count("/jwk") == 2


async def test_no_page_waits_twice_for_an_iam_that_hangs(start_hub, iam):
    hub = await start_hub(iam_timeout_seconds=0.2)
    here = await make_visit(hub)
    client = hub.app.authenticator.iam()
    # a hub that has just started knows nothing of where the IAM's endpoints are
    client._discovery = Discovery(iam.issuer, timeout_seconds=0.2, log=hub.app.log)
    here.clock.pass_by(RECHECK)
    hangs = [client._discovery.url.removeprefix(iam.url), "/token"]
    waits = asyncio.Event()
    iam.hanging.update(dict.fromkeys(hangs, waits))
    calls = len(iam.calls)
    assert await here.page() == 200
    await here.rechecks.settled()
    # the refresh token was shown to nobody
    assert iam.calls[calls:].count("/token") == 0
    iam.hanging.clear()
    waits.set()
    here.clock.pass_by(2)
    await here.rechecks.knock()
    here.clock.pass_by(2)
    assert (await here.rechecks.look(here.user, "start")).status == "allowed"
    await here.browser.http.aclose()


def spoil(token: str) -> str:
    return token[:-8] + "AAAAAAAA"


async def test_answers_about_one_person_that_make_no_sense_are_ever_rarer(visit, iam):
    here = await visit()
    iam.change_token = spoil
    here.clock.pass_by(RECHECK)
    for _ in range(70):
        assert await here.page() == 200
        here.clock.pass_by(1)
    # after 10, 30 and 70 seconds; a start waits for ten seconds only
    assert iam.refreshes() == 3
    assert (await here.rechecks.look(here.user, "start")).status == "silent"
    assert iam.refreshes() == 4


async def test_answers_about_many_that_make_no_sense_are_an_outage(hub, visit, iam):
    people = [
        await visit({**OTHER, "preferred_username": f"p{i}"}, f"sub-{i}")
        for i in range(6)
    ]
    clock = people[-1].clock
    here = people[0].rechecks
    iam.change_token = spoil
    clock.pass_by(RECHECK)
    for _ in range(10):
        for one in people:
            assert (await here.look(one.user)).status in ("silent", "allowed")
            await here.settled()
    assert iam.refreshes() == 3
    # one question now and then finds out whether it is over
    for expected in (4, 5):
        await here.knock()
        clock.pass_by(8)
        for one in people:
            await here.look(one.user)
            await here.settled()
        assert iam.refreshes() == expected
    iam.change_token = lambda token: token
    await here.knock()
    clock.pass_by(10)
    for one in people:
        assert (await here.look(one.user, "start")).status == "allowed"
    lines = [r.getMessage() for r in hub.log.records]
    assert sum("are not to be believed" in line for line in lines) == 1
