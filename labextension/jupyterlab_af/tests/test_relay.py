from __future__ import annotations

import asyncio
import functools
import json
import logging
from contextlib import asynccontextmanager

import pytest

from jupyterlab_af import relay as relay_module
from jupyterlab_af.relay import TAB_EVENTS, Relay, check_event
from jupyterlab_af.service import Service, ServiceAddress
from jupyterlab_af.sse import Event
from jupyterlab_af.tests.worlds import (
    CREDENTIAL,
    ME,
    history,
    running_service,
    until,
)

LOG = logging.getLogger("relay")
WHOLE = ["me", "lifetime", "clusters", "storage", "access", "history"]
# the state, and that the service is back
FIRST = len(WHOLE) + 1


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(relay_module, "LONGEST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(relay_module, "SHORTEST_PAUSE_SECONDS", 0.05)


@pytest.fixture
def service():
    with running_service() as fake:
        yield fake


@asynccontextmanager
async def following(service):
    """Give a relay of the service."""
    address = ServiceAddress(service.url, CREDENTIAL, timeout_seconds=20)
    client = Service(address)
    relay = Relay(client, log=LOG, secret=CREDENTIAL)
    try:
        yield relay
    finally:
        await relay.close()
        await client.close()


async def read(tab, count):
    """Return the next events of a tab."""
    return [await tab.next(20) for _ in range(count)]


def kinds(events):
    return [event.kind for event in events]


def run(test):
    """Make an ordinary test of an asynchronous one."""

    @functools.wraps(test)
    def ran(**fixtures):
        async def bounded():
            async with asyncio.timeout(60):
                await test(**fixtures)

        asyncio.run(bounded())

    return ran


@run
async def test_a_tab_gets_the_whole_state_and_then_what_changes(service):
    async with following(service) as relay:
        tab = relay.join("")
        assert kinds(await read(tab, FIRST)) == ["back", *WHOLE]
        service.publish(history(3))
        (event,) = await read(tab, 1)
        assert json.loads(event.data) == history(3)
        assert event.id == "e-7"


@run
async def test_many_tabs_share_one_connection(service):
    async with following(service) as relay:
        first = relay.join("")
        await read(first, FIRST)
        others = [relay.join("") for _ in range(5)]
        for tab in others:
            assert kinds(await read(tab, FIRST)) == [*WHOLE, "back"]
        service.publish(history(3))
        for tab in (first, *others):
            assert kinds(await read(tab, 1)) == ["history"]
        assert service.opened == [None]


@run
async def test_a_later_tab_gets_every_line_of_the_history(service):
    async with following(service) as relay:
        first = relay.join("")
        await read(first, FIRST)
        service.publish(history(2, 3))
        await read(first, 1)
        *others, told, _ = await read(relay.join(""), FIRST)
        assert json.loads(told.data) == history(1, 2, 3)
        # who is cut off before the last of them comes back for all of it
        assert [event.id for event in others] == [""] * (len(WHOLE) - 1)
        assert told.id == "e-7"


@run
async def test_nobody_listens_nothing_is_asked(service):
    async with following(service) as relay:
        await asyncio.sleep(0.1)
        assert service.opened == []
        tab = relay.join("")
        await read(tab, FIRST)
        relay.leave(tab)
        await until(lambda: service.listeners == 0)
        service.publish(history(3))
        assert service.opened == [None]


@run
async def test_a_tab_that_comes_again_gets_only_what_it_missed(service):
    async with following(service) as relay:
        tab = relay.join("")
        last_id = (await read(tab, FIRST))[-1].id
        relay.leave(tab)
        service.publish(history(3))
        tab = relay.join(last_id)
        assert kinds(await read(tab, 2)) == ["back", "history"]
        assert service.opened == [None, "e-6"]


@run
async def test_a_tab_that_comes_again_while_others_listen_gets_what_it_missed(service):
    async with following(service) as relay:
        await read(relay.join(""), FIRST)
        assert kinds(await read(relay.join("e-2"), 5)) == [
            "clusters",
            "storage",
            "access",
            "history",
            "back",
        ]


@run
async def test_a_tab_of_another_time_gets_the_whole_state_anew(service):
    async with following(service) as relay:
        tab = relay.join("")
        await read(tab, FIRST)
        relay.leave(tab)
        await until(lambda: service.listeners == 0)
        assert kinds(await read(relay.join("z-9"), FIRST)) == ["back", *WHOLE]
        assert service.opened == [None, None]


@run
async def test_away_and_back_are_said_once_each(service, caplog):
    async with following(service) as relay:
        tab = relay.join("")
        await read(tab, FIRST)
        service.status = 503
        service.drop()
        (away,) = await read(tab, 1)
        assert json.loads(away.data) == {
            "kind": "away",
            "cause": "unreachable",
            "reason": "The facility's service does not answer. What runs goes on; "
            "try again later.",
        }
        await asyncio.sleep(0.5)
        service.status = 200
        service.publish(history(3))
        assert kinds(await read(tab, 2)) == ["back", "history"]
        assert service.opened == [None, "e-6"]
        assert caplog.text.count("could not follow") == 1
        assert CREDENTIAL not in caplog.text


@run
async def test_a_stream_that_ends_is_opened_again_without_a_word(service):
    async with following(service) as relay:
        tab = relay.join("")
        await read(tab, FIRST)
        service.drop()
        await until(lambda: len(service.opened) == 2)
        service.publish(history(3))
        assert kinds(await read(tab, 1)) == ["history"]


@run
async def test_a_refused_token_is_said_with_the_reason_and_not_asked_again(service):
    service.status = 403
    service.refusal = {"message": "You are in no group of this facility.", "rule": "x"}
    async with following(service) as relay:
        tab = relay.join("")
        (away,) = await read(tab, 1)
        assert json.loads(away.data) == {
            "kind": "away",
            "cause": "refused",
            "reason": "You are in no group of this facility.",
        }
        service.status = 200
        await asyncio.sleep(0.5)
        assert service.opened == []
        # a tab that joins is told at once, and changes nothing of it
        assert kinds(await read(relay.join(""), 1)) == ["away"]
        assert service.opened == []


@run
async def test_a_token_that_was_refused_is_shown_again_soon(service, monkeypatch):
    monkeypatch.setattr(relay_module, "REFUSED_SOON_SECONDS", 0.05)
    service.status = 401
    async with following(service) as relay:
        tab = relay.join("")
        assert kinds(await read(tab, 1)) == ["away"]
        service.status = 200
        assert kinds(await read(tab, 1)) == ["back"]


@run
async def test_a_token_that_stays_refused_is_shown_seldom(service, monkeypatch):
    monkeypatch.setattr(relay_module, "REFUSED_SOON_SECONDS", 0.05)
    monkeypatch.setattr(relay_module, "REFUSED_SOON_FOR_SECONDS", 0.0)
    service.status = 401
    async with following(service) as relay:
        tab = relay.join("")
        assert kinds(await read(tab, 1)) == ["away"]
        service.status = 200
        await asyncio.sleep(0.3)
        assert service.opened == []


@run
async def test_tabs_that_come_and_go_do_not_make_a_storm(service, monkeypatch):
    monkeypatch.setattr(relay_module, "SHORTEST_PAUSE_SECONDS", 60.0)
    service.status = 403
    async with following(service) as relay:
        tab = relay.join("")
        # until it has an answer there is no pause to shorten
        assert kinds(await read(tab, 1)) == ["away"]
        relay.leave(tab)
        for _ in range(10):
            tab = relay.join("")
            await asyncio.sleep(0.05)
            relay.leave(tab)
        assert service.asked == 1


@run
async def test_a_tab_that_does_not_read_is_let_go_and_comes_again(service):
    async with following(service) as relay:
        slow, quick = relay.join(""), relay.join("")
        await read(quick, FIRST)
        for number in range(TAB_EVENTS):
            service.publish(history(number))
            await read(quick, 1)
        heard = []
        while (event := await slow.next(20)) is not None:
            heard.append(event)
        assert len(heard) == TAB_EVENTS
        assert not quick.is_over


@run
async def test_every_tab_is_over_at_the_end(service):
    async with following(service) as relay:
        tab = relay.join("")
        await read(tab, FIRST)
    assert await tab.next(20) is None
    await until(lambda: service.listeners == 0)


@run
async def test_what_the_service_should_not_say_is_dropped(service):
    async with following(service) as relay:
        tab = relay.join("")
        await read(tab, FIRST)
        service.send(b'event: me\ndata: {"kind": "lifetime"}\n\n')
        service.send(b'event: news\ndata: {"kind": "news"}\n\n')
        service.send(b"event: me\ndata: <html>\n\n")
        service.publish({**ME, "token": CREDENTIAL})
        service.publish(history(3))
        assert kinds(await read(tab, 1)) == ["history"]


@run
async def test_a_stream_of_something_else_is_said(service):
    service.events.insert(0, b"x" * 300_000)
    async with following(service) as relay:
        told = await read(relay.join(""), 2)
        assert json.loads(told[-1].data)["cause"] == "unexpected"


@run
async def test_a_fault_of_ours_lets_the_tabs_come_again(service):
    async with following(service) as relay:
        relay._take = lambda event: 1 / 0
        tab = relay.join("")
        assert kinds(await read(tab, 1)) == ["back"]
        assert await tab.next(20) is None


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(Event("history", '{"kind":"history"}'), id="no lines"),
        pytest.param(
            Event("history", '{"kind":"history","lines":[1]}'), id="a line is a number"
        ),
        pytest.param(Event("me", "[]"), id="a list"),
        pytest.param(Event("away", '{"kind":"away"}'), id="a kind that is ours"),
    ],
)
def test_an_event_of_another_shape_is_none(event):
    assert check_event(event) is None


