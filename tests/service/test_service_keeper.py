"""Lifetimes, kept: who is stopped, by which rule, and who never is."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fake_peers import SERVICE_SCOPES
from keeper_world import be_active

from jupyterhub_af.line.audit import telling_of_stop
from jupyterhub_af.policy.messages import AuditEvent, Clusters
from jupyterhub_af.service.refusal import RefusedError
from jupyterhub_af.service.running import Running
from jupyterhub_af.service.told import Told

HOUR = 3600


async def test_an_idle_server_is_stopped_by_rule_and_not_before(world, run):
    await run()
    await world.sweep(after=HOUR - 5)
    assert world.hub.stopped == []
    await world.sweep(after=5)
    assert world.hub.stopped == [("anna", "")]
    assert world.lines() == [("server.stop", "anna/", "lifetime-idle", "done")]
    page = (await world.desk.render_metrics()).decode()
    assert 'af_stopped_servers_total{rule="lifetime-idle"} 1.0' in page
    assert 'af_sweeps_total{part="servers",result="done"} 4.0' in page


async def test_activity_puts_the_end_off(world, run):
    await run()
    for _ in range(5):
        world.clock.now += HOUR / 2
        be_active(world)
        await world.sweep()
    await world.sweep(after=HOUR - 1)
    assert world.hub.stopped == []


async def test_activity_since_the_sweep_s_list_saves_a_server(world, run):
    await run()
    await world.sweep(after=HOUR - 1)
    world.clock.now += 1

    def come_back(path: str) -> None:
        if path.endswith("/users/anna"):
            be_active(world)

    world.hub.when_asked = come_back
    await world.sweep()
    assert world.hub.stopped == []
    assert "DELETE" not in str(world.hub.asked)


async def test_the_longest_lifetime_ends_for_everybody(world, run):
    await run(idle=HOUR, longest=2 * HOUR)
    for _ in range(7):
        world.clock.now += HOUR / 4
        be_active(world)
        await world.sweep()
    assert world.hub.stopped == []
    be_active(world)
    await world.sweep(after=HOUR / 4)
    assert world.hub.stopped == [("anna", "")]
    assert world.lines() == [("server.stop", "anna/", "lifetime-longest", "done")]


async def test_a_server_without_lifetime_or_plan_is_left_alone(world, run):
    await run(idle=None)
    world.hub.run("foreign", active_at=world.clock() - 20 * HOUR)
    await world.sweep(after=20 * HOUR)
    assert world.hub.stopped == []


async def test_named_servers_are_stopped_by_their_names(world, run):
    await run("anna", "a b/ü")
    await run("o.neil@x", "two")
    await world.sweep(after=HOUR)
    assert set(world.hub.stopped) == {("anna", "a b/ü"), ("o.neil@x", "two")}


@pytest.mark.parametrize("pending", ["spawn", "stop", "check"])
async def test_a_server_with_which_something_goes_on_is_left_alone(world, run, pending):
    await run()
    world.hub.servers["anna", ""] |= {"pending": pending, "ready": pending == "check"}
    await world.sweep(after=2 * HOUR)
    assert world.hub.stopped == []


async def test_keep_me_moves_the_idle_end_up_to_the_longest(world, run):
    start = await run(idle=HOUR, longest=int(1.5 * HOUR))
    await world.sweep(after=HOUR - 10)
    kept = world.desk.keep(start)
    assert kept.stop_at == start.recorded_at + 1.5 * HOUR
    await world.sweep(after=20)
    assert world.hub.stopped == []
    world.clock.now += 100
    with pytest.raises(RefusedError, match="whatever happens") as caught:
        world.desk.keep(start)
    assert (caught.value.status, caught.value.rule) == (409, "keep-changes-nothing")
    await world.sweep(after=HOUR / 2)
    assert world.lines()[-1][2] == "lifetime-longest"


async def hear_stop(desk, start, actor: str = "af") -> None:
    """Take the hub's own word on a stop, which knows no rule."""
    user, name = start.place
    event = AuditEvent(
        actor=actor, action="server.stop", target=f"{user}/{name}", result="done"
    )
    telling = telling_of_stop(start.plan.start_id)
    await desk.record_told(event, telling=telling)


