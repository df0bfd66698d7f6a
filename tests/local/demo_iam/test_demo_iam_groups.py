"""The hub's own reading of the demo IAM, in each of its token profiles."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from iam_driver import (
    CALLBACK,
    SCOPE,
    AuthorizationRequest,
    RunningIAM,
    new_browser,
)

from jupyterhub_af.hub.iam_client import IAMClient, Person
from jupyterhub_af.line.sessions import close_sessions
from jupyterhub_af.policy.groups import ancestors

# what each profile wants to be asked before it says groups in the ID token
SCOPES = {
    "iam": SCOPE,
    "wlcg": f"{SCOPE} wlcg.groups",
    "kc": SCOPE,
    # userinfo says them to who does not ask
    "aarc": SCOPE,
}
MANY = {f"experiment-{n // 10}/working-group-{n}" for n in range(460)}
GROUPS = {
    "no group": set(),
    "one": {"hackathon"},
    "nested": {"hackathon", "hackathon/students", "hackathon/students/first.year"},
    "500": MANY | {a for group in MANY for a in ancestors(group)},
}


@pytest.fixture(scope="module", params=SCOPES)
def profile(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def iam(start_iam, profile) -> Iterator[RunningIAM]:
    running = start_iam(profile)
    yield running
    running.stop()


async def log_in(iam: RunningIAM, scope: str) -> Person:
    """Return whom the hub's client of the IAM takes ``student1`` for."""
    request = AuthorizationRequest(scope)
    with new_browser() as browser:
        location, _ = iam.walk(browser, request, "student1")
    client = IAMClient(
        iam.iam.issuer,
        iam.iam.client_id,
        timeout_seconds=30,
        log=logging.getLogger("test"),
    )
    try:
        tokens = await client.exchange(
            {
                "grant_type": "authorization_code",
                "code": parse_qs(urlsplit(location).query)["code"][0],
                "redirect_uri": CALLBACK,
                "code_verifier": request.verifier,
                "client_id": iam.iam.client_id,
                "client_secret": iam.secret,
            }
        )
        return await client.identify(tokens, request.nonce, "auto")
    finally:
        await close_sessions()


@pytest.mark.parametrize("size", GROUPS)
async def test_the_hub_reads_one_set_of_groups_from_every_profile(iam, profile, size):
    iam.change("student1", groups=sorted(GROUPS[size]))
    person = await log_in(iam, SCOPES[profile])
    assert person.groups.groups == GROUPS[size]
    assert person.groups.dropped == 0
    assert person.preferred_username == "student1"
    assert (person.issuer, person.subject) == (iam.iam.issuer, iam.sub("student1"))
