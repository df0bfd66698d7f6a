"""One question at the wire: a form is sent once, whatever becomes of the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from jupyterhub_af.hub.iam_http import IAMAwayError, ask_iam
from jupyterhub_af.line.sessions import close_sessions

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HANGS_UP = b""


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    yield
    await close_sessions()


class FakeListener:
    """A process that takes one request on each connection, and then says what it is told.

    ``stays`` leaves the connection open for another request, on which it hangs up.
    """

    def __init__(self, answer: bytes, *, stays: bool = False) -> None:
        self.answer, self.stays = answer, stays
        self.requests: list[bytes] = []
        self.url = ""

    async def _serve(self, reader, writer) -> None:
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
            if self.stays:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeListener]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/token"
        async with server:
            yield self


def posts(listener: FakeListener) -> int:
    return sum(request.startswith(b"POST") for request in listener.requests)


async def test_a_form_that_nobody_answers_is_sent_once():
    async with FakeListener(HANGS_UP).running() as listener:
        with pytest.raises(IAMAwayError):
            await ask_iam(listener.url, timeout_seconds=9, form={"refresh_token": "r"})
        assert posts(listener) == 1


async def test_a_form_goes_over_no_connection_of_before():
    async with FakeListener(OK, stays=True).running() as listener:
        for form in (None, {"a": "b"}, {"a": "b"}):
            answer = await ask_iam(listener.url, timeout_seconds=9, form=form)
            assert (answer.status, answer.body) == (200, b"{}")
        assert posts(listener) == 2


async def test_a_get_on_a_connection_that_closes_just_then_is_asked_again():
    async with FakeListener(OK, stays=True).running() as listener:
        for _ in range(2):
            assert (await ask_iam(listener.url, timeout_seconds=9)).status == 200
        assert len(listener.requests) == 3
