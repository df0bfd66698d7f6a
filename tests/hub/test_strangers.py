"""A hub that strangers call by the hundred: what it writes, keeps and asks of others."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections import Counter
from urllib.parse import urljoin

import httpx
import pytest
from prometheus_client import generate_latest
from sign_in_world import OUTSIDER, STUDENT, try_login
from sqlalchemy import func, inspect, select, table

from jupyterhub_af.hub import flood
from jupyterhub_af.hub.flood import LARGEST_BODY_BYTES

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]
ROUNDS = 2_000 if os.environ.get("AF_PROOF") else 100
FEW = 20
MOST_OBJECTS = 5_000
# what is before the hub's prefix comes to the hub too, where no server has it
ADDRESSES = [
    ("GET", "oauth_callback?code=x&state=y"),
    ("GET", "oauth_callback?error=invented"),
    ("GET", "oauth_callback/nothing?code=x"),
    ("HEAD", "oauth_callback"),
    ("POST", "oauth_callback"),
    ("PUT", "oauth_callback"),
    ("GET", "oauth_login?next=/x"),
    ("GET", "login?next=/x"),
    ("POST", "login"),
    ("GET", "logout"),
    ("GET", ""),
    ("GET", "home"),
    ("GET", "token"),
    ("GET", "admin"),
    ("GET", "metrics"),
    ("POST", "spawn"),
    ("GET", "error/404"),
    ("GET", "nothing"),
    ("GET", "static/nothing"),
    ("GET", "af-static/nothing"),
    ("GET", "user/somebody/lab"),
    ("GET", "accept-share?code=x"),
    ("GET", "api"),
    ("GET", "api/users"),
    ("POST", "api/users/somebody/server"),
    ("GET", "api/nothing"),
    ("POST", "api/oauth2/token"),
    ("GET", "api/oauth2/authorize?client_id=x"),
    ("GET", "../user/somebody/lab"),
    ("POST", "../user/somebody/lab"),
    ("GET", "../nothing"),
]
DRESSES = {
    "bare": {},
    "invented cookies": {
        "Cookie": "jupyterhub-session-id=x; jupyterhub-hub-login=x; _xsrf=x"
    },
    "an invented token": {"Authorization": "token invented"},
    "from another site": {"Origin": "http://evil.example", "Sec-Fetch-Mode": "cors"},
}


def written(hub) -> list[str]:
    """Return the lines of the hub's own log."""
    own = (hub.app.log.name, "oauthlib")
    return [r.getMessage() for r in hub.log.records if r.name.startswith(own)]


async def call_all(hub, headers: dict[str, str]) -> set[int]:
    statuses = set()
    async with hub.browser() as browser:
        for method, path in ADDRESSES:
            answer = await browser.http.request(
                method, urljoin(hub.url, path), headers=headers, follow_redirects=False
            )
            statuses.add(answer.status_code)
            browser.http.cookies.clear()
    return statuses


@pytest.fixture
def few_lines(monkeypatch):
    monkeypatch.setattr(flood, "LINES_A_MINUTE", FEW)
    # a busy machine needs more than a minute: the next one has its own lines
    monkeypatch.setattr(flood, "_WINDOW_SECONDS", 3600.0)


async def test_every_address_is_within_one_bound(hub, few_lines, subtests):
    for dress, headers in DRESSES.items():
        with subtests.test(dress):
            hub.log.clear()
            for _ in range(3):
                statuses = await call_all(hub, headers)
            assert max(statuses) < 500
            # and a few of the hub itself
            assert len(written(hub)) < 2 * FEW


async def flooded(hub) -> None:
    """Use up what strangers may make the hub write in this minute."""
    async with hub.browser() as browser:
        for _ in range(FEW):
            await browser.get("oauth_callback?code=x&state=y")
    hub.log.clear()


async def test_logins_are_written_while_strangers_flood(hub, iam, few_lines):
    await flooded(hub)
    iam.person.claims = STUDENT
    async with hub.browser() as browser:
        await browser.log_in()
        await browser.get("home")
        token = hub.user("student1").new_api_token()
        header = {"Authorization": f"token {token}"}
        await browser.http.get(urljoin(hub.url, "api/user"), headers=header)
    lines = written(hub)
    assert "User logged in: student1" in lines
    assert any("/hub/home (student1@" in line for line in lines)
    assert any("/api/user (student1@" in line for line in lines)
    assert not any("(@" in line for line in lines)


