"""Re-checks in this process: whom the hub is asked about, and what is said of it."""

from __future__ import annotations

import asyncio
import threading

import pytest
from fake_peers import cluster

from jupyterhub_af.policy.messages import Clusters, ServerEvent
from jupyterhub_af.policy.recheck import LoginNote
from jupyterhub_af.service.checks import Checks
from jupyterhub_af.service.hub_api import MOST_RECHECKS
from jupyterhub_af.service.rechecks import Rechecks

BOUND = 300


async def test_everybody_with_a_server_is_asked_about_once_in_the_bound(world, run):
    for user in ("anna", "bob"):
        await run(user, idle=None)
    await run("anna", "two", idle=None)
    await world.recheck()
    for _ in range(10):
        await world.recheck(after=BOUND / 10)
    assert sorted(world.hub.rechecked) == ["anna", "anna", "bob", "bob"]


async def test_a_person_with_a_cluster_and_no_server_is_asked_about(world):
    world.gateway.run("anna", "gone")
    await world.sweep()
    await world.recheck()
    assert world.hub.rechecked == ["anna"]


async def test_who_logs_in_and_runs_nothing_is_not_asked_about(world, run):
    world.desk.take_login(LoginNote(user="anna"))
    await world.recheck()
    assert world.hub.rechecked == []


async def test_who_was_just_checked_by_a_page_is_not_due(world, run):
    await run(idle=None)
    at = world.clock() + BOUND - 10
    world.hub.memberships["anna"] = {"status": "allowed", "checked_at": at}
    await world.recheck(after=BOUND - 5)
    assert len(world.hub.rechecked) == 1
    await world.recheck(after=200)
    assert len(world.hub.rechecked) == 1


async def test_a_new_server_is_asked_about_before_the_next_sweep(world, begin):
    start = await begin("anna")
    world.hub.run("anna", active_at=world.clock())
    event = ServerEvent(
        user="anna",
        server_name="",
        start_id=start.plan.start_id,
        state="running",
    )
    await world.desk.take_server_event(event)
    await world.recheck()
    assert world.hub.rechecked == ["anna"]


async def test_a_restart_asks_nobody_who_was_asked_about(world, run):
    await run(idle=None)
    await world.recheck()
    await world.recheck(after=20)
    again = Rechecks(
        world.desk, world.keeper._hub, world.ender.judge, calls_per_second=20
    )
    again.take({"anna"})
    await again.step()
    await again.settle()
    assert world.hub.rechecked == ["anna"]
    assert again.schedule.checked() == world.rechecks.schedule.checked()


async def test_what_is_written_down_ends_with_what_runs(world, run, desk):
    await run(idle=None)
    await world.recheck()
    await world.recheck(after=20)
    assert set(Checks(desk.store).load()) == {"anna"}
    world.hub.servers.clear()
    await world.sweep()
    await world.recheck(after=20)
    assert Checks(desk.store).load() == {}


async def test_nothing_is_written_before_the_first_whole_list(world, desk):
    await Checks(desk.store).write({"anna": world.clock()})
    await world.recheck(after=60)
    assert set(Checks(desk.store).load()) == {"anna"}


@pytest.mark.parametrize("fault", [500, 404, 403, "half", "hang up"])
async def test_a_hub_that_cannot_be_asked_ends_nobody_and_is_said(world, run, fault):
    await run(idle=None)
    await world.recheck()
    world.hub.fault = fault
    for _ in range(4):
        await world.recheck(after=BOUND)
    health = await world.desk.health(detailed=True)
    assert health.status == "degraded"
    assert "nobody's groups are looked at again" in health.problems[0]
    assert health.notes == (
        "The groups of 1 people with something running are older than recheck_seconds.",
    )
    page = (await world.desk.render_metrics()).decode()
    assert "\naf_overdue_checks 1.0\n" in page
    assert 'af_rechecks_total{status="unanswered"}' in page
    world.hub.fault = None
    await world.recheck(after=60)
    await world.recheck()
    assert (await world.desk.health(detailed=True)).status == "ok"
    assert world.desk.endings.all == ()


async def test_a_client_that_the_iam_refuses_is_an_alarm(world, run):
    await run(idle=None)
    refused = {"status": "client-refused", "checked_at": world.clock()}
    world.hub.memberships["anna"] = refused
    await world.recheck()
    health = await world.desk.health(detailed=False)
    assert "The IAM refuses this facility's own client" in health.problems[0]
    page = (await world.desk.render_metrics()).decode()
    assert 'af_memberships{status="client-refused"} 1.0' in page
    assert 'af_memberships{status="allowed"} 0.0' in page
    del world.hub.memberships["anna"]
    await world.recheck(after=61)
    assert (await world.desk.health(detailed=False)).problems == ()


async def test_a_silent_iam_is_a_note(world, run):
    await run(idle=None)
    silent = {"status": "silent", "checked_at": world.clock()}
    world.hub.memberships["anna"] = silent
    await world.recheck()
    health = await world.desk.health(detailed=True)
    assert health.status == "ok"
    assert "does not answer about 1 people" in health.notes[0]


async def test_a_slow_answer_keeps_nobody_else_waiting(world, run):
    for user in ("anna", "bob", "carlo"):
        await run(user, idle=None)
    slow = threading.Event()

    def wait(user: str) -> None:
        if user == "anna":
            slow.wait(20)

    world.hub.when_rechecked = wait
    try:
        for _ in range(100):
            await world.rechecks.step()
            world.clock.now += 1
            if set(world.hub.rechecked) == {"anna", "bob", "carlo"}:
                break
            await asyncio.sleep(0.02)
        assert set(world.hub.rechecked) == {"anna", "bob", "carlo"}
        # other questions to the hub have lines of their own
        await world.sweep()
    finally:
        slow.set()
    await world.rechecks.settle()


async def test_no_more_questions_are_open_than_the_hub_is_to_bear(world, begin):
    for number in range(MOST_RECHECKS + 10):
        world.hub.run(f"p{number}", active_at=world.clock())
    await world.sweep()
    slow = threading.Event()
    world.hub.when_rechecked = lambda _user: slow.wait(20)
    try:
        for _ in range(60):
            await world.rechecks.step()
            world.clock.now += 10
        assert len(world.rechecks._asking) == MOST_RECHECKS
    finally:
        slow.set()
    await world.rechecks.settle()
    await world.recheck()
    assert len(set(world.hub.rechecked)) == MOST_RECHECKS + 10


async def test_many_who_wait_for_one_answer_are_one_question(world, run):
    await run(idle=None)
    await asyncio.gather(*(world.rechecks.look("anna") for _ in range(50)))
    assert world.hub.rechecked == ["anna"]


async def test_five_hundred_servers_are_one_question_each_in_the_bound(world, begin):
    people = [f"p{number:03}" for number in range(500)]
    for user in people:
        world.hub.run(user, active_at=world.clock())
    await world.sweep()
    asked = len(world.hub.asked)
    until = world.clock() + BOUND / 2
    while world.clock() < until:
        wait = await world.rechecks.step()
        await world.rechecks.settle()
        world.clock.now += max(0.05, min(wait, 5))
    assert sorted(world.hub.rechecked) == people
    # each is two questions: how they stand, and what the hub knows of them then
    assert len(world.hub.asked) - asked == 1000


async def test_a_list_of_clusters_from_the_gateway_does_not_end_anybody(world, run):
    await run(idle=None)
    world.desk.put_clusters(Clusters.model_validate({"clusters": [cluster("x", "y")]}))
    await world.recheck()
    assert world.desk.endings.all == ()