def stops(world) -> list[tuple[str, str, str]]:
    events = [line.event for line in world.desk.audit.last(50)]
    mine = [event for event in events if event.action == "server.stop"]
    return sorted((event.actor, event.target, event.rule) for event in mine)


@pytest.mark.parametrize("when", ["first", "last", "both", "never"])
async def test_a_stop_by_rule_is_one_line_whenever_the_hub_says_it_too(
    world, run, when
):
    start = await run()
    hubs_word = world.hub.answer

    def stop_and_tell(method, path, token):
        if method == "DELETE" and when in ("first", "both"):
            told = hear_stop(world.desk, start)
            asyncio.run_coroutine_threadsafe(told, loop).result(10)
        return hubs_word(method, path, token)

    loop = asyncio.get_running_loop()
    world.hub.answer = stop_and_tell
    await world.sweep(after=HOUR)
    if when in ("last", "both"):
        # the word that the server ended came before it
        world.desk.running.end(start.place, start.plan.start_id)
        await hear_stop(world.desk, start)
    assert stops(world) == [("af", "anna/", "lifetime-idle")]


async def test_a_stop_by_rule_is_one_line_also_after_a_restart(world, run):
    start = await run()
    await world.sweep(after=HOUR)
    again = replace(world.desk, running=Running(), told=Told())
    await hear_stop(again, start)
    assert stops(world) == [("af", "anna/", "lifetime-idle")]


async def test_a_stop_that_the_hub_did_not_answer_in_time_is_told_by_the_hub(
    world, run
):
    start = await run()
    world.hub.stop_status = 500
    await world.sweep(after=HOUR)
    assert stops(world) == []
    await hear_stop(world.desk, start)
    assert stops(world) == [("af", "anna/", "lifetime-idle")]


async def test_who_stops_their_own_server_is_heard(world, run):
    start = await run()
    await hear_stop(world.desk, start, "anna")
    assert stops(world) == [("anna", "anna/", "")]


async def test_who_keeps_a_server_too_late_is_told_so(world, run):
    start = await run()
    await world.sweep(after=HOUR - 1)
    world.clock.now += 1

    def keep(path: str) -> None:
        if path.endswith("/server"):
            with pytest.raises(RefusedError, match="being stopped"):
                world.desk.keep(start)

    world.hub.when_asked = keep
    await world.sweep()
    assert world.hub.stopped == [("anna", "")]


async def test_a_stop_that_fails_is_tried_again_and_said_once(world, run):
    start = await run()
    world.hub.stop_status = 500
    await world.sweep(after=HOUR)
    assert world.lines() == []
    assert 'af_failed_stops_total{kind="server"} 1.0' in str(
        await world.desk.render_metrics()
    )
    # meanwhile its person may keep it
    world.desk.keep(start)
    await world.sweep()
    assert len([path for path in world.hub.asked if path.startswith("DELETE")]) == 1
    # the hub says yes and does not do it
    world.clock.now += HOUR
    world.hub.stop_status = 202
    model = world.hub.servers["anna", ""]
    for _ in range(3):
        world.hub.servers["anna", ""] = model
        await world.sweep()
    assert len(world.hub.stopped) == 3
    assert world.lines() == [("server.stop", "anna/", "lifetime-idle", "done")]


async def test_a_new_start_of_the_name_during_a_sweep_is_not_stopped(world, run):
    old = await run()
    again = replace(old.plan, start_id="again")
    await world.sweep(after=HOUR - 1)
    world.clock.now += 1

    def restart(path: str) -> None:
        # after the list, before the last look
        if path.endswith("/users/anna"):
            world.desk.plans.put(again)

    world.hub.when_asked = restart
    await world.sweep()
    assert (await world.desk.find_start("anna", "")).plan == again
    assert world.hub.stopped == []


# what else counts as activity


async def test_after_a_restart_nobody_is_stopped_early(world, desk, clock, begin):
    world.hub.run("anna", active_at=clock() - 10 * HOUR)
    await begin("anna", idle_seconds=HOUR, active_while=("kernels",))
    await world.sweep()
    await world.sweep(after=HOUR - 1)
    assert world.hub.stopped == []
    await world.sweep(after=1)
    assert world.hub.stopped == [("anna", "")]


