"""Endings over restarts, failures and lists that are not whole."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from ending_world import BOUND, COURTESY, VIEW, endings, told
from sqlalchemy.exc import OperationalError

from jupyterhub_af.service.ender import Ender
from jupyterhub_af.service.endings import Endings
from jupyterhub_af.service.hub_api import Live
from jupyterhub_af.service.panel import make_me
from jupyterhub_af.service.refusal import RefusedError


async def test_a_restart_keeps_the_deadline_and_writes_no_line_twice(world, lost):
    again = Endings(world.desk.store)
    again.load()
    assert again.all == world.desk.endings.all
    assert again.all[0].is_told
    ender = Ender(replace(world.desk, endings=again), world.ender._hub)
    await ender.catch_up()
    assert [line[0] for line in world.lines()] == ["access.end"]


async def test_a_line_that_was_not_written_is_written_after_a_restart(world, run):
    await run(idle=None)
    world.hub.lose("anna")

    async def fail(_event, *, telling):
        raise OperationalError("INSERT", {}, Exception(telling))

    audit = world.desk.audit
    record, audit.record = audit.record, fail
    await world.recheck(after=BOUND)
    assert world.lines() == []
    audit.record = record
    again = Endings(world.desk.store)
    again.load()
    ender = Ender(replace(world.desk, endings=again), world.ender._hub)
    for _ in range(2):
        await ender.catch_up()
    assert world.lines() == [("access.end", "anna/", "denied", "done")]


async def test_a_database_that_is_away_ends_no_ending(world, run, monkeypatch):
    await run(idle=None)
    world.hub.lose("anna")
    book = world.desk.endings
    write = book._write

    def fail(_endings):
        raise OperationalError("INSERT", {}, Exception("gone"))

    monkeypatch.setattr(book, "_write", fail)
    await world.recheck(after=BOUND)
    begun = book.find(("anna", ""))
    assert begun is not None
    monkeypatch.setattr(book, "_write", write)
    await world.ender.catch_up()
    again = Endings(world.desk.store)
    again.load()
    assert again.find(("anna", "")).ends_at == begun.ends_at


async def test_a_stop_that_fails_is_tried_again_and_said_once(world, lost):
    world.hub.stop_status = 500
    await world.recheck(after=COURTESY + 1)
    assert [line[0] for line in world.lines()] == ["access.end"]
    assert 'af_failed_stops_total{kind="server"} 1.0' in str(
        await world.desk.render_metrics()
    )
    # the hub says yes and does not do it
    world.hub.stop_status = 202
    model = world.hub.servers["anna", ""]
    for _ in range(3):
        world.hub.servers["anna", ""] = model
        await world.recheck(after=10)
    assert len(world.hub.stopped) == 3
    assert [line[0] for line in world.lines()] == ["access.end", "server.stop"]


async def test_a_hub_that_cannot_say_how_a_person_stands_still_stops(world, lost):
    world.hub.recheck_fault = 500
    await world.recheck(after=COURTESY + 1)
    assert world.hub.stopped == [("anna", "")]


async def test_a_slow_stop_keeps_no_other_server_waiting(world, run, monkeypatch):
    people = [f"p{number:02}" for number in range(12)]
    for user in people:
        await run(user, idle=None)
        world.hub.lose(user)
    await world.recheck(after=BOUND)
    stop = world.keeper._hub.stop_server
    slow, is_stopped = asyncio.Event(), asyncio.Event()

    async def stop_slowly(user: str, name: str) -> None:
        if user != people[-1]:
            await slow.wait()
        await stop(user, name)
        is_stopped.set()

    monkeypatch.setattr(world.keeper._hub, "stop_server", stop_slowly)
    world.clock.now += COURTESY + 1
    ending = asyncio.create_task(world.ender.end_for_ever(world.rechecks.look))
    async with asyncio.timeout(30):
        await is_stopped.wait()
    assert world.hub.stopped == [(people[-1], "")]
    slow.set()
    # what is being stopped is not begun a second time
    await world.ender.stop_due(world.rechecks.look)
    ending.cancel()
    assert sorted(user for user, _ in world.hub.stopped) == people


@pytest.mark.parametrize("pending", ["spawn", "stop"])
async def test_a_server_with_which_something_goes_on_is_stopped_after_it(
    world, lost, pending
):
    world.hub.servers["anna", ""]["pending"] = pending
    await world.recheck(after=COURTESY + 1)
    assert world.hub.stopped == []
    world.hub.servers["anna", ""]["pending"] = None
    await world.recheck(after=5)
    assert world.hub.stopped == [("anna", "")]


async def test_an_ending_is_not_that_of_the_next_start_of_the_name(world, lost, begin):
    world.hub.give_back("anna")
    again = await begin("anna", start_id="again")
    await told(world, "running", again)
    world.clock.now += COURTESY + 1
    await world.recheck()
    assert (endings(world), world.hub.stopped) == ([], [])
    # it did not come back: that one ended
    assert [line[0] for line in world.lines()] == ["access.end"]


async def test_an_ending_goes_with_its_server(world, lost):
    del world.hub.servers["anna", ""]
    await world.sweep()
    assert endings(world) == []
    again = Endings(world.desk.store)
    again.load()
    assert again.all == ()


@pytest.mark.parametrize("count", [1, 3])
async def test_a_list_that_lacks_a_server_moves_no_deadline(
    world, lost, monkeypatch, count
):
    world.desk.admitted.note("token", ("anna", ""))
    before = world.desk.endings.all
    listed = world.keeper._hub.live

    async def lack_anna() -> Live:
        found = await listed()
        return Live({}, {u: g for u, g in found.groups.items() if u != "anna"})

    await world.sweep()
    with monkeypatch.context() as patch:
        patch.setattr(world.keeper._hub, "live", lack_anna)
        for _ in range(count):
            await world.sweep()
            assert world.desk.endings.all == before
            assert world.desk.admitted.find("token") == ("anna", "")
    await world.sweep()
    await world.recheck()
    assert world.desk.endings.all == before
    assert [line[0] for line in world.lines()] == ["access.end"]


async def test_a_hub_that_does_not_answer_about_one_server_moves_no_deadline(
    world, lost, monkeypatch
):
    before = world.desk.endings.all
    monkeypatch.setattr(world.hub, "when_asked", lambda path: _break(world, path))
    world.hub.servers.clear()
    await world.sweep()
    assert world.desk.endings.all == before


def _break(world, path: str) -> None:
    world.hub.fault = 500 if path.endswith("/users/anna") else None


async def test_the_clusters_go_with_the_server(world, lost):
    world.gateway.run("anna", lost.plan.start_id)
    await world.recheck(after=COURTESY + 1)
    await told(world, "stopped", lost)
    await world.sweep()
    assert len(world.gateway.stopped) == 1


async def test_the_panel_goes_on_until_the_end_and_not_after(world, lost):
    nobody = replace(VIEW, groups=frozenset())
    me = await make_me(world.desk, nobody)
    assert me.server.start_id == lost.plan.start_id
    with pytest.raises(RefusedError, match="may not use"):
        await make_me(world.desk, replace(nobody, server_name=None))
    await world.recheck(after=COURTESY + 1)
    await told(world, "stopped", lost)
    with pytest.raises(RefusedError, match="may not use"):
        await make_me(world.desk, nobody)


async def test_the_panel_is_told_when_it_begins_and_when_it_is_lifted(world, run):
    await run(idle=None)
    heard = []
    world.desk.changes.subscribe(heard.append)

    def has_news() -> bool:
        found = any("access" in getattr(news, "kinds", ()) for news in heard)
        heard.clear()
        return found

    world.hub.lose("anna")
    await world.recheck(after=BOUND)
    assert has_news()
    await world.recheck(after=20)
    assert not has_news()
    world.hub.give_back("anna")
    await world.recheck(after=30)
    assert has_news()


async def test_two_at_once_write_one_line(world, lost):
    await asyncio.gather(*(world.ender.catch_up() for _ in range(5)))
    world.hub.give_back("anna")
    await asyncio.gather(*(world.rechecks.look("anna") for _ in range(5)))
    assert [line[0] for line in world.lines()] == ["access.end", "access.back"]