async def test_refused_person_is_written_while_strangers_flood(hub, iam, few_lines):
    await flooded(hub)
    iam.person.claims = {**OUTSIDER, "groups": ["zoo", "a,b"]}
    await try_login(hub)
    lines = written(hub)
    assert "refused the login of outsider1: no allowed group" in lines
    assert any(line.startswith("dropped 1 values") for line in lines)


async def test_what_was_left_out_is_counted_and_shown(hub, few_lines, monkeypatch):
    def count() -> float:
        page = generate_latest().decode().splitlines()
        name = "af_left_out_log_lines_total "
        return next(float(x.removeprefix(name)) for x in page if x.startswith(name))

    before = count()
    await flooded(hub)
    assert count() > before
    monkeypatch.setattr(flood, "_WINDOW_SECONDS", 0.0)
    hub.app.log.info("anything")
    (line,) = (line for line in written(hub) if line.startswith("left out "))
    assert int(line.split()[2]) == count() - before


def rows(hub) -> dict[str, int]:
    """Return how many rows each table of the hub's database has."""
    names = inspect(hub.app.db.get_bind()).get_table_names()
    return {
        name: hub.app.db.execute(select(func.count()).select_from(table(name))).scalar()
        for name in names
    }


async def test_nothing_is_kept_of_strangers(hub, iam, service, caplog):
    # what is recorded for a test's report is kept too
    caplog.set_level(logging.CRITICAL)
    for name in ("httpx", "httpcore", "asyncio", hub.app.log.name):
        caplog.set_level(logging.CRITICAL, logger=name)

    async def call(times: int) -> int:
        async with hub.browser() as browser:
            for number in range(times):
                state = f"code=c{number}&state=s{number}"
                for path in (
                    f"oauth_callback?{state}",
                    f"oauth_callback/{number}",
                    f"user/person{number}/lab",
                    f"oauth_login?next=/{number}",
                ):
                    await browser.get(path, follow=False)
                browser.http.cookies.clear()
        await asyncio.sleep(0)
        gc.collect()
        return len(gc.get_objects())

    await call(20)
    kept, before = rows(hub), await call(20)
    after = await call(ROUNDS)
    assert rows(hub) == kept
    # the event loop's cancelled timers stay until their time; with four requests in a
    # round one object kept of each is seen at the full count
    assert after - before < MOST_OBJECTS
    assert (service.requests, service.events) == ([], [])
    assert "/token" not in iam.calls


async def test_iam_without_discovery_is_not_asked_for_each_stranger(
    hub, iam, monkeypatch
):
    # as long as a busy machine needs for all of them
    for name in (
        "discovery.KEEP_FAILURE_SECONDS",
        "iam_client.KEEP_FAILURE_SECONDS",
        "key_set.KEEP_ANSWER_SECONDS",
    ):
        monkeypatch.setattr(f"jupyterhub_af.hub.{name}", 600.0)
    iam.status["/.well-known/openid-configuration"] = (404, "no")
    async with hub.browser() as browser:
        for _ in range(30):
            answer = await browser.get("oauth_login", follow=False)
            assert answer.status_code == 302
    assert Counter(iam.calls)["/jwk"] == 1
    assert len(iam.calls) == 2


@pytest.mark.parametrize("path", ["oauth_callback", "login", "../user/somebody/lab"])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunks"])
async def test_huge_body_is_not_read_into_memory(hub, path, is_chunked):
    async def chunks():
        for _ in range(LARGEST_BODY_BYTES // 65536 + 2):
            yield b"x" * 65536

    body = chunks() if is_chunked else b"x" * (LARGEST_BODY_BYTES + 1)
    async with hub.browser() as browser:
        small = await browser.http.post(urljoin(hub.url, path), content=b"x" * 2**20)
        assert small.status_code == 403
        try:
            answer = await browser.http.post(urljoin(hub.url, path), content=body)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            # the hub hung up, and the proxy after it
            pass
        else:
            # 503: the proxy's word for a hub that hung up
            assert answer.status_code in (400, 503)
    assert any("too l" in line for line in written(hub))


async def test_invented_methods_are_one_in_the_metrics(hub):
    # the proxy lets the known ones through; a person's server may call the hub itself
    async with httpx.AsyncClient() as http:
        for number in range(5):
            url = urljoin(hub.app.hub.url, "login")
            answer = await http.request(f"GRAB{number}", url)
            assert answer.status_code == 405
    page = generate_latest().decode()
    assert "GRAB" not in page
    assert 'method="INVENTED"' in page
