"""Whatever ends access ends it at every door of the hub, in every form of groups."""

from __future__ import annotations

import pytest
from jupyterhub import orm
from refresh_world import AUP, CLIENT_SUSPENDED, RECHECK, SUSPENDED

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]

URN = "urn:geant:iam.example:group:"
FORMS = {
    "iam": lambda groups: {"groups": groups},
    "wlcg": lambda groups: {"wlcg.groups": [f"/{g}" for g in groups]},
    "kc": lambda groups: {"roles": groups},
    "aarc": lambda groups: {
        "entitlements": [URN + g.replace("/", ":") for g in groups]
    },
}
BEFORE = ["hackathon", "hackathon/students", "cygno"]
# what happens at the IAM, and whether the person may go on
LOSSES = {
    "one group lost": ({"groups": ["hackathon"]}, True),
    "all groups lost": ({"groups": []}, False),
    "suspended": ({"refuse": SUSPENDED}, False),
    "AUP unsigned": ({"refuse": AUP}, False),
    "client suspended": ({"refuse": CLIENT_SUSPENDED}, True),
    "refresh token revoked": ({"revoke": True}, False),
}


def claims_of(form: str, groups: list[str]) -> dict[str, object]:
    return {"preferred_username": "student1", **FORMS[form](groups)}


def make_oauth_token(here) -> str:
    """Return a token as a server of the person's gets it for their browser."""
    client = orm.OAuthClient(identifier="a-server", description="a server")
    here.hub.app.db.add(client)
    here.hub.app.db.commit()
    token = here.user.new_api_token(
        client_id="a-server", scopes=["read:users!user"], note="OAuth"
    )
    here.hub.app.db.commit()
    return token


async def doors(here, oauth_token) -> dict[str, int]:
    """Return the status of each door; a start is refused before anything is made."""
    browser = here.browser
    return {
        "page": await here.page(),
        "page API": (await browser.get("api/user", follow=False)).status_code,
        "user token": await here.api(),
        "OAuth token": (await here.call("api/user", oauth_token)).status_code,
        "spawn": (
            await here.call("api/users/student1/server", here.token, "POST")
        ).status_code,
    }


SHUT = {
    "page": 302,
    "page API": 403,
    "user token": 403,
    "OAuth token": 403,
    "spawn": 403,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("loss", LOSSES)
async def test_what_ends_at_the_iam_ends_at_every_door(hub, visit, iam, loss, form):
    here = await visit(claims_of(form, BEFORE))
    oauth_token = make_oauth_token(here)
    what, goes_on = LOSSES[loss]
    if "groups" in what:
        iam.person.claims = claims_of(form, what["groups"])
    iam.refuse_grant = what.get("refuse")
    if "revoke" in what:
        iam.revoke()
    here.clock.pass_by(RECHECK)
    found = await doors(here, oauth_token)
    if goes_on:
        assert found.pop("spawn") in (201, 202)
        assert set(found.values()) == {200}
        expected = what.get("groups", BEFORE)
        assert here.groups() == sorted(expected)
    else:
        assert found == SHUT
        assert here.groups() == []
        assert not here.user.running
    assert iam.refreshes() == 1
