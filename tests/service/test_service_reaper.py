"""Dask clusters without their server: which go, when, and which never."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fake_peers import FakeGateway, FakeHub
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keeper_world import TTL_SECONDS, keeping

from jupyterhub_af.policy.messages import Clusters, ServerEvent


@pytest.fixture
def run(world, begin):
    """Return a function that starts a server with a cluster; it returns both."""

    async def start(user="anna", name=""):
        world.hub.run(user, name, active_at=world.clock())
        begun = await begin(user, name, idle_seconds=None)
        cluster = world.gateway.run(user, begun.plan.start_id, server_name=name)
        await world.sweep()
        return begun, cluster

    return start


def stopped(start) -> ServerEvent:
    return ServerEvent(
        user=start.plan.user,
        server_name=start.plan.server_name,
        start_id=start.plan.start_id,
        state="stopped",
    )


async def until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - it is other processes' doing
            await asyncio.sleep(0.02)


async def test_a_cluster_whose_server_lives_stays(world, run):
    await run()
    for _ in range(5):
        await world.sweep(after=TTL_SECONDS)
    assert world.gateway.stopped == []


async def test_a_cluster_whose_server_is_gone_goes_after_the_time_to_live(world, run):
    _, cluster = await run("anna", "one")
    del world.hub.servers["anna", "one"]
    await world.sweep(after=1)
    await world.sweep(after=TTL_SECONDS - 1)
    assert world.gateway.stopped == []
    await world.sweep(after=1)
    assert world.gateway.stopped == [cluster]
    target = f"anna/one/{cluster}"
    assert world.lines() == [("cluster.stop", target, "server-gone", "done")]
    page = (await world.desk.render_metrics()).decode()
    assert 'af_stopped_clusters_total{rule="server-gone"} 1.0' in page
    # its person reads it
    assert world.desk.audit.about("anna", 5)[-1].target == target


async def test_a_cluster_of_an_earlier_start_goes(world, run, begin):
    _, old = await run()
    _, new = await run()
    await world.sweep(after=TTL_SECONDS)
    await world.sweep(after=TTL_SECONDS)
    assert world.gateway.stopped == [old]
    assert new in world.gateway.clusters
    assert world.lines()[-1][2] == "start-replaced"


async def test_a_cluster_goes_at_once_when_the_hub_says_so(world, run):
    begun, cluster = await run()
    _, other = await run("bob")
    world.keeper.start()
    await world.desk.take_server_event(stopped(begun))
    await until(lambda: world.gateway.stopped)
    assert world.gateway.stopped == [cluster]
    assert other in world.gateway.clusters
    await until(world.lines)
    assert world.lines()[-1][2] == "server-stopped"


async def test_a_cluster_that_comes_after_the_end_goes_at_once_too(world, run):
    begun, _ = await run()
    world.keeper.start()
    await world.desk.take_server_event(stopped(begun))
    await until(lambda: world.gateway.stopped)
    late = world.gateway.run("anna", begun.plan.start_id)
    world.desk.put_clusters(await world.keeper._reaper._gateway.active_clusters())
    await until(lambda: len(world.gateway.stopped) == 2)
    assert world.gateway.stopped[1] == late


async def test_what_could_not_be_stopped_at_once_goes_with_the_next_sweep(world, run):
    begun, cluster = await run()
    world.gateway.fault = 503
    world.keeper.start()
    await world.desk.take_server_event(stopped(begun))
    await until(lambda: world.gateway.asked.count("GET /api/v1/af/clusters") >= 2)
    world.gateway.fault = None
    # the hub's own list is behind: what it said counts
    await world.sweep()
    assert world.gateway.stopped == [cluster]


async def test_a_server_that_starts_during_a_sweep_keeps_its_cluster(world, run, begin):
    """The cluster list is asked for first: what is in it is younger than its server."""
    started = {}

    def start_late(path: str) -> None:
        # the hub is asked now; a server and its cluster came after the gateway's list
        if "/users?" in path and not started:
            started["cluster"] = world.gateway.run("late", "late-1")
            world.hub.run("late", active_at=world.clock())

    world.hub.when_asked = start_late
    await world.sweep()
    await begin("late", start_id="late-1")
    for _ in range(4):
        await world.sweep(after=TTL_SECONDS)
    assert world.gateway.stopped == []


@pytest.mark.parametrize("pending", ["spawn", "stop", "check"])
async def test_a_server_with_which_something_goes_on_lives(world, run, pending):
    await run()
    world.hub.servers["anna", ""] |= {"pending": pending, "ready": False}
    for _ in range(4):
        await world.sweep(after=TTL_SECONDS)
    assert world.gateway.stopped == []


@pytest.mark.parametrize("fault", [500, 403, "half", "hang up"])
@pytest.mark.parametrize("peer", ["hub", "gateway"])
async def test_without_whole_answers_nothing_goes(world, run, peer, fault):
    await run()
    del world.hub.servers["anna", ""]
    getattr(world, peer).fault = fault
    for _ in range(4):
        await world.sweep(after=TTL_SECONDS)
    assert world.gateway.stopped == []
    getattr(world, peer).fault = None
    await world.sweep()
    await world.sweep(after=TTL_SECONDS)
    assert len(world.gateway.stopped) == 1


async def test_a_gateway_that_is_away_is_said_and_servers_are_kept(world, run):
    await run()
    world.gateway.fault = "hang up"
    await world.sweep(after=4000)
    health = await world.desk.health(detailed=False)
    (problem,) = health.problems
    assert problem.startswith("The Dask gateway does not answer (")
    assert problem.endswith("). Meanwhile no Dask cluster is cleared away.")
    page = (await world.desk.render_metrics()).decode()
    assert 'af_sweeps_total{part="clusters",result="failed"}' in page


async def test_a_server_that_the_list_missed_is_found_by_the_last_look(world, run):
    """The hub's pages shift when somebody leaves: a list alone kills nothing."""
    await run()
    kept = world.hub.servers.pop(("anna", ""))
    await world.sweep()
    world.clock.now += TTL_SECONDS

    def back(path: str) -> None:
        if path.endswith("/users/anna"):
            world.hub.servers["anna", ""] = kept

    world.hub.when_asked = back
    await world.sweep()
    assert world.gateway.stopped == []


