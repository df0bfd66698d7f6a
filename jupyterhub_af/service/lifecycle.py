"""How a process of the service begins and ends: its limits, its signals, its last second."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Awaitable, Callable

from .desk import Desk
from .stream import MOST_LISTENERS

STOP_SECONDS = 0.8


def raise_file_limit() -> None:
    """Let every event stream that may be open have its socket, as far as we may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_LISTENERS
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def stop_event() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def close_all(desk: Desk, *closers: Callable[[], Awaitable[None]]) -> None:
    """Let go of everything within a second, whatever still runs."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            for close in closers:
                await close()
    except TimeoutError:
        desk.log.warning("Left requests unanswered")
    finally:
        desk.store.close()
