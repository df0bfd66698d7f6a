"""Each act at the hub is exactly one line of the audit, with who did it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fake_iam import FakeAccount
from fake_server import FakeServer, options
from jupyterhub import orm
from refresh_world import RECHECK, SUSPENDED

from jupyterhub_af.hub import acts
from jupyterhub_af.line import audit

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]

ADMIN = FakeAccount(
    "sub-admin",
    {"preferred_username": "root1", "groups": ["facility", "facility/admins"]},
)
ALICE = FakeAccount(
    "sub-alice", {"preferred_username": "alice", "groups": ["hackathon"]}
)
BOB = FakeAccount("sub-bob", {"preferred_username": "bob", "groups": ["hackathon"]})
STRANGER = FakeAccount("sub-eve", {"preferred_username": "eve", "groups": ["others"]})


async def come(is_true: Callable[[], bool]) -> None:
    """Let the hub work until something is so."""
    async with asyncio.timeout(30):
        while not is_true():  # noqa: ASYNC110 - the hub sets no event
            await asyncio.sleep(0.01)


@dataclass
class World:
    """A hub with three people, and lines of the audit since they logged in."""

    hub: Any
    tokens: dict[str, str]

    async def ask(self, who: str, method: str, path: str, **body: Any) -> int:
        """Ask the hub's API as somebody; return the status."""
        headers = {"Authorization": f"token {self.tokens[who]}"}
        async with httpx.AsyncClient(timeout=30) as http:
            answer = await http.request(
                method,
                f"{self.hub.url}api/{path}",
                headers=headers,
                json=body or None,
            )
        return answer.status_code

    async def lines(self, count: int) -> list[tuple[str, ...]]:
        """Return the lines, once there are so many and nobody has more to tell."""
        events = self.hub.service.events
        await come(lambda: len(events) >= count)
        await self.hub.app.authenticator.audit_writer().settle()
        shown = ("actor", "action", "target", "result", "rule")
        return [tuple(event[key] for key in shown) for event in events]

    def forget(self) -> None:
        self.hub.service.events.clear()

    async def start(self, who: str, user: str, path: str = "server") -> None:
        status = await self.ask(who, "POST", f"users/{user}/{path}", **options())
        assert status in (201, 202), status
        spawner = self.hub.app.users[user].spawners[path.partition("/")[2]]
        await come(lambda: spawner.ready)


@pytest.fixture
async def world(hub_config, service, start_hub, monkeypatch):
    monkeypatch.setattr(audit, "AFTER_FAILURE_SECONDS", 0.02)
    hub_config["JupyterHub"] |= {
        "spawner_class": FakeServer,
        "allow_named_servers": True,
    }
    hub_config["FacilityAware"] |= {
        "agent_url": service.url,
        "agent_secret_file": str(service.secret_file),
    }
    FakeServer.trouble = ""
    hub = await start_hub()
    tokens = {}
    for account in (ADMIN, ALICE, BOB):
        hub.iam.person = account
        async with hub.browser() as browser:
            assert (await browser.log_in()).status_code == 200
        name = account.claims["preferred_username"]
        tokens[name] = hub.app.users[name].new_api_token(note="test")
    world = World(hub, tokens)
    await world.lines(3)
    world.forget()
    yield world
    for user in list(hub.app.users.values()):
        for spawner in list(user.spawners.values()):
            await spawner.die()
    await hub.app.authenticator.audit_writer().stop()