async def test_a_start_recorded_before_the_last_look_counts(world, run):
    begun, _ = await run()
    fresh = world.gateway.run("anna", "again")
    await world.sweep()
    world.clock.now += TTL_SECONDS

    def again(path: str) -> None:
        if path.endswith("/users/anna"):
            world.desk.plans.put(replace(begun.plan, start_id="again"))

    world.hub.when_asked = again
    await world.sweep()
    assert fresh in world.gateway.clusters


async def test_a_gateway_that_forgets_for_a_moment_begins_the_time_anew(world, run):
    _, cluster = await run()
    del world.hub.servers["anna", ""]
    await world.sweep()
    kept = world.gateway.clusters.pop(cluster)
    await world.sweep(after=TTL_SECONDS)
    world.gateway.clusters[cluster] = kept
    await world.sweep(after=1)
    assert world.gateway.stopped == []
    await world.sweep(after=TTL_SECONDS)
    assert world.gateway.stopped == [cluster]


async def test_a_live_server_without_a_recorded_start_keeps_its_cluster(world):
    world.hub.run("old", active_at=world.clock())
    world.gateway.run("old", "nobody-knows")
    for _ in range(4):
        await world.sweep(after=TTL_SECONDS)
    assert world.gateway.stopped == []


async def test_a_stop_that_fails_is_tried_again(world, run):
    _, cluster = await run()
    del world.hub.servers["anna", ""]
    await world.sweep()

    def fail(path: str) -> None:
        world.gateway.fault = 500 if cluster in path else None

    world.gateway.when_asked = fail
    await world.sweep(after=TTL_SECONDS)
    assert world.lines() == []
    # the fake had popped it before it failed
    world.gateway.when_asked = lambda path: None
    world.gateway.fault = None
    assert 'af_failed_stops_total{kind="cluster"} 1.0' in str(
        await world.desk.render_metrics()
    )


async def test_a_cluster_that_takes_long_to_end_is_in_the_audit_once(world, run):
    _, cluster = await run()
    del world.hub.servers["anna", ""]
    await world.sweep()
    kept = world.gateway.clusters[cluster]
    for _ in range(3):
        world.gateway.clusters[cluster] = kept
        await world.sweep(after=TTL_SECONDS)
    assert len(world.gateway.stopped) == 3
    assert len(world.lines()) == 1
    world.gateway.clusters[cluster] = {**kept, "status": "stopping"}
    await world.sweep(after=TTL_SECONDS)
    assert len(world.gateway.stopped) == 3


async def test_a_list_that_was_asked_for_earlier_never_hides_what_was_told(world, run):
    await run()

    def tell(path: str) -> None:
        state = world.desk.running.clusters[0].model_copy(update={"ready": 7})
        world.desk.running.put_clusters(Clusters(clusters=(state,)))

    world.gateway.when_asked = tell
    await world.sweep()
    assert world.desk.running.clusters[0].ready == 7
    world.gateway.when_asked = lambda path: None
    await world.sweep()
    assert world.desk.running.clusters[0].ready == 1


STEPS = st.lists(
    st.sampled_from(
        ["sweep", "wait", "stop", "start", "hub away", "gateway away", "half", "back"]
    ),
    min_size=5,
    max_size=25,
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
async def test_whatever_happens_a_live_owner_keeps_its_cluster(
    desk, clock, begin, steps
):
    with FakeHub().running() as hub, FakeGateway().running() as gateway:
        async with keeping(desk, clock, hub, gateway) as world:
            await live_and_sweep(world, begin, steps)


async def live_and_sweep(world, begin, steps: list[str]) -> None:
    owner = None
    for step in steps:
        if step == "sweep":
            await world.sweep(after=30)
        elif step == "wait":
            world.clock.now += TTL_SECONDS
        elif step == "stop":
            owner = None
            world.hub.servers.pop(("zoe", ""), None)
        elif step == "start" and owner is None:
            world.hub.run("zoe", active_at=world.clock())
            start = await begin("zoe", idle_seconds=None)
            owner = world.gateway.run("zoe", start.plan.start_id)
        else:
            faults = {"hub away": (503, None), "gateway away": (None, 503)}
            world.hub.fault, world.gateway.fault = faults.get(step, (None, None))
            if step == "half":
                world.hub.fault = world.gateway.fault = "half"
        assert owner is None or owner in world.gateway.clusters
    world.hub.fault = world.gateway.fault = None
    await world.sweep()
    await world.sweep(after=TTL_SECONDS)
    assert set(world.gateway.clusters) == ({owner} if owner else set())
