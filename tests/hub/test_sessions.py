"""Lasting connections: one for many questions, and none of them remembers a dead process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from jupyterhub_af.line.peer import Peer, PeerAwayError
from jupyterhub_af.line.sessions import close_sessions, session_for


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    yield
    await close_sessions()


class Service:
    """A process that answers on a Unix socket and counts connections."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "socket"
        self.connections: set[int] = set()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.socket)).start()

    async def _answer(self, request: web.Request) -> web.Response:
        self.connections.add(id(request.transport))
        return web.Response(text="{}")

    async def stop(self) -> None:
        await self._runner.cleanup()
        self.socket.unlink(missing_ok=True)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    running = Service(tmp_path)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def peer(service: Service, tmp_path: Path) -> Peer:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    return Peer("service", f"unix:{service.socket}", str(secret))


async def test_many_questions_go_over_one_connection(service, peer):
    for _ in range(20):
        assert await peer.call("POST", "/x", body=b"{}") == b"{}"
    assert len(service.connections) == 1


async def test_questions_at_once_do_not_wait_for_each_other(service, peer):
    answers = await asyncio.gather(*(peer.call("GET", "/x") for _ in range(20)))
    assert answers == [b"{}"] * 20


async def test_a_process_that_started_again_is_reached_at_the_first_question(
    service, peer
):
    await peer.call("GET", "/x")
    for _ in range(3):
        await service.stop()
        await service.start()
        assert await peer.call("POST", "/x", body=b"{}") == b"{}"


async def test_a_process_that_is_gone_is_said_to_be_away(service, peer):
    await peer.call("GET", "/x")
    await service.stop()
    with pytest.raises(PeerAwayError, match="did not answer"):
        await peer.call("GET", "/x")
    await service.start()


async def test_addresses_do_not_share_a_session():
    first, base = session_for("unix:/a")
    second, other_base = session_for("http://127.0.0.1:9/")
    assert first is not second
    assert session_for("unix:/a")[0] is first
    assert session_for("unix:/a", is_anew=True)[0] is not first
    assert (base, other_base) == ("http://localhost", "http://127.0.0.1:9")


PROGRAM = """
import asyncio, sys
import aiohttp
from jupyterhub_af.line.sessions import session_for

def open_one():
    return session_for("unix:" + sys.argv[1])

async def at_the_end():
    try:
        await asyncio.sleep(60)
    finally:
        open_one()

async def long_after_the_end():
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.05)
        try:
            open_one()
        except aiohttp.ClientConnectionError as error:
            print(error)

async def main():
    # a slow moment of the machine is no word of ours
    asyncio.get_running_loop().slow_callback_duration = 60
    WHAT

asyncio.run(main())
"""
USED = """
    session, base = open_one()
    async with session.get(base + "/") as answer:
        assert await answer.text() == "{}"
"""
WHEN = {
    "used": (USED, b""),
    "made in the last turn": ("asyncio.get_running_loop().call_soon(open_one)", b""),
    "made by another task that ends": (
        "task = asyncio.create_task(at_the_end()); await asyncio.sleep(0)" + USED,
        b"",
    ),
    "asked for when all is closed": (
        "task = asyncio.create_task(long_after_the_end())" + USED,
        b"This process ends.\n",
    ),
}


@pytest.mark.parametrize(("what", "says"), WHEN.values(), ids=WHEN)
async def test_a_process_that_cancels_its_tasks_ends_without_a_word(
    service, what, says
):
    program = PROGRAM.replace("WHAT", what)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-c", program, str(service.socket)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, out, err) == (0, says, b"")
