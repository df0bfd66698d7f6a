"""Endings while the database or the hub is away, and lines that two processes tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ending_world import BOUND, COURTESY, endings
from sqlalchemy.exc import OperationalError

from jupyterhub_af.line.audit import telling_of_stop
from jupyterhub_af.policy.messages import AuditEvent
from jupyterhub_af.service.changes import Ended
from jupyterhub_af.service.ender import Ender
from jupyterhub_af.service.endings import Endings
from jupyterhub_af.service.running import Running
from jupyterhub_af.service.store import Store
from jupyterhub_af.service.told import Told


@pytest.fixture
def no_database(world, monkeypatch):
    """Return a function that takes the database away, or gives it back."""
    run = world.desk.store.run

    async def fail(*_args):
        raise OperationalError("SELECT", {}, Exception("gone"))

    def switch(*, is_away: bool) -> None:
        monkeypatch.setattr(Store, "run", fail if is_away else run)

    return switch


async def test_a_server_ends_in_time_without_the_database(world, lost, no_database):
    no_database(is_away=True)
    await world.recheck(after=COURTESY + 1)
    assert world.hub.stopped == [("anna", "")]
    no_database(is_away=False)
    await world.ender.catch_up()
    assert world.lines()[-1] == ("server.stop", "anna/", "access-lost", "done")


@pytest.mark.parametrize("rule", ["denied", "withheld"])
async def test_an_ending_begins_without_the_database(world, run, no_database, rule):
    start = await run(idle=None)
    await world.recheck()
    no_database(is_away=True)
    if rule == "denied":
        world.hub.lose("anna")
    else:
        world.hub.groups["anna"] = ("hackathon",)
    await world.recheck(after=BOUND)
    assert endings(world) == [("anna", "", rule)]
    assert world.desk.endings.all[0].start_id == start.plan.start_id
    no_database(is_away=False)
    await world.ender.catch_up()
    assert world.lines() == [("access.end", "anna/", rule, "done")]


async def test_a_start_that_was_recorded_since_is_not_taken_for_the_one_before(
    world, lost, begin, no_database
):
    await begin("anna", start_id="again")
    no_database(is_away=True)
    world.clock.now += COURTESY + 1
    await world.ender.stop_due(world.rechecks.look)
    assert world.hub.stopped == []


async def test_one_stop_that_fails_keeps_no_other(world, lost, run, monkeypatch):
    await run("bob", idle=None)
    world.hub.lose("bob")
    await world.recheck(after=BOUND / 2)
    stop = world.ender._hub.stop_server

    async def fail(user, name):
        if user == "anna":
            raise ZeroDivisionError
        await stop(user, name)

    monkeypatch.setattr(world.ender._hub, "stop_server", fail)
    world.clock.now += BOUND + COURTESY
    await world.recheck()
    world.clock.now += COURTESY + 1
    await world.ender.stop_due(world.rechecks.look)
    assert world.hub.stopped == [("bob", "")]


async def test_an_ending_is_forgotten_only_after_its_line_is_written(world, lost):
    async def fail(_event, *, telling):
        raise OperationalError("INSERT", {}, Exception(telling))

    audit = world.desk.audit
    record, audit.record = audit.record, fail
    world.hub.give_back("anna")
    await world.rechecks.look("anna")
    audit.record = record
    # killed here
    again = Endings(world.desk.store)
    again.load()
    desk = replace(world.desk, endings=again)
    (standing,) = again.all
    for _ in range(2):
        ender = Ender(desk, world.ender._hub)
        ender._lift(standing.place)
        again.put(standing)
        await ender.catch_up()
    assert [line[0] for line in world.lines()] == ["access.end", "access.back"]


async def test_a_stop_without_an_answer_is_told_by_the_hub_with_its_rule(world, lost):
    world.hub.stop_status = 500
    await world.recheck(after=COURTESY + 1)
    event = AuditEvent(actor="af", action="server.stop", target="anna/", result="done")
    telling = telling_of_stop(lost.plan.start_id)
    # a service that was started anew meanwhile
    desk = replace(world.desk, running=Running(), told=Told())
    await desk.record_told(event, telling=telling)
    world.desk.changes.tell(Ended(*lost.place, lost.plan.start_id, is_last=True))
    await world.ender.catch_up()
    assert world.lines()[-1] == ("server.stop", "anna/", "access-lost", "done")
    assert len(world.lines()) == 2
