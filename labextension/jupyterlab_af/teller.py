"""Tell the facility's service what the person did, also when it is away meanwhile.

What was done is done whether or not the service hears of it: the person is not kept
waiting, and the line for their history is sent again until the service has it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jupyterlab_af.service import FacilityUnavailableError, Service
from jupyterlab_af.wire import Refused

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

ROUTE = "api/restored"
# a service that is down for hours is not waited for by ever more lines
MOST_WAITING = 1000
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class Teller:
    """Sends lines in their order, one at a time, until each is taken or refused."""

    def __init__(
        self,
        service: Service,
        *,
        log: logging.Logger,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self._service = service
        self._log = log
        self._first_pause_seconds = first_pause_seconds
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._sending: asyncio.Task[None] | None = None

    def tell(self, done: Mapping[str, Any]) -> None:
        """Have a line sent; returns at once."""
        if len(self._waiting) >= MOST_WAITING:
            self._log.warning("could not tell the facility of a restore: too many wait")
            return
        # by its name the service knows it again
        self._waiting.append({**done, "telling": uuid4().hex})
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())

    async def told(self) -> None:
        """Return once nothing waits to be sent."""
        if self._sending is not None:
            await asyncio.shield(self._sending)

    async def close(self) -> None:
        """Send no more; what waits is lost and counted in the log."""
        if self._waiting:
            self._log.warning(
                "the facility did not hear of %d restores", len(self._waiting)
            )
        if self._sending is not None:
            self._sending.cancel()
            with suppress(asyncio.CancelledError):
                await self._sending

    async def _send_all(self) -> None:
        while self._waiting:
            await self._send(self._waiting[0])
            self._waiting.popleft()

    async def _send(self, done: Mapping[str, Any]) -> None:
        """Return once the service took the line, or said that it never will."""
        pause = self._first_pause_seconds
        while True:
            try:
                await self._service.post(ROUTE, done)
            except Refused as error:
                self._log.warning("the facility took no line of a restore: %s", error)
            except FacilityUnavailableError as error:
                if error.cause == "unreachable":
                    self._log.info("telling the facility again: %s", error.detail)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                    continue
                self._log.warning("the facility took no line of a restore: %s", error)
            return