ACTS = {
    "a person starts their server": (
        ("alice", "POST", "users/alice/server", options()),
        ("alice", "server.start", "alice/", "done", ""),
    ),
    "an administrator starts somebody's server": (
        ("root1", "POST", "users/alice/server", options()),
        ("root1", "server.start", "alice/", "done", ""),
    ),
    "an administrator starts somebody's named server": (
        ("root1", "POST", "users/alice/servers/two", options()),
        ("root1", "server.start", "alice/two", "done", ""),
    ),
    "a start is refused by the facility": (
        ("alice", "POST", "users/alice/server", options(profile="none-such")),
        ("alice", "server.start", "alice/", "refused", "profile-unknown"),
    ),
    "a start is refused at the door": (
        ("alice", "POST", "users/alice/server", {"user_options": []}),
        ("alice", "server.start", "alice/", "refused", "request-form"),
    ),
    "somebody starts another's server": (
        ("bob", "POST", "users/alice/server", options()),
        ("bob", "server.start", "alice/", "refused", "not-allowed"),
    ),
    "somebody stops another's server": (
        ("bob", "DELETE", "users/alice/server", {}),
        ("bob", "server.stop", "alice/", "refused", "not-allowed"),
    ),
    "an administrator deletes a person at the hub": (
        ("root1", "DELETE", "users/bob", {}),
        ("root1", "user.delete", "bob/", "done", ""),
    ),
    "somebody tries to delete another": (
        ("bob", "DELETE", "users/alice", {}),
        ("bob", "user.delete", "alice/", "refused", "not-allowed"),
    ),
    "an administrator makes a person": (
        ("root1", "POST", "users/carla", {}),
        ("root1", "user.create", "carla/", "done", ""),
    ),
    "an administrator renames a person in vain": (
        ("root1", "PATCH", "users/alice", {"name": "alicia"}),
        ("root1", "user.change", "alice/", "refused", "not-allowed"),
    ),
    "an administrator makes a token for somebody": (
        ("root1", "POST", "users/alice/tokens", {"note": "mine"}),
        ("root1", "token.create", "alice/", "done", ""),
    ),
    "an administrator changes a group in vain": (
        ("root1", "POST", "groups/cygno", {}),
        ("root1", "group.change", "", "refused", "not-allowed"),
    ),
    "an administrator has the proxy looked over": (
        ("root1", "POST", "proxy", {}),
        ("root1", "proxy.change", "", "done", ""),
    ),
}


@pytest.mark.parametrize(("asked", "line"), ACTS.values(), ids=ACTS.keys())
async def test_an_act_is_one_line(world, asked, line):
    who, method, path, body = asked
    await world.ask(who, method, path, **body)
    assert await world.lines(1) == [line]


@pytest.mark.parametrize("who", ["alice", "root1"])
async def test_a_stop_names_who_stopped(world, who):
    await world.start("alice", "alice")
    world.forget()
    start_id = world.hub.app.users["alice"].spawners[""].start_id
    assert await world.ask(who, "DELETE", "users/alice/server") == 204
    assert await world.lines(1) == [(who, "server.stop", "alice/", "done", "")]
    # so that it is one line where the service tells of the stop too
    assert start_id in world.hub.service.tellings[-1]


async def test_a_deleted_persons_server_is_stopped_by_who_deleted(world):
    await world.start("alice", "alice")
    world.forget()
    assert await world.ask("root1", "DELETE", "users/alice") == 204
    assert await world.lines(2) == [
        ("root1", "server.stop", "alice/", "done", ""),
        ("root1", "user.delete", "alice/", "done", ""),
    ]


async def test_a_server_that_ends_by_itself_was_stopped_by_nobody(world):
    await world.start("alice", "alice")
    world.forget()
    user = world.hub.app.users["alice"]
    await user.spawners[""].die()
    await user.spawners[""].poll_and_notify()
    ended = ("hub", "server.stop", "alice/", "done", "server-ended")
    assert await world.lines(1) == [ended]


async def test_a_refused_stop_is_no_word_on_who_ends_the_server_later(world):
    await world.start("alice", "alice")
    world.forget()
    await world.ask("bob", "DELETE", "users/alice/server")
    assert world.hub.app.users["alice"].spawners[""].stopped_by == ""


async def test_a_start_that_comes_to_nothing_is_one_line(world):
    FakeServer.trouble = "fails"
    await world.ask("alice", "POST", "users/alice/server", **options())
    failed = ("alice", "server.start", "alice/", "failed", "start-failed")
    assert await world.lines(1) == [failed]


@pytest.mark.parametrize(
    ("status", "result"), [(403, "refused"), (507, "failed")], ids=["a no", "no disk"]
)
async def test_a_start_that_the_agent_refuses_is_one_line(world, status, result):
    refusal = {"message": "There is no room.", "rule": "disk-full"}
    world.hub.service.refuse_ensure = (status, refusal)
    await world.ask("alice", "POST", "users/alice/server", **options())
    line = ("alice", "server.start", "alice/", result, "disk-full")
    assert await world.lines(1) == [line]


