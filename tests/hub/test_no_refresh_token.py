"""A client of the IAM that gets no refresh tokens: an alarm, and nobody out at once."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY, generate_latest
from refresh_world import RECHECK

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]
GAUGE = "af_iam_lacks_refresh_tokens"


def withhold(iam) -> None:
    iam.change_answer = lambda answer: {
        key: value for key, value in answer.items() if key != "refresh_token"
    }


async def test_a_login_without_one_raises_the_alarm_until_one_has_it(hub, visit, iam):
    withhold(iam)
    here = await visit()
    assert f"{GAUGE} 1.0" in generate_latest(REGISTRY).decode()
    assert any("offline_access" in r.getMessage() for r in hub.log.records)
    iam.change_answer = lambda answer: answer
    assert (await here.browser.log_in()).status_code == 200
    assert f"{GAUGE} 0.0" in generate_latest(REGISTRY).decode()


async def test_the_access_token_is_looked_at_as_long_as_it_lives(visit, iam):
    withhold(iam)
    here = await visit()
    iam.person.claims["groups"] = ["cygno"]
    for _ in range(3):
        here.clock.pass_by(RECHECK)
        assert (await here.page(), await here.api()) == (200, 200)
        assert here.groups() == ["cygno"]
    assert (iam.grants, iam.calls.count("/introspect")) == ([], 3)
    iam.person.claims["groups"] = []
    here.clock.pass_by(RECHECK)
    assert await here.page() == 302
    iam.person.claims["groups"] = ["cygno"]
    here.clock.pass_by(RECHECK)
    assert await here.page() == 200
    iam.forget_access_tokens()
    here.clock.pass_by(RECHECK)
    assert await here.page() == 302
    assert (await here.state())["refusal"] == "login-needed"


async def test_nobody_asks_again_and_again_for_a_token_that_cannot_be_renewed(
    hub, visit, iam
):
    withhold(iam)
    iam.lives = RECHECK
    here = await visit()
    here.clock.pass_by(0.9 * RECHECK)
    for _ in range(5):
        assert await hub.app.authenticator.fresh_token(here.user) is not None
    assert iam.calls.count("/introspect") == 0
