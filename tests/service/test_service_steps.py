"""A clock that is set: no deadline and no question moves by it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyterhub_af.policy.recheck import RecheckReply
from jupyterhub_af.service.schedule import Bounds, Schedule
from jupyterhub_af.service.steps import Steps

HOUR = 3600.0


class Steady:
    """A clock that nobody sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_only_a_clock_that_was_set_steps(clock):
    steady = Steady()
    steps = Steps(clock, steady)
    seen = []
    for passed, shown in ((60, 60), (60, 61), (5, 3605), (5, -3595), (5, 5)):
        steady.now += passed
        clock.now += shown
        seen.append(steps.look())
    assert seen == [0, 0, HOUR, -HOUR, 0]


@pytest.mark.parametrize("step", [HOUR, -HOUR])
async def test_a_server_ends_after_the_courtesy_whatever_the_clock_does(
    world, lost, step
):
    steady = Steady()
    desk = replace(world.desk, steps=Steps(world.clock, steady))
    world.ender._desk = desk
    world.clock.now += step
    await world.ender.stop_due(world.rechecks.look)
    assert world.hub.stopped == []
    ending = desk.endings.find(("anna", ""))
    assert ending.ends_at - world.clock.now == pytest.approx(300, abs=5)
    for seconds in (280, 30):
        assert world.hub.stopped == []
        world.clock.now += seconds
        steady.now += seconds
        await world.ender.stop_due(world.rechecks.look)
    assert world.hub.stopped == [("anna", "")]


def test_a_clock_that_is_put_back_puts_no_question_off():
    schedule = Schedule(Bounds(300, 20), {})
    schedule.take(["anna", "bob"], 10_000)
    user, _ = schedule.next(10_000)
    reply = RecheckReply(status="allowed", checked_at=10_000)
    schedule.note(user, reply, 10_000)
    schedule.shift(-HOUR)
    now = 10_000 - HOUR
    assert schedule.oldest_age(now) == 0
    schedule.want("anna", now)
    found, wait = schedule.next(now + 200)
    assert (found is not None) or wait <= 1
    schedule.want_all(now + 200)
    assert schedule.next(now + 201)[0] is not None