async def test_a_token_that_an_administrator_removes_is_one_line(world):
    user = world.hub.app.users["alice"]
    user.new_api_token(note="old")
    token = next(t for t in user.api_tokens if t.note == "old")
    path = f"users/alice/tokens/{token.api_id}"
    assert await world.ask("root1", "DELETE", path) == 204
    assert await world.lines(1) == [("root1", "token.delete", "alice/", "done", "")]


async def test_what_people_do_with_their_own_tokens_is_theirs(world):
    assert await world.ask("alice", "POST", "users/alice/tokens", note="a") == 201
    assert await world.lines(0) == []


async def test_what_nobody_has_makes_no_line_for_each_name_invented(world):
    for number in range(20):
        await world.ask("bob", "DELETE", f"users/invented-{number}")
    refused = ("bob", "user.delete", "", "refused", "not-allowed")
    assert await world.lines(1) == [refused]


async def test_a_stranger_does_nothing(world):
    async with httpx.AsyncClient() as http:
        await http.delete(f"{world.hub.url}api/users/alice")
    assert await world.lines(0) == []


async def test_a_person_without_a_group_is_refused_in_one_line(world):
    world.hub.iam.person = STRANGER
    async with world.hub.browser() as browser:
        assert (await browser.log_in()).status_code == 403
    refused = ("eve", "login", "", "refused", "login-not-allowed")
    assert await world.lines(1) == [refused]


async def test_a_service_that_is_away_for_a_moment_hears_it_later_once(world):
    world.hub.service.away = {"/internal/audit"}
    assert await world.ask("root1", "DELETE", "users/bob") == 204
    await asyncio.sleep(0.1)
    assert world.hub.service.events == []
    world.hub.service.away = set()
    assert await world.lines(1) == [("root1", "user.delete", "bob/", "done", "")]


async def test_who_enters_somebodys_server_is_one_line(world):
    await world.start("alice", "alice")
    world.forget()
    spawner = world.hub.app.users["alice"].spawners[""]
    world.hub.iam.person = ADMIN
    async with world.hub.browser() as browser:
        await browser.log_in()
        client = (
            world.hub.app.db.query(orm.OAuthClient)
            .filter_by(identifier=spawner.oauth_client_id)
            .one()
        )
        query = {
            "client_id": client.identifier,
            "redirect_uri": client.redirect_uri,
            "response_type": "code",
            "state": "s",
        }
        url = httpx.URL(f"{world.hub.url}api/oauth2/authorize").copy_merge_params(query)
        page = await browser.http.get(url, follow_redirects=False)
        assert page.status_code == 200, page.text
        xsrf = next(c.value for c in browser.http.cookies.jar if c.name == "_xsrf")
        answer = await browser.http.post(
            url,
            data={"_xsrf": xsrf, "scopes": ["access:servers!server=alice/"]},
            headers={"Referer": str(url)},
            follow_redirects=False,
        )
    assert answer.status_code == 302, answer.text
    login, entered = await world.lines(2)
    assert login[:2] == ("root1", "login")
    assert entered == ("root1", "server.enter", "alice/", "done", "")


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        pytest.param(SUSPENDED, "suspended", id="a suspended account"),
        pytest.param(None, "denied", id="a lost group"),
    ],
)
async def test_access_that_ends_is_one_line_however_often_it_is_asked(
    hub, visit, iam, answer, rule
):
    here = await visit()
    hub.service.events.clear()
    if answer is None:
        iam.person.claims["groups"] = ["zoo"]
    iam.refuse_grant = answer
    here.clock.pass_by(RECHECK)
    for _ in range(3):
        assert await here.page() == 302
    await come(lambda: hub.service.events)
    await hub.app.authenticator.audit_writer().settle()
    lines = [(e["actor"], e["action"], e["rule"]) for e in hub.service.events]
    assert lines == [("hub", "login.end", rule)]


@pytest.mark.parametrize("act", acts.ACTS, ids=lambda act: f"{act.action} {act.path}")
def test_every_act_has_a_name_that_the_audit_takes(act):
    assert act.methods.split()
    assert act.action.count(".") == 1
