"""An IAM that hangs, breaks or changes its keys: what it costs, and when all is well again."""

from __future__ import annotations

import asyncio

import pytest
from fake_iam import rsa_key
from refresh_world import RECHECK

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]


async def test_while_one_question_hangs_others_neither_ask_nor_wait(hub, visit, iam):
    first = await visit()
    here = await visit({"preferred_username": "other1", "groups": ["cygno"]}, "sub-2")
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