def test_an_id_that_could_be_something_else_is_left_out():
    event = Event("me", '{"kind": "me",\n "me": 1}', "1\nevent: back")
    assert check_event(event) == Event("me", '{"kind":"me","me":1}', "")


def token_event(**token):
    return Event("token", json.dumps({"kind": "token", "token": token}))


@run
async def test_a_tab_is_told_what_the_server_says_itself(service):
    async with following(service) as relay:
        relay.say_own(token_event(problem=""))
        tab = relay.join("")
        assert kinds(await read(tab, FIRST + 1)) == ["token", "back", *WHOLE]
        relay.say_own(token_event(problem="new"))
        (event,) = await read(tab, 1)
        assert json.loads(event.data)["token"] == {"problem": "new"}
        later = await read(relay.join(""), FIRST)
        assert kinds(later) == [*WHOLE[:-1], "token", "history"]
        # the service's last event still ends the state, and nobody's own has a number
        assert [event.id for event in later] == [*[""] * len(WHOLE), "e-6"]


@run
async def test_a_tab_that_comes_again_is_told_the_servers_own_again(service):
    async with following(service) as relay:
        tab = relay.join("")
        last_id = (await read(tab, FIRST))[-1].id
        relay.leave(tab)
        relay.say_own(token_event(problem="new"))
        assert kinds(await read(relay.join(last_id), 1)) == ["token"]


@run
async def test_what_holds_the_servers_own_secret_or_is_no_event_is_dropped(service):
    async with following(service) as relay:
        relay.say_own(token_event(problem=CREDENTIAL))
        relay.say_own(Event("token", "no JSON"))
        relay.say_own(Event("other", '{"kind":"other"}'))
        assert kinds(await read(relay.join(""), FIRST)) == ["back", *WHOLE]


@run
async def test_the_service_has_no_word_in_what_is_the_servers_own(service):
    async with following(service) as relay:
        tab = relay.join("")
        await read(tab, FIRST)
        service.publish({"kind": "token", "token": None})
        service.publish(history(3))
        assert kinds(await read(tab, 1)) == ["history"]
