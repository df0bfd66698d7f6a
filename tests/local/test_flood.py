"""Before login nothing grows: strangers, by the thousand, against a real hub."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from facility_world import RunningFacility, running_facility

from jupyterhub_af.hub.flood import LINES_A_MINUTE

pytestmark = pytest.mark.local
CALLBACKS = 100_000 if os.environ.get("AF_PROOF") else 2_000
AT_ONCE = 16
MIB = 2**20
MOST_GROWTH_MIB = 10


@dataclass
class Hub:
    """What of a hub could grow."""

    facility: RunningFacility
    pid: int

    def memory_mib(self) -> float:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        kib = next(int(x.split()[1]) for x in lines if x.startswith("VmRSS"))
        return kib / 1024

    def log_lines(self) -> list[str]:
        return (self.facility.data / "logs" / "hub.log").read_text().splitlines()

    def rows(self) -> dict[str, int]:
        """Return how many rows each table of the hub's database has."""
        file = self.facility.data / "hub" / "jupyterhub.sqlite"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            tables = database.execute(
                "select name from sqlite_master where type = 'table'"
            ).fetchall()
            return {
                table: database.execute(
                    f'select count(*) from "{table}"'  # noqa: S608 - its own names
                ).fetchone()[0]
                for (table,) in tables
            }


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running_facility(tmp_path_factory.mktemp("af") / "data") as running:
        yield Hub(running, running.pids()["hub"])


Ask = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]


async def invented_state(http: httpx.AsyncClient, url: str) -> httpx.Response:
    query = {"state": secrets.token_urlsafe(32), "code": secrets.token_urlsafe(32)}
    return await http.get(f"{url}hub/oauth_callback", params=query)


async def invented_state_and_cookie(
    http: httpx.AsyncClient, url: str
) -> httpx.Response:
    cookie = f"oauthenticator-state={secrets.token_urlsafe(64)}"
    query = {"state": secrets.token_urlsafe(32), "code": "x"}
    return await http.get(
        f"{url}hub/oauth_callback", params=query, headers={"Cookie": cookie}
    )


async def invented_error(http: httpx.AsyncClient, url: str) -> httpx.Response:
    query = {"error": secrets.token_urlsafe(16), "error_description": "x" * 500}
    return await http.get(f"{url}hub/oauth_callback", params=query)


async def invented_path(http: httpx.AsyncClient, url: str) -> httpx.Response:
    return await http.get(f"{url}hub/user/{secrets.token_hex(16)}/lab")


async def invented_callback(http: httpx.AsyncClient, url: str) -> httpx.Response:
    return await http.get(f"{url}hub/oauth_callback/{secrets.token_hex(16)}?code=x")


async def begun_login(http: httpx.AsyncClient, url: str) -> httpx.Response:
    return await http.get(f"{url}hub/oauth_login", params={"next": "x" * 1000})


async def ask_often(url: str, ask: Ask, count: int) -> set[int]:
    """Return the statuses of so many requests, some at once, each of a stranger."""
    statuses: set[int] = set()

    async def worker(share: int) -> None:
        async with httpx.AsyncClient(timeout=60) as http:
            for _ in range(share):
                statuses.add((await ask(http, url)).status_code)
                http.cookies.clear()

    await asyncio.gather(*(worker(count // AT_ONCE) for _ in range(AT_ONCE)))
    return statuses


@pytest.mark.parametrize(
    ("ask", "statuses", "share"),
    [
        pytest.param(invented_state, {400}, 1, id="an invented state"),
        pytest.param(invented_state_and_cookie, {400}, 5, id="and an invented cookie"),
        pytest.param(invented_error, {403}, 5, id="an invented error"),
        pytest.param(invented_path, {302}, 5, id="an invented person"),
        pytest.param(invented_callback, {404}, 5, id="an invented address"),
        pytest.param(begun_login, {302}, 5, id="a login that is never ended"),
    ],
)
def test_thousands_of_strangers_leave_nothing_behind(hub, ask, statuses, share):
    url = hub.facility.url
    assert asyncio.run(ask_often(url, ask, 20 * AT_ONCE)) == statuses
    rows, memory, lines = hub.rows(), hub.memory_mib(), len(hub.log_lines())
    began = time.monotonic()
    assert asyncio.run(ask_often(url, ask, CALLBACKS // share)) == statuses
    assert hub.rows() == rows
    assert hub.memory_mib() - memory < MOST_GROWTH_MIB
    written = hub.log_lines()[lines:]
    minutes = int((time.monotonic() - began) / 60) + 2
    # some are the hub's own, and one a minute says how many were left out
    assert len(written) < minutes * (LINES_A_MINUTE + 20)
    assert max((len(line) for line in written), default=0) < 3_000
    assert not any("Traceback" in line for line in written)


HUGE = "x" * MIB
BIG = "x" * 60_000


@pytest.mark.parametrize(
    ("method", "path", "body", "headers"),
    [
        pytest.param("GET", f"oauth_callback?code={BIG}", "", {}, id="a long code"),
        pytest.param(
            "GET", f"oauth_callback?state={HUGE}", "", {}, id="1 MiB of state"
        ),
        pytest.param("GET", f"login?next={BIG}", "", {}, id="a long next"),
        pytest.param("GET", f"oauth_login?next={BIG}", "", {}, id="at the way out"),
        pytest.param("POST", "oauth_callback", HUGE, {}, id="1 MiB posted back"),
        pytest.param(
            "POST",
            "login",
            f"username={HUGE}&password={HUGE}",
            {"Content-Type": "application/x-www-form-urlencoded"},
            id="2 MiB of a form",
        ),
        pytest.param(
            "GET", "oauth_callback", "", {"Cookie": f"a={BIG}"}, id="a long cookie"
        ),
        pytest.param(
            "GET", "login", "", {"Accept-Language": BIG}, id="a long language"
        ),
    ],
)
def test_a_megabyte_before_login_is_refused_or_overlooked(
    hub, method, path, body, headers
):
    url = f"{hub.facility.url}hub/{path}"
    lines = len(hub.log_lines())
    memory = 0.0
    for turn in range(40):
        # what a body takes once is taken again by the next one
        memory = hub.memory_mib() if turn == 20 else memory
        # httpx makes no address so long, and the proxy may hang up: both are answers
        try:
            answer = httpx.request(
                method, httpx.URL(url), content=body, headers=headers, timeout=30
            )
        except (httpx.InvalidURL, httpx.RemoteProtocolError, httpx.WriteError):
            continue
        except httpx.ReadError:
            continue
        assert answer.status_code < 500
        assert "Traceback" not in answer.text
    assert hub.memory_mib() - memory < MOST_GROWTH_MIB
    assert all(len(line) < 3_000 for line in hub.log_lines()[lines:])


def test_the_hub_goes_on_letting_people_in(hub):
    person = hub.facility.person("student1")
    assert person.log_in().status_code == 200