async def test_while_the_hub_is_away_nobody_can_be_seen_to_work(world, run):
    await run()
    world.hub.fault = 503
    await world.sweep(after=2 * HOUR)
    world.hub.fault = None
    await world.sweep()
    assert world.hub.stopped == []
    await world.sweep(after=HOUR - 1)
    assert world.hub.stopped == []
    await world.sweep(after=1)
    assert world.hub.stopped == [("anna", "")]


async def test_the_hub_may_learn_of_activity_late(world, run):
    world.desk.running._lag_seconds = 300
    await run()
    await world.sweep(after=HOUR + 299)
    assert world.hub.stopped == []
    await world.sweep(after=1)
    assert world.hub.stopped == [("anna", "")]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(500, "The hub answered 500.", id="it fails"),
        pytest.param(403, "refuses the service's token", id="it refuses the token"),
        pytest.param("half", "not whole", id="half an answer"),
        pytest.param("hang up", "The hub does not answer", id="it hangs up"),
        pytest.param(302, "The hub answered 302", id="it sends elsewhere"),
    ],
)
async def test_a_hub_that_cannot_be_asked_is_said_after_a_while(
    world, run, fault, words
):
    await run()
    world.hub.fault = fault
    await world.sweep(after=HOUR)
    assert (await world.desk.health(detailed=False)).status == "ok"
    await world.sweep(after=HOUR)
    health = await world.desk.health(detailed=False)
    assert health.status == "degraded"
    assert words in health.problems[0]
    assert "no server is stopped" in health.problems[0]
    page = (await world.desk.render_metrics()).decode()
    assert 'af_last_good_sweep_age_seconds{part="servers"} 7200.0' in page
    world.hub.fault = None
    await world.sweep()
    assert (await world.desk.health(detailed=False)).status == "ok"
    assert world.hub.stopped == []


@pytest.mark.parametrize("scope", SERVICE_SCOPES)
async def test_a_missing_scope_is_named(world, run, scope):
    await run()
    world.hub.scopes.remove(scope)
    # a filtered scope shows some people's servers only
    world.hub.scopes.append(f"{scope}!group=hackathon")
    await world.sweep(after=2 * HOUR)
    (problem,) = (await world.desk.health(detailed=False)).problems
    assert f"lacks {scope}." in problem
    assert world.hub.stopped == []


async def test_all_pages_of_the_hub_are_read(world, begin):
    world.hub.page = 2
    for number in range(7):
        world.hub.run(f"p{number}", active_at=world.clock())
        await begin(f"p{number}", idle_seconds=HOUR)
    await world.sweep()
    await world.sweep(after=HOUR)
    assert len(world.hub.stopped) == 7


async def test_whoever_moves_up_between_two_pages_is_in_the_list(world):
    world.hub.page = 2
    for number in range(4):
        world.hub.run(f"p{number}", active_at=world.clock())

    def stop_one(path: str) -> None:
        if "offset=0" not in path:
            world.hub.servers.pop(("p0", ""), None)

    world.hub.when_asked = stop_one
    live = await world.keeper._hub.live()
    assert {"p1", "p2", "p3"} <= live.groups.keys()


async def test_a_bad_page_is_no_page(world, begin):
    world.hub.page = 1
    for number in range(3):
        world.hub.run(f"p{number}", active_at=world.clock())
        await begin(f"p{number}", idle_seconds=HOUR)
    await world.sweep()

    def fail(path: str) -> None:
        world.hub.fault = 500 if "offset=2" in path else None

    world.hub.when_asked = fail
    await world.sweep(after=HOUR)
    assert world.hub.stopped == []


async def test_the_panel_is_told_by_every_sweep(world, run):
    heard = []
    world.desk.changes.subscribe(heard.append)
    await world.sweep(after=1)
    assert any("lifetime" in news.kinds for news in heard)


async def test_a_gateway_s_empty_moment_stops_no_server(world, run):
    start = await run(work=("clusters",))
    name = world.gateway.run("anna", start.plan.start_id)
    await world.sweep(after=HOUR - 10)
    kept = world.gateway.clusters.pop(name)
    world.desk.put_clusters(Clusters(clusters=()))
    await world.sweep(after=60)
    world.gateway.clusters[name] = kept
    await world.sweep(after=HOUR / 2)
    assert world.hub.stopped == []
