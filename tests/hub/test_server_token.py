"""The token of one server, from its start to its end: a source, files, a clock."""

from __future__ import annotations

import asyncio
import logging
import os
from types import SimpleNamespace

import pytest
from worlds import demo_facility

from jupyterhub_af.hub import server_token
from jupyterhub_af.hub.hand_outs import AccessToken, HandOuts, NarrowRefusedError
from jupyterhub_af.hub.holds_token import RunningServers
from jupyterhub_af.hub.iam_http import IAMAwayError
from jupyterhub_af.hub.server_token import Held, ServerToken
from jupyterhub_af.hub.token_sink import FileTokenSink, Place
from jupyterhub_af.policy.token import TokenWish

ADA = SimpleNamespace(name="ada", spawners={})
LOG = logging.getLogger("test_server_token")


class FakeSource:
    """Give tokens as the engine of the re-checks does; ``fault`` makes it fail."""

    def __init__(self):
        self.hand_outs = HandOuts(LOG)
        self.now = 1_000.0
        self.life = 1_000.0
        self.has_token = True
        self.fault = None
        self.narrow_fault = None
        self.asked = 0
        self.narrowed = []

    def token(self, value="wide"):
        return AccessToken(
            f"{value}-{self.now:.0f}", self.now, self.now + self.life, self.narrow
        )

    async def narrow(self, audience, scopes):
        self.narrowed.append((audience, scopes))
        if self.narrow_fault:
            raise self.narrow_fault
        return self.token("narrow")

    async def fresh_token(self, user):
        self.asked += 1
        if self.fault:
            raise self.fault
        return self.token() if self.has_token else None

    async def narrow_token(self, user, audience, scopes):
        return await self.narrow(audience, scopes)


class World:
    def __init__(self, root):
        self.source = FakeSource()
        self.sink = FileTokenSink(root)
        self.place = Place("ada", os.geteuid(), os.getegid())
        self.token = self.make()

    def make(self, wish=None):
        """Return a server's token: as after a restart of the hub."""
        self.token = ServerToken(
            Held(wish or TokenWish(), self.place, "DODAS V5"),
            self.sink,
            facility=demo_facility,
            log=LOG,
            now=lambda: self.source.now,
        )
        return self.token

    def files(self):
        folder = self.sink.path(self.place)
        return {path.name: path.read_text().strip() for path in folder.iterdir()}

    async def begin(self):
        return await self.token.begin(self.source, ADA)

    async def look(self, *, after=0.0):
        self.source.now += after
        self.token.look_after(self.source, ADA)
        await self.token.settled()


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


async def test_a_start_has_a_token(world):
    assert await world.begin() is True
    assert world.files() == {
        "token": "wide-1000",
        "expires_at": "2000",
        "lifetime": "1000",
    }


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(
            lambda source: setattr(source, "has_token", False),
            "There is no access token",
            id="nobody has one",
        ),
        pytest.param(
            lambda source: setattr(source, "fault", IAMAwayError("no answer")),
            "There is no access token",
            id="the IAM is silent",
        ),
    ],
)
async def test_a_start_without_a_token_says_why_and_has_one_later(world, spoil, words):
    spoil(world.source)
    assert await world.begin() is True
    assert set(world.files()) == {"problem"}
    assert world.files()["problem"].startswith(words)
    world.source.has_token, world.source.fault = True, None
    await world.look(after=10)
    assert world.files()["token"] == "wide-1010"
    assert "problem" not in world.files()


async def test_a_start_waits_for_no_token_that_does_not_come(world, monkeypatch):
    monkeypatch.setattr(server_token, "START_SECONDS", 0.01)

    async def hang(user):
        await asyncio.Event().wait()

    world.source.fresh_token = hang
    assert await world.begin() is True
    assert set(world.files()) == {"problem"}


async def test_a_fault_of_the_source_stops_no_start(world):
    world.source.fault = RuntimeError("a fault of ours")
    assert await world.begin() is True
    assert world.files() == {}


async def test_a_folder_that_cannot_be_made_stops_no_start(tmp_path):
    world = World(tmp_path / "missing")
    assert await world.begin() is False
    assert world.source.asked == 0


async def test_a_token_is_renewed_before_a_fifth_of_its_life_is_left(world):
    await world.begin()
    await world.look(after=740)
    assert world.source.asked == 1
    await world.look(after=20)
    assert world.files() == {
        "token": "wide-1760",
        "expires_at": "2760",
        "lifetime": "1000",
    }


