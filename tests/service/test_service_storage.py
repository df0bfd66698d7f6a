"""What the service makes of the storage agent's word on trees."""

from __future__ import annotations

import asyncio

import pytest
from fake_agent import MIB, SECRET, FakeAgent
from service_world import ACCESS, GROUPS, ServiceProcess, Stream, running

from jupyterhub_af.line.peer import Peer, PeerRefusedError
from jupyterhub_af.line.sessions import close_sessions
from jupyterhub_af.policy.messages import Refusal, ServerEvent
from jupyterhub_af.service.panel import View, make_events
from jupyterhub_af.service.storage_watch import StorageWatch


@pytest.fixture
def agent():
    with FakeAgent().running() as agent:
        yield agent


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "agent-secret"
    path.write_text(SECRET)
    path.chmod(0o600)
    return str(path)


@pytest.fixture
async def watch(desk, agent, secret_file):
    peer = Peer("storage agent", agent.url, secret_file)
    yield StorageWatch(desk, peer, look_seconds=1200)
    await close_sessions()


async def run_server(desk, begin, user: str):
    start = await begin(user)
    desk.running.see(start, desk.clock(), person_at=None)
    return start


def lines(desk) -> list[tuple[str, str]]:
    return [
        (kept.event.action, kept.event.target)
        for kept in reversed(desk.audit.last(50))
        if kept.event.action.startswith("storage.")
    ]


async def panel(desk, user: str):
    view = View(user, frozenset(GROUPS), "")
    return (await make_events(desk, view, ["storage"]))["storage"]


async def test_the_panel_says_how_full_my_trees_are(desk, begin, watch, agent):
    await run_server(desk, begin, "anna")
    before = await panel(desk, "anna")
    assert [(t.area, t.owner, t.path, t.used_bytes) for t in before.trees] == [
        ("private", "anna", "/af/private", None),
        ("collab", "GW", "/af/collab/GW", None),
    ]
    agent.used = {("private", "anna"): 9 * MIB, ("collab", "GW"): 11 * MIB}
    await watch.look()
    after = await panel(desk, "anna")
    assert [(t.used_bytes, t.quota_bytes, t.fullness) for t in after.trees] == [
        (9 * MIB, 10 * MIB, "near"),
        (11 * MIB, 10 * MIB, "full"),
    ]
    assert after.trees[0].enforced_by == "accounting"
    assert not after.is_rescue
    assert not after.volume_is_full


async def test_each_crossing_is_one_line_that_its_person_reads(
    desk, begin, watch, agent
):
    await run_server(desk, begin, "anna")
    for used in (1, 9, 9, 10, 11, 9, 1, 1):
        agent.used = {("private", "anna"): used * MIB}
        await watch.look()
    mine = "anna/private"
    assert lines(desk) == [
        ("storage.near", mine),
        ("storage.full", mine),
        ("storage.near", mine),
        ("storage.ok", mine),
    ]
    read = [line.action for line in desk.audit.about("anna", 50)]
    assert read[-4:] == [action for action, _ in lines(desk)]


async def test_a_crossing_is_not_told_again_after_a_restart(
    desk, begin, watch, agent, secret_file
):
    await run_server(desk, begin, "anna")
    agent.used = {("private", "anna"): 11 * MIB}
    await watch.look()
    peer = Peer("storage agent", agent.url, secret_file)
    again = StorageWatch(desk, peer, look_seconds=1200)
    await again.look()
    assert lines(desk) == [("storage.full", "anna/private")]


async def test_a_folder_of_a_group_is_one_line_and_nobody_s_alone(
    desk, begin, watch, agent
):
    for user in ("anna", "bea"):
        await run_server(desk, begin, user)
    agent.used = {("collab", "GW"): 10 * MIB}
    await watch.look()
    assert lines(desk) == [("storage.full", "collab:GW")]
    notes = (await desk.health(detailed=True)).notes
    assert notes == (
        "The folder GW of collab holds 10 MiB of its 10 MiB: its people are warned, and "
        "may still write.",
    )
    assert (await desk.health(detailed=False)).notes == ()
    assert (await desk.health(detailed=True)).status == "ok"


