"""Servers of people who lost access: the courtesy, the end, and what takes it back."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest
from ending_world import BOUND, COURTESY, VIEW, endings, told
from service_world import FACILITY

from jupyterhub_af.policy.recheck import LoginNote
from jupyterhub_af.service.panel import make_access
from jupyterhub_af.service.rechecks import Rechecks
from jupyterhub_af.service.refusal import RefusedError


async def test_a_person_who_lost_access_has_time_to_save_and_then_it_ends(world, lost):
    begun = world.desk.endings.find(("anna", ""))
    assert begun.ends_at - begun.since == COURTESY
    end = make_access(world.desk, VIEW).end
    assert (end.rule, end.ends_at) == ("denied", begun.ends_at)
    assert "members of the group hackathon" in end.reason
    await world.recheck(after=COURTESY - 10)
    assert world.hub.stopped == []
    await world.recheck(after=20)
    assert world.hub.stopped == [("anna", "")]
    await told(world, "stopped", lost)
    assert make_access(world.desk, VIEW).end is None
    await world.ender.catch_up()
    assert world.lines() == [
        ("access.end", "anna/", "denied", "done"),
        ("server.stop", "anna/", "access-lost", "done"),
    ]
    page = (await world.desk.render_metrics()).decode()
    assert 'af_stopped_servers_total{rule="access-lost"} 1.0' in page
    assert "\naf_endings 0.0\n" in page


@pytest.mark.parametrize(
    "status", ["denied", "suspended", "aup-unsigned", "login-needed", "expired"]
)
async def test_every_server_of_the_person_ends_and_nobody_else_s(world, run, status):
    await run(idle=None)
    await run("anna", "two", idle=None)
    await run("bob", idle=None)
    world.hub.lose("anna", status)
    await world.recheck(after=BOUND)
    assert endings(world) == [("anna", "", status), ("anna", "two", status)]
    await world.recheck(after=COURTESY + 1)
    assert sorted(world.hub.stopped) == [("anna", ""), ("anna", "two")]


@pytest.mark.parametrize("status", ["silent", "client-refused", "unknown"])
async def test_without_a_word_of_the_iam_nobody_ends(world, run, status):
    await run(idle=None)
    world.hub.memberships["anna"] = {"status": status, "checked_at": 1.0}
    for _ in range(5):
        await world.recheck(after=BOUND)
    assert (endings(world), world.hub.stopped, world.lines()) == ([], [], [])


async def test_access_that_is_back_in_time_keeps_the_server(world, lost):
    await world.recheck(after=COURTESY - 40)
    world.hub.give_back("anna")
    await world.recheck(after=35)
    assert endings(world) == []
    await world.recheck(after=COURTESY)
    assert world.hub.stopped == []
    assert [line[0] for line in world.lines()] == ["access.end", "access.back"]


async def test_access_that_is_back_at_the_last_look_keeps_the_server(world, lost):
    world.clock.now += COURTESY + 1
    world.hub.give_back("anna")
    await world.ender.stop_due(world.rechecks.look)
    assert world.hub.stopped == []
    assert world.lines()[-1] == ("access.back", "anna/", "denied", "done")


async def test_a_login_during_the_last_look_is_not_answered_by_the_older_answer(
    world, lost
):
    def log_in(_user: str) -> None:
        world.hub.when_rechecked = lambda _user: None
        # the hub answers by what it knew before
        loop.call_soon_threadsafe(take_login)
        heard.wait(20)

    def take_login() -> None:
        world.desk.take_login(LoginNote(user="anna"))
        heard.set()

    loop, heard = asyncio.get_running_loop(), threading.Event()
    answers = iter([{"status": "denied", "checked_at": world.clock()}])
    world.clock.now += COURTESY + 1
    world.hub.give_back("anna")
    known = world.hub.memberships
    world.hub.memberships = OneAnswer(next(answers))
    world.hub.when_rechecked = log_in
    await world.ender.stop_due(world.rechecks.look)
    world.hub.memberships = known
    assert (endings(world), world.hub.stopped) == ([], [])
    assert world.lines()[-1][0] == "access.back"


class OneAnswer(dict):
    """What is said of anybody the first time; then nothing."""

    def __init__(self, answer: dict[str, object]) -> None:
        super().__init__(anna=answer)

    def get(self, user, default=None):
        return self.pop(user, default)


async def test_a_new_login_gives_access_back_at_once(world, lost):
    world.hub.give_back("anna")
    world.desk.take_login(LoginNote(user="anna"))
    await world.recheck()
    assert endings(world) == []


async def test_a_silent_iam_in_the_middle_keeps_the_deadline(world, lost):
    first = world.desk.endings.find(("anna", ""))
    world.hub.memberships["anna"] = {"status": "silent", "checked_at": 1.0}
    await world.recheck(after=COURTESY / 2)
    world.hub.lose("anna", "suspended")
    await world.recheck(after=70)
    last = world.desk.endings.find(("anna", ""))
    assert (last.rule, last.since, last.ends_at) == (
        "suspended",
        first.since,
        first.ends_at,
    )
    assert "suspended" in last.reason
    assert [line[0] for line in world.lines()] == ["access.end"]


async def test_a_server_without_a_recorded_start_ends_too(world):
    world.hub.run("foreign", active_at=world.clock())
    world.hub.lose("foreign")
    await world.sweep()
    await world.recheck(after=BOUND)
    await world.recheck(after=COURTESY + 1)
    assert world.hub.stopped == [("foreign", "")]


# losing one group of several


async def test_what_a_server_was_started_with_and_is_no_longer_open_ends_it(world, run):
    await run(idle=None)
    await run("anna", "two", idle=None, work=())
    plain = await world.desk.find_start("anna", "two")
    mounts = tuple(m for m in plain.plan.mounts if m.kind == "private")
    world.desk.plans.put(replace(plain.plan, mounts=mounts, start_id="plain"))
    world.hub.groups["anna"] = ("hackathon",)
    await world.sweep()
    await world.recheck()
    assert endings(world) == [("anna", "", "withheld")]
    reason = world.desk.endings.find(("anna", "")).reason
    assert "has folders for members of hackathon/gw only. Your groups no" in reason
    await world.recheck(after=COURTESY + 1)
    assert world.hub.stopped == [("anna", "")]
    assert world.lines() == [
        ("access.end", "anna/", "withheld", "done"),
        ("server.stop", "anna/", "withheld", "done"),
    ]


async def test_a_group_given_back_lifts_it_and_nothing_else_does(world, run):
    start = await run(idle=None)
    world.hub.groups["anna"] = ("hackathon",)
    await world.sweep()
    await world.recheck()
    with pytest.raises(RefusedError, match="no longer open") as caught:
        world.desk.keep(start)
    assert (caught.value.status, caught.value.rule) == (409, "access-lost")
    await world.sweep()
    assert endings(world) == [("anna", "", "withheld")]
    del world.hub.groups["anna"]
    await world.sweep()
    await world.recheck()
    assert endings(world) == []


async def test_a_lost_group_is_asked_for_again_in_time_and_at_the_last_look(world, run):
    await run(idle=None)
    await world.recheck()
    assert world.hub.rechecked_for_ending == []
    world.hub.groups["anna"] = ("hackathon",)
    await world.sweep()
    await world.recheck()
    assert endings(world) == [("anna", "", "withheld")]
    for count in (1, 2):
        await world.recheck(after=16)
        assert world.hub.rechecked_for_ending == ["anna"] * count
    world.clock.now += COURTESY
    del world.hub.groups["anna"]
    await world.ender.stop_due(world.rechecks.look)
    assert world.hub.rechecked_for_ending == ["anna"] * 3
    assert (endings(world), world.hub.stopped) == ([], [])
    await world.recheck(after=20)
    assert len(world.hub.rechecked_for_ending) == 3


async def test_a_restart_goes_on_asking_for_whom_a_server_ends(world, run):
    await run(idle=None)
    world.hub.groups["anna"] = ("hackathon",)
    await world.sweep()
    await world.recheck()
    asked = len(world.hub.rechecked)
    again = Rechecks(
        world.desk, world.keeper._hub, world.ender.judge, calls_per_second=20
    )
    again.take({"anna"})
    world.clock.now += 16
    await again.step()
    await again.settle()
    assert len(world.hub.rechecked) == asked + 1


async def test_an_edited_file_is_a_look_at_everybody_at_once(world, run, tmp_path):
    for user in ("anna", "bob"):
        await run(user, idle=None)
    await world.recheck()
    world.hub.rechecked.clear()
    path = tmp_path / "facility.yaml"
    path.write_text(FACILITY.replace("GW: hackathon/gw", "GW: hackathon/hep"))
    await world.recheck()
    assert sorted(world.hub.rechecked) == ["anna", "bob"]
    assert [rule for *_, rule in endings(world)] == ["withheld", "withheld"]
    path.write_text(FACILITY)
    await world.recheck()
    assert endings(world) == []


HUSHES = pytest.mark.parametrize("hush", ["silent", "client-refused"])
WITHDRAWN = ("GW: hackathon/gw", "GW: hackathon/hep")


@HUSHES
async def test_a_file_put_right_during_an_outage_lifts_what_its_mistake_began(
    world, run, tmp_path, hush
):
    await run(idle=None)
    path = tmp_path / "facility.yaml"
    path.write_text(FACILITY.replace(*WITHDRAWN))
    await world.recheck()
    assert endings(world) == [("anna", "", "withheld")]
    world.hub.memberships["anna"] = {"status": hush, "checked_at": world.clock()}
    path.write_text(FACILITY)
    await world.recheck()
    assert endings(world) == []
    await world.recheck(after=COURTESY + 1)
    assert world.hub.stopped == []
    assert [line[0] for line in world.lines()] == ["access.end", "access.back"]


@HUSHES
async def test_an_edit_during_an_outage_ends_what_it_withdraws(
    world, run, tmp_path, hush
):
    await run(idle=None)
    world.hub.memberships["anna"] = {"status": hush, "checked_at": world.clock()}
    await world.recheck()
    path = tmp_path / "facility.yaml"
    path.write_text(FACILITY.replace(*WITHDRAWN))
    await world.recheck()
    assert endings(world) == [("anna", "", "withheld")]
    await world.recheck(after=COURTESY + 1)
    assert world.hub.stopped == [("anna", "")]


@HUSHES
async def test_whoever_the_corrected_file_lets_in_again_goes_on_in_an_outage(
    world, lost, hush
):
    # the hub says that they hold, and knows their groups again
    world.hub.give_back("anna")
    world.hub.memberships["anna"] = {"status": hush, "checked_at": world.clock()}
    await world.recheck(after=20)
    assert endings(world) == []
