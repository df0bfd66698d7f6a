"""A start needs groups that the IAM has confirmed lately, and a token of theirs."""

from __future__ import annotations

import pytest
from fake_iam import EXCHANGE
from refresh_world import AUP, CLIENT_SUSPENDED, RECHECK, SUSPENDED

from jupyterhub_af.hub.compat import SpawnException
from jupyterhub_af.hub.hand_outs import NarrowRefusedError
from jupyterhub_af.hub.iam_http import IAMAwayError
from jupyterhub_af.hub.narrow_refusals import FIRST_PAUSE_SECONDS
from jupyterhub_af.hub.start import PlannedStart

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]


def make_start(here) -> PlannedStart:
    start = PlannedStart(config=here.hub.app.config)
    start.user, start.authenticator = here.user, here.hub.app.authenticator
    start.name, start.handler = "", None
    return start


async def refusal_of(here) -> SpawnException:
    with pytest.raises(SpawnException) as caught:
        await make_start(here).confirm_groups()
    return caught.value


async def test_a_start_by_young_groups_asks_nobody(visit, iam):
    here = await visit()
    here.clock.pass_by(RECHECK - 1)
    iam.status["/token"] = (503, "")
    await make_start(here).confirm_groups()
    assert iam.grants == []


async def test_a_start_by_old_groups_asks_first(visit, iam):
    here = await visit()
    here.clock.pass_by(RECHECK)
    await make_start(here).confirm_groups()
    assert iam.refreshes() == 1


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        pytest.param((503, {}), 503, "does not answer", id="silent"),
        pytest.param(CLIENT_SUSPENDED, 503, "does not accept", id="client refused"),
        pytest.param(SUSPENDED, 403, "is suspended", id="suspended"),
        pytest.param(AUP, 403, "acceptable use policy", id="rules unsigned"),
        pytest.param(
            (400, {"error": "invalid_grant"}), 403, "log in to", id="login ended"
        ),
    ],
)
async def test_a_start_that_cannot_be_confirmed_is_refused_in_words(
    visit, iam, service, answer, status, words
):
    here = await visit()
    service.events.clear()
    iam.refuse_grant = answer
    here.clock.pass_by(RECHECK)
    error = await refusal_of(here)
    assert error.status_code == status
    assert words in error.jupyterhub_message
    starts = [e for e in service.events if e["action"].startswith("server.")]
    assert [(e["action"], e["result"]) for e in starts] == [("server.start", "refused")]


async def test_a_start_after_a_lost_group_names_the_groups_wanted(visit, iam):
    here = await visit()
    iam.person.claims["groups"] = ["zoo"]
    here.clock.pass_by(RECHECK)
    error = await refusal_of(here)
    assert (error.status_code, "hackathon, cygno" in error.jupyterhub_message) == (
        403,
        True,
    )


# tokens for servers


class FakeReceiver:
    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    async def renewed(self, user, access) -> None:
        self.told.append(("renewed", user.name, access.value))

    async def withdrawn(self, user, rule) -> None:
        self.told.append(("withdrawn", user.name, rule))


class FailingReceiver:
    async def renewed(self, user, access) -> None:
        raise OSError

    async def withdrawn(self, user, rule) -> None:
        raise OSError


async def test_receivers_hear_of_new_tokens_and_of_the_end_once_each(hub, visit, iam):
    receiver = FakeReceiver()
    for one in (FailingReceiver(), receiver, receiver):
        hub.app.authenticator.hand_outs.register(one)
    here = await visit()
    await here.rechecks.settled()
    tokens = [(await here.state())["access_token"]]
    here.clock.pass_by(RECHECK)
    await here.page()
    await here.rechecks.settled()
    tokens.append((await here.state())["access_token"])
    iam.refuse_grant = SUSPENDED
    here.clock.pass_by(RECHECK)
    for _ in range(3):
        await here.page()
    iam.refuse_grant = None
    here.clock.pass_by(RECHECK)
    await here.page()
    await here.rechecks.settled()
    tokens.append((await here.state())["access_token"])
    me = "student1"
    assert receiver.told == [
        ("renewed", me, tokens[0]),
        ("renewed", me, tokens[1]),
        ("withdrawn", me, "suspended"),
        ("renewed", me, tokens[2]),
    ]
    assert len(set(tokens)) == 3