async def test_how_many_trees_are_full_is_a_metric(desk, begin, watch, agent):
    await run_server(desk, begin, "anna")
    agent.used = {("private", "anna"): 9 * MIB, ("collab", "GW"): 11 * MIB}
    agent.free_bytes = 0
    await watch.look()
    page = str(await desk.render_metrics())
    assert 'af_trees{fullness="near"} 1.0' in page
    assert 'af_trees{fullness="full"} 1.0' in page
    assert "af_volume_full 1.0" in page


async def test_a_server_that_ended_has_its_trees_counted_once(
    desk, begin, watch, agent
):
    start = await run_server(desk, begin, "anna")
    await watch.look()
    event = ServerEvent(
        user="anna", server_name="", start_id=start.plan.start_id, state="stopped"
    )
    await desk.take_server_event(event)
    agent.asked.clear()
    await watch.look()
    await watch.look()
    assert agent.trees_asked("/recount") == ["private/anna", "collab/GW"]
    # nobody works there any more
    assert agent.trees_asked("/usage") == []


async def test_a_server_that_starts_has_its_disks_looked_at_at_once(
    desk, begin, watch, agent
):
    start = await begin("anna")
    agent.used = {("private", "anna"): 9 * MIB}
    watch.start()
    event = ServerEvent(
        user="anna", server_name="", start_id=start.plan.start_id, state="running"
    )
    await desk.take_server_event(event)
    async with asyncio.timeout(30):
        while (await panel(desk, "anna")).trees[0].used_bytes is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await watch.stop()


async def test_an_agent_that_is_away_is_said_once_and_breaks_nothing(
    desk, begin, agent, secret_file, caplog
):
    await run_server(desk, begin, "anna")
    agent.refusal = (503, {"message": "The disk is slow.", "rule": "storage-slow"})
    peer = Peer("storage agent", agent.url, secret_file)
    watch = StorageWatch(desk, peer, look_seconds=0.01)
    watch.start()
    for _ in range(1000):
        if len(agent.asked) >= 4:
            break
        await asyncio.sleep(0.02)
    await watch.stop()
    await close_sessions()
    assert len(agent.asked) >= 4
    assert caplog.text.count("Could not look at disks: The disk is slow.") == 1


@pytest.fixture
def service_with_agent(tmp_path, hub, agent, secret_file):
    more = {"agent_url": agent.url, "agent_secret_file": secret_file}
    more |= {"sweep_seconds": 0.3}
    with running(ServiceProcess(tmp_path, hub_url=hub.url, more=more)) as process:
        yield process


def refused(reply, status: int) -> Refusal:
    assert reply.status_code == status, reply.text
    return Refusal.model_validate_json(reply.content)


def test_a_person_asks_about_their_own_trees_only(
    service_with_agent, hub, start, agent
):
    service = service_with_agent
    start("anna", service=service)
    scopes = (ACCESS, "access:servers!server=anna/")
    mine = hub.add("anna", *scopes, groups=GROUPS)
    for query in ("area=private&owner=anna", "area=collab&owner=GW&path=a%2Fb"):
        assert service.public(f"api/largest?{query}", mine).status_code == 200
        assert service.post(f"api/recount?{query}", mine).json()["has_begun"] is True
    for query in ("area=private&owner=bea", "area=collab&owner=..", "", "area=private"):
        for reply in (
            service.public(f"api/largest?{query}", mine),
            service.post(f"api/recount?{query}", mine),
        ):
            assert refused(reply, 409).rule == "tree-not-yours"
    # a group that is lost takes its folder with it, whatever the plan says
    former = hub.add("anna", *scopes, groups=("hackathon",))
    reply = service.public("api/largest?area=collab&owner=GW", former)
    assert refused(reply, 409).rule == "tree-not-yours"
    laptop = hub.add("anna", ACCESS, groups=GROUPS)
    reply = service.public("api/largest?area=private&owner=anna", laptop)
    assert refused(reply, 403).rule == "not-a-server"


