"""Somebody who is logged in, an API token of theirs, and a clock that tests turn."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from fake_iam import FakeAccount
from jupyterhub import orm
from sign_in_world import STUDENT

RECHECK = 300
GRACE = 28800
SUSPENDED = (
    401,
    {"error": "unauthorized", "error_description": "User test is not active."},
)
AUP = (
    400,
    {
        "error": "invalid_grant",
        "error_description": "User test needs to sign AUP for this organization in "
        "order to proceed.",
    },
)
CLIENT_SUSPENDED = (
    401,
    {"error": "invalid_client", "error_description": "Client is suspended: the-hub"},
)


class FakeClock:
    """The time as the authenticator knows it."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at

    def pass_by(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class Visit:
    """A logged-in person at a hub."""

    hub: Any
    browser: Any
    user: Any
    token: str
    clock: FakeClock

    @property
    def rechecks(self) -> Any:
        return self.hub.app.authenticator.rechecks

    async def page(self) -> int:
        return (await self.browser.get("home", follow=False)).status_code

    async def api(
        self, path: str = "api/user", method: str = "GET", **more: Any
    ) -> int:
        return (await self.call(path, self.token, method, **more)).status_code

    async def call(
        self, path: str, token: str, method: str = "GET", **more: Any
    ) -> Any:
        return await self.browser.http.request(
            method,
            urljoin(self.hub.url, path),
            headers={"Authorization": f"Bearer {token}"},
            follow_redirects=False,
            **more,
        )

    async def state(self) -> Any:
        return await self.user.get_auth_state()

    def groups(self) -> list[str]:
        return sorted(group.name for group in self.user.groups)


async def make_visit(hub: Any, claims: Any = STUDENT, sub: str = "sub-1") -> Visit:
    """Log somebody in, with a clock of the test's own."""
    clock = FakeClock()
    hub.app.authenticator.clock = clock
    hub.app.authenticator.ticks = clock
    hub.iam.person = FakeAccount(sub, dict(claims))
    browser = hub.browser()
    assert (await browser.log_in()).status_code == 200
    user = hub.user(claims["preferred_username"])
    token = user.new_api_token()
    hub.app.db.commit()
    hub.iam.grants.clear()
    return Visit(hub, browser, user, token, clock)


def make_service(hub: Any, name: str = "af") -> str:
    """Return the token of a service of the hub's."""
    token = secrets.token_hex(16)
    service = orm.Service(name=name)
    hub.app.db.add(service)
    hub.app.db.commit()
    service.new_api_token(token)
    hub.app.db.commit()
    return token