async def test_a_token_is_renewed_before_a_fifth_of_its_life_is_left(hub, visit, iam):
    hub.app.authenticator.hand_outs.register(FakeReceiver())
    iam.lives = 200
    here = await visit()
    authenticator = hub.app.authenticator
    here.clock.pass_by(149)
    first = await authenticator.fresh_token(here.user)
    assert (first.expires_at - here.clock.at, iam.refreshes()) == (51, 0)
    here.clock.pass_by(1)
    second = await authenticator.fresh_token(here.user)
    assert (second.expires_at - here.clock.at, iam.refreshes()) == (200, 1)
    assert first.value not in repr(first)
    assert "value" not in repr(second)


async def test_there_is_no_token_for_whom_access_ended_or_it_is_over(hub, visit, iam):
    iam.lives = 200
    here = await visit()
    fresh_token = hub.app.authenticator.fresh_token
    iam.status["/token"] = (503, "")
    here.clock.pass_by(201)
    assert await fresh_token(here.user) is None
    iam.status.clear()
    iam.person.claims["groups"] = []
    here.clock.pass_by(RECHECK)
    await here.rechecks.knock()
    here.clock.pass_by(2)
    await here.rechecks.look(here.user, "start")
    assert await fresh_token(here.user) is None


async def test_a_narrow_token_is_exchanged_for(hub, visit, iam):
    iam.may_exchange = True
    here = await visit()
    narrow = await hub.app.authenticator.narrow_token(
        here.user, "https://se", ("storage.read:/",)
    )
    (form,) = iam.grants
    assert (form["grant_type"], form["audience"], form["scope"]) == (
        EXCHANGE,
        "https://se",
        "storage.read:/",
    )
    assert narrow.value != (await here.state())["access_token"]


@pytest.mark.parametrize("rotates", [True, False], ids=["rotating", "stable"])
async def test_a_narrower_refresh_comes_where_exchange_is_refused(
    hub, visit, iam, rotates
):
    iam.rotates = rotates
    here = await visit()
    before = await here.state()
    await hub.app.authenticator.narrow_token(here.user, "", ("openid",))
    assert [form.get("scope") for form in iam.grants] == ["openid", "openid"]
    after = await here.state()
    assert after["access_token"] == before["access_token"]
    assert (after["refresh_token"] != before["refresh_token"]) is rotates
    here.clock.pass_by(RECHECK)
    assert await here.page() == 200


async def test_a_wide_token_is_never_given_for_a_narrow_one(hub, visit, iam):
    iam.may_exchange = True
    here = await visit()
    iam.change_answer = lambda answer: {**answer, "scope": "openid profile wlcg"}
    with pytest.raises(NarrowRefusedError, match="more scopes"):
        await hub.app.authenticator.narrow_token(here.user, "", ("openid",))
    iam.change_answer = lambda answer: answer
    iam.may_exchange = False
    iam.refuse_grant = (400, {"error": "invalid_scope"})
    # what was refused is not asked for again at once
    here.clock.pass_by(FIRST_PAUSE_SECONDS)
    with pytest.raises(NarrowRefusedError, match="no token"):
        await hub.app.authenticator.narrow_token(here.user, "", ("openid",))
    iam.status["/token"] = (503, "")
    here.clock.pass_by(2 * FIRST_PAUSE_SECONDS)
    with pytest.raises(IAMAwayError):
        await hub.app.authenticator.narrow_token(here.user, "", ("openid",))
    assert await here.page() == 200