def test_versions_are_removed_of_what_a_person_made_where_they_write(
    service_with_agent, hub, start, agent
):
    service = service_with_agent
    start("anna", service=service)
    scopes = (ACCESS, "access:servers!server=anna/")
    mine = hub.add("anna", *scopes, groups=GROUPS)
    with service.client() as client:
        ids = client.post("/internal/ids", json={"user": "anna"}).json()
    for path, tree, below in (
        ("private/a.txt", ("private", "anna"), "a.txt"),
        ("collab/GW/week/b", ("collab", "GW"), "week/b"),
    ):
        reply = service.post("api/purge", mine, {"path": path})
        assert (reply.status_code, reply.json()) == (200, {"generations": 3})
        # the service looks at how full trees are meanwhile
        *_, body = (body for asked, body in agent.asked if asked == "/backup/purge")
        assert (body["tree"]["area"], body["tree"]["owner"]) == tree
        assert (body["path"], body["uid"]) == (below, ids["uid"])
    asked = len(agent.asked)
    for path in (
        "private",
        "private/",
        "collab/HEP/b",
        "collab/GW",
        "/etc/passwd",
        "..",
    ):
        reply = service.post("api/purge", mine, {"path": path})
        assert refused(reply, 409).rule == "tree-not-yours"
    # a group that is lost takes its folder with it, whatever the plan says
    former = hub.add("anna", *scopes, groups=("hackathon",))
    reply = service.post("api/purge", former, {"path": "collab/GW/week/b"})
    assert refused(reply, 409).rule == "tree-not-yours"
    purges = [path for path, _ in agent.asked[asked:] if path == "/backup/purge"]
    assert purges == []
    agent.refusal = (409, {"message": "Not all of it is yours.", "rule": "not-yours"})
    reply = service.post("api/purge", mine, {"path": "private/a.txt"})
    assert refused(reply, 409).message == "Not all of it is yours."


def test_the_agent_s_no_and_its_silence_are_said_in_words(
    service_with_agent, hub, start, agent
):
    service = service_with_agent
    start("anna", service=service)
    mine = hub.add("anna", ACCESS, "access:servers!server=anna/", groups=GROUPS)
    query = "api/largest?area=private&owner=anna"
    agent.refusal = (409, {"message": "No such folder.", "rule": "folder-unknown"})
    assert refused(service.public(query, mine), 409).message == "No such folder."
    agent.refusal = (503, {"message": "The disk is slow.", "rule": "storage-slow"})
    assert refused(service.public(query, mine), 424).message == "The disk is slow."
    agent.refusal = (500, {"what": "no refusal"})
    assert refused(service.public(query, mine), 424).rule == "agent-away"


def test_without_an_agent_it_is_said_that_there_is_none(service, hub, start):
    start("zoe")
    mine = hub.add("zoe", ACCESS, "access:servers!server=zoe/", groups=GROUPS)
    reply = service.public("api/largest?area=private&owner=zoe", mine)
    assert refused(reply, 424).rule == "agent-none"


def test_a_count_that_is_asked_for_is_in_the_panel_within_seconds(
    service_with_agent, hub, start, agent
):
    service = service_with_agent
    start_id = start("anna", service=service)
    event = {
        "user": "anna",
        "server_name": "",
        "start_id": start_id,
        "state": "running",
    }
    with service.client() as client:
        client.post("/internal/servers", json=event).raise_for_status()
    mine = hub.add("anna", ACCESS, "access:servers!server=anna/", groups=GROUPS)
    with Stream(service, mine) as stream:
        agent.used = {("private", "anna"): 5 * MIB}
        agent.counted_at = 2000.0
        service.post("api/recount?area=private&owner=anna", mine)
        while (tree := stream.next("storage")["data"]["trees"][0])[
            "counted_at"
        ] != 2000:
            pass
        assert tree["used_bytes"] == 5 * MIB


async def test_a_full_disk_is_told_to_everybody_also_while_nobody_works(
    desk, watch, agent
):
    agent.free_bytes = 0
    await watch.look()
    assert desk.disks.is_volume_full
    assert agent.trees_asked("/usage") == []
    assert (await panel(desk, "anna")).volume_is_full
    agent.free_bytes = 10**9
    await watch.look()
    assert not (await panel(desk, "anna")).volume_is_full


async def test_a_count_after_a_server_waits_for_an_agent_that_is_away(
    desk, begin, watch, agent
):
    start = await run_server(desk, begin, "anna")
    event = ServerEvent(
        user="anna", server_name="", start_id=start.plan.start_id, state="stopped"
    )
    await desk.take_server_event(event)
    agent.refusal = (503, {"message": "The disk is slow.", "rule": "storage-slow"})
    with pytest.raises(PeerRefusedError):
        await watch.look()
    agent.refusal = None
    agent.asked.clear()
    await watch.look()
    assert agent.trees_asked("/recount") == ["private/anna", "collab/GW"]