async def test_a_silent_iam_leaves_the_token_and_says_so_when_it_is_late(world):
    await world.begin()
    world.source.fault = IAMAwayError("no answer")
    await world.look(after=760)
    assert "problem" not in world.files()
    await world.look(after=100)
    assert world.files()["token"] == "wide-1000"
    assert world.files()["problem"].startswith("The login service has not renewed")
    world.source.fault = None
    await world.look(after=10)
    assert world.files()["token"] == "wide-1870"
    assert "problem" not in world.files()


async def test_it_is_asked_once_in_a_while_and_never_twice_at_once(world):
    await world.begin()
    world.source.fault = IAMAwayError("no answer")
    world.source.now += 900
    for _ in range(20):
        world.token.look_after(world.source, ADA)
    await world.token.settled()
    assert world.source.asked == 2
    await world.look(after=1)
    assert world.source.asked == 2
    await world.look(after=5)
    assert world.source.asked == 3


async def test_what_the_engine_renews_is_put_into_every_server(world):
    await world.begin()
    ada = SimpleNamespace(
        name="ada",
        spawners={
            "": SimpleNamespace(server_token=world.token),
            "stopped": SimpleNamespace(server_token=None),
            "other": SimpleNamespace(),
        },
    )
    world.source.now += 300
    await RunningServers().renewed(ada, world.source.token())
    assert world.files()["token"] == "wide-1300"
    await RunningServers().withdrawn(ada, "denied")
    assert world.files()["problem"].startswith("Your access to INFN analysis facility")
    assert world.files()["token"] == "wide-1300"


async def test_a_profile_that_wants_less_never_gets_more(world):
    token = world.make(TokenWish("https://se.example.org", ("storage.read:/",)))
    await world.begin()
    assert world.files()["token"] == "narrow-1000"
    assert world.source.narrowed == [("https://se.example.org", ("storage.read:/",))]
    world.source.now += 300
    ada = SimpleNamespace(
        name="ada", spawners={"": SimpleNamespace(server_token=token)}
    )
    await RunningServers().renewed(ada, world.source.token())
    await token.settled()
    assert world.files()["token"] == "narrow-1300"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(NarrowRefusedError("no"), "The login service gives no", id="no"),
        pytest.param(IAMAwayError("no answer"), "There is no access", id="silent"),
    ],
)
async def test_where_there_is_nothing_narrow_there_is_nothing(world, fault, words):
    world.make(TokenWish("https://se.example.org"))
    world.source.narrow_fault = fault
    assert await world.begin() is True
    assert set(world.files()) == {"problem"}
    assert world.files()["problem"].startswith(words)


async def test_a_restarted_hub_asks_for_nothing_where_the_token_is_good(world):
    await world.begin()
    world.make()
    await world.look(after=300)
    assert world.source.asked == 1
    await world.look(after=500)
    assert world.source.asked == 2
    assert world.files()["token"] == "wide-1800"


async def test_a_restarted_hub_puts_a_token_where_one_is_gone(world):
    await world.begin()
    await world.sink.withdraw(world.place)
    world.make()
    await world.look()
    assert world.files()["token"] == "wide-1000"


async def test_after_the_end_nothing_is_put_any_more(world):
    await world.begin()
    await world.token.withdraw()
    assert world.files() == {}
    await world.token.take(world.source.token())
    await world.look(after=900)
    await world.token.end()
    await world.token.withdraw()
    assert world.files() == {}


async def test_a_disk_that_fails_keeps_the_old_token_and_breaks_nothing(
    world, monkeypatch
):
    await world.begin()

    def refuse(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        world.source.now += 300
        await world.token.take(world.source.token())
    assert world.files()["token"] == "wide-1000"
    await world.token.take(world.source.token())
    assert world.files()["token"] == "wide-1300"


def test_what_the_hub_keeps_of_a_token_survives_and_holds_no_secret():
    held = Held(TokenWish("a", ("s",)), Place("ada--gpu", 1, 2), "DODAS V5")
    assert Held.from_state(held.to_state()) == held
    assert set(held.to_state()) == {
        "audience",
        "scopes",
        "folder",
        "uid",
        "gid",
        "title",
    }
