"""Tells the service which clusters there are, whenever that is other than it was told.

It is told the whole list each time, so that a message that was lost costs nothing but
time; and again after a while, for a service that was started anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from jupyterhub_af.line.peer import Peer, PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.messages import Clusters

PAUSE_SECONDS = 0.2
AFTER_FAILURE_SECONDS = 2.0
AGAIN_SECONDS = 30.0


class Teller:
    """A task that tells; ``note_change`` has it look soon."""

    def __init__(
        self,
        states: Callable[[], Awaitable[Clusters]],
        service: Peer,
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self._states = states
        self._service = service
        self._log = log
        self._changed = asyncio.Event()
        self._told: Clusters | None = None
        self._task = asyncio.create_task(self._tell_for_ever())

    def note_change(self) -> None:
        """Have the service told soon."""
        self._changed.set()

    async def stop(self) -> None:
        """Tell no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _tell_for_ever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(AGAIN_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                self._told = None
            self._changed.clear()
            try:
                await self._tell_news()
            except (PeerAwayError, PeerRefusedError, OSError) as error:
                self._log.warning(
                    "Could not tell the service of the clusters: %s", error
                )
                self._told = None
                self._changed.set()
                await asyncio.sleep(AFTER_FAILURE_SECONDS)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _tell_news(self) -> None:
        now = await self._states()
        if now != self._told:
            body = now.model_dump_json().encode()
            await self._service.call("PUT", "/internal/clusters", body=body)
            self._told = now
