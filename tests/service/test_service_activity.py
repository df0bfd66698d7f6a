"""What counts as activity in a server, and whose word is taken for it."""

from __future__ import annotations

import pytest
from keeper_world import be_active

from jupyterhub_af.policy.panel import Busy
from jupyterhub_af.service.running import BUSY_SECONDS

HOUR = 3600


async def test_busy_kernels_count_while_the_server_says_so(world, run):
    start = await run()
    world.desk.running.open_stream(start.place)
    world.desk.take_busy(start, Busy(kernels=1))
    for _ in range(4):
        await world.sweep(after=HOUR)
    assert world.hub.stopped == []
    world.desk.take_busy(start, Busy(kernels=0))
    await world.sweep(after=HOUR - 1)
    assert world.hub.stopped == []
    await world.sweep(after=1)
    assert world.hub.stopped == [("anna", "")]


async def test_the_servers_own_word_on_its_person_is_taken_before_the_hubs(world, run):
    start = await run()
    world.desk.take_busy(start, Busy(kernels=0, quiet_seconds=0))
    for _ in range(4):
        # Lab asks for its kernels: for the hub somebody is always there
        be_active(world)
        await world.sweep(after=HOUR / 4 - 1)
    assert world.hub.stopped == []
    be_active(world)
    await world.sweep(after=4)
    assert world.hub.stopped == [("anna", "")]


async def test_the_servers_word_that_somebody_is_there_moves_the_stop(world, run):
    start = await run()
    for _ in range(4):
        world.desk.take_busy(start, Busy(kernels=0, quiet_seconds=60))
        await world.sweep(after=HOUR - 61)
    assert world.hub.stopped == []
    # an older act, told late, takes nothing back
    world.desk.take_busy(start, Busy(kernels=0, quiet_seconds=60))
    world.desk.take_busy(start, Busy(kernels=0, quiet_seconds=9 * HOUR))
    await world.sweep(after=HOUR - 61)
    assert world.hub.stopped == []
    await world.sweep(after=2)
    assert world.hub.stopped == [("anna", "")]


async def test_a_terminal_that_works_counts_as_kernels_do(world, run):
    start = await run()
    world.desk.running.open_stream(start.place)
    world.desk.take_busy(start, Busy(kernels=0, terminals=2))
    await world.sweep(after=2 * HOUR)
    assert world.hub.stopped == []


async def test_the_word_of_a_server_that_fell_silent_is_forgotten(world, run):
    start = await run()
    world.desk.running.open_stream(start.place)
    world.desk.take_busy(start, Busy(kernels=1))
    await world.sweep(after=HOUR)
    world.desk.running.close_stream(start.place, world.clock())
    await world.sweep(after=BUSY_SECONDS + HOUR - 1)
    assert world.hub.stopped == []
    await world.sweep(after=1)
    assert world.hub.stopped == [("anna", "")]


async def test_kernels_do_not_count_where_the_profile_does_not_say_so(world, run):
    start = await run(work=("clusters",))
    world.desk.running.open_stream(start.place)
    world.desk.take_busy(start, Busy(kernels=3))
    await world.sweep(after=HOUR)
    assert world.hub.stopped == [("anna", "")]


@pytest.mark.parametrize(
    ("work", "more", "is_stopped"),
    [
        pytest.param(("clusters",), {}, False, id="workers are ready"),
        pytest.param(("clusters",), {"ready": 0}, True, id="no worker is ready"),
        pytest.param(("clusters",), {"status": "stopping"}, True, id="it is stopping"),
        pytest.param(("clusters",), {"start_id": "old"}, True, id="of another start"),
        pytest.param(("kernels",), {}, True, id="the profile does not say so"),
    ],
)
async def test_clusters_count_where_the_profile_says_so(
    world, run, work, more, is_stopped
):
    start = await run(work=work)
    given = {"start_id": start.plan.start_id, **more}
    world.gateway.run("anna", given.pop("start_id"), **given)
    world.gateway.fault = None
    await world.sweep(after=30)
    await world.sweep(after=HOUR)
    assert bool(world.hub.stopped) == is_stopped


# what is not known
