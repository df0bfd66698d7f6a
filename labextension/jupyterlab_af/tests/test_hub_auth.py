"""The single-user server's hub client, against a hub and a service at the wire."""

from __future__ import annotations

import asyncio

import pytest
from tornado.web import HTTPError

from jupyterlab_af.courtesy import Courtesy
from jupyterlab_af.hub_auth import FacilityHubAuth
from jupyterlab_af.service import ServiceAddress
from jupyterlab_af.tests.hubs import ADMIN, BROWSER, FakeHub
from jupyterlab_af.tests.worlds import CREDENTIAL, answering, running_service

NOW = 1_000_000.0
STRANGER = "the-token-of-nobody"
END = {"rule": "denied", "reason": "Ask.", "since": NOW, "ends_at": NOW + 600}


class World:
    """A person's server: its clock, its hub, its service."""

    def __init__(self, hub, service) -> None:
        self.hub = hub
        self.service = service
        self.now = NOW
        self.auth = FacilityHubAuth(
            api_url=f"{hub.url}/hub/api",
            api_token=CREDENTIAL,
            oauth_client_id="jupyterhub-user-student1",
            owner="student1",
            clock=lambda: self.now,
        )
        self.auth.courtesy = Courtesy(
            ServiceAddress(service.url, CREDENTIAL),
            self.auth.is_server_refused,
            answer_seconds=5,
        )

    async def who(self, token=BROWSER, session="s"):
        """Return who may use the server with a token, None or the words that refuse."""
        try:
            model = await self.auth.user_for_token(
                token, session_id=session, sync=False
            )
        except HTTPError as error:
            return f"{error.status_code} {error.reason}"
        return model and model["name"]


@pytest.fixture
def world():
    hub = FakeHub()
    with running_service() as service, answering(hub) as url:
        hub.url = url
        yield World(hub, service)


def run(function):
    def ran(world):
        asyncio.run(function(world))

    ran.__name__ = function.__name__
    return ran


@run
async def test_the_hub_is_asked_once_in_five_minutes(world):
    assert await world.who() == "student1"
    world.now += 299
    assert await world.who() == "student1"
    assert world.hub.asked == [BROWSER]
    world.now += 1
    assert await world.who() == "student1"
    assert world.hub.asked == [BROWSER] * 2


@run
async def test_an_accepted_owner_goes_on_to_the_deadline_and_no_longer(world):
    await world.who()
    world.hub.deny("student1")
    world.service.end = END
    world.now += 300
    assert await world.who() == "student1"
    world.now = NOW + 599
    assert await world.who() == "student1"
    world.now = NOW + 601
    assert await world.who() is None
    assert await world.who() is None


@run
async def test_who_was_never_accepted_has_no_courtesy(world):
    await world.who()
    world.hub.deny("student1")
    world.service.end = END
    world.now += 300
    assert await world.who(STRANGER) is None
    assert await world.who(BROWSER, session="another") is None
    assert world.service.asked == 0


@run
async def test_a_visitor_has_no_courtesy(world):
    assert await world.who(ADMIN) == "admin1"
    world.hub.deny("admin1")
    world.service.end = END
    world.now += 300
    assert await world.who(ADMIN) is None


@run
async def test_the_hub_may_say_no_before_the_end_is_announced(world):
    await world.who()
    world.hub.deny("student1")
    world.now += 300
    assert await world.who() == "student1"
    world.now += 20
    world.service.end = END
    world.now += 270
    assert await world.who() == "student1"


@run
async def test_without_an_announced_end_the_while_is_short(world):
    await world.who()
    world.hub.deny("student1")
    world.now += 300
    assert await world.who() == "student1"
    world.now += 300
    assert await world.who() is None


@run
async def test_a_browser_that_was_logged_out_is_refused_at_once(world):
    await world.who()
    del world.hub.people[BROWSER]
    world.now += 300
    assert await world.who() is None


@run
async def test_access_given_back_is_the_hubs_word_again(world):
    await world.who()
    people = world.hub.people
    world.hub.deny("student1")
    world.service.end = END
    world.now += 300
    assert await world.who() == "student1"
    world.hub.people, world.service.end = people, None
    world.now += 5
    assert await world.who() == "student1"
    world.now += 299
    asked = len(world.hub.asked)
    assert await world.who() == "student1"
    assert len(world.hub.asked) == asked


@run
async def test_a_refusal_is_asked_again_after_some_seconds_and_not_before(world):
    await world.who()
    world.hub.deny("student1")
    world.service.end = END
    world.now += 300
    for _ in range(20):
        await world.who()
    assert (world.hub.asked.count(BROWSER), world.service.asked) == (2, 1)
    world.now += 5
    await world.who()
    assert (world.hub.asked.count(BROWSER), world.service.asked) == (3, 2)


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(500, id="it broke"),
        pytest.param(503, id="it is away behind its proxy"),
        pytest.param(404, id="it is another"),
    ],
)
def test_a_hub_that_does_not_answer_is_said_in_words(world, status):
    async def asked():
        world.hub.status = status
        assert await world.who(STRANGER) == "503 JupyterHub does not answer"
        world.hub.status = 0
        assert await world.who() == "student1"
        world.hub.status = status
        world.now += 300
        # its last word holds for as long again
        assert await world.who() == "student1"
        world.now += 300
        assert await world.who() == "503 JupyterHub does not answer"
        world.now += 1
        assert await world.who() == "503 JupyterHub does not answer"
        world.hub.status = 0
        world.now += 5
        assert await world.who() == "student1"

    asyncio.run(asked())


@run
async def test_a_hub_that_is_not_there_is_said_in_words(world):
    world.auth.api_url = "http://127.0.0.1:9/hub/api"
    assert await world.who() == "503 JupyterHub does not answer"


@run
async def test_a_login_that_the_hub_does_not_finish_is_said_in_words(world):
    with pytest.raises(HTTPError) as caught:
        await world.auth.token_for_code("a-code", sync=False)
    assert caught.value.status_code == 503
    assert "whom to ask" in caught.value.reason


def test_a_blocking_caller_gets_the_hubs_word_alone(world):
    assert world.auth.user_for_token(BROWSER)["name"] == "student1"
    world.hub.deny("student1")
    world.service.end = END
    assert world.auth.user_for_token(BROWSER, use_cache=False) is None


def test_no_credential_is_in_what_is_remembered(world):
    asyncio.run(world.who())
    remembered = world.auth.remembered
    shown = repr(vars(remembered))
    assert len(remembered) == 1
    assert BROWSER not in shown
    assert "student1" not in shown
