"""Lasting connections: to the facility's other processes, and to the IAM.

A login asks the IAM once and the service twice; a connection made anew for each question
costs more than the question. Each event loop has one session per address, and a task that
closes them when it is cancelled: JupyterHub cancels every task when it ends. Whoever asks
for one after that is told that there is no connection.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import aiohttp

ASK_SECONDS = 30.0
_UNIX = "unix:"


@dataclass(frozen=True, slots=True)
class _Open:
    """The sessions of one event loop by address, and the task that closes them."""

    sessions: dict[str, aiohttp.ClientSession]
    keeper: asyncio.Task[None]


_open: WeakKeyDictionary[asyncio.AbstractEventLoop, _Open] = WeakKeyDictionary()


def session_for(
    url: str, *, is_anew: bool = False
) -> tuple[aiohttp.ClientSession, str]:
    """Return the session of an address, and what its paths are appended to.

    An address is ``unix:/path/of/socket`` or ``http://host:port``. ``is_anew``: one that
    makes a connection for each question, for what must not be sent twice.

    Raises
    ------
    aiohttp.ClientConnectionError
        If this process ends.
    """
    loop = asyncio.get_running_loop()
    if loop not in _open:
        _open[loop] = _start(loop)
    if _open[loop].keeper.done():
        msg = "This process ends."
        raise aiohttp.ClientConnectionError(msg)
    sessions = _open[loop].sessions
    key = f"anew {url}" if is_anew else url
    if key not in sessions:
        sessions[key] = _make_session(url, is_anew=is_anew)
    base = "http://localhost" if url.startswith(_UNIX) else url.rstrip("/")
    return sessions[key], base


def _make_session(url: str, *, is_anew: bool) -> aiohttp.ClientSession:
    connector: aiohttp.BaseConnector = (
        aiohttp.UnixConnector(path=url.removeprefix(_UNIX), force_close=is_anew)
        if url.startswith(_UNIX)
        else aiohttp.TCPConnector(force_close=is_anew)
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=ASK_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _start(loop: asyncio.AbstractEventLoop) -> _Open:
    sessions: dict[str, aiohttp.ClientSession] = {}
    keeper = loop.create_task(_keep(sessions))
    keeper.add_done_callback(lambda _: _let_go(sessions))
    return _Open(sessions, keeper)


def _let_go(sessions: dict[str, aiohttp.ClientSession]) -> None:
    """Let go of what was never used: made in the last turn, or while others closed."""
    for session in sessions.values():
        if not session.closed:
            session.detach()


async def _keep(sessions: dict[str, aiohttp.ClientSession]) -> None:
    """Wait until the process ends, then close."""
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await asyncio.gather(*(session.close() for session in sessions.values()))


async def close_sessions() -> None:
    """Close what this event loop has open."""
    found = _open.pop(asyncio.get_running_loop(), None)
    if found is None:
        return
    # a task that never ran would be cancelled before it could close anything
    await asyncio.sleep(0)
    found.keeper.cancel()
    with suppress(asyncio.CancelledError):
        await found.keeper
