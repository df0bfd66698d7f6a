"""Writes lines into the service's audit; a service that is away is told later, in order.

A line waits in memory until the service took it, and nobody has to wait for that. Each
has a telling of its own, so that one the service heard and did not answer is kept once.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from urllib.parse import quote

from jupyterhub_af.policy.messages import AuditEvent

from .peer import Peer, PeerAwayError, PeerRefusedError

# a service that is away for long gets no queue of lines without an end
MOST_WAITING = 1000
AFTER_FAILURE_SECONDS = 2.0
# how long an act waits for its line, where the line should be there first
PATIENCE_SECONDS = 1.0
# who asks in a loop for what is refused is one line, not thousands
SAME_SECONDS = 60.0
MOST_SAME = 1000

_Log = logging.Logger | logging.LoggerAdapter[logging.Logger]


def telling_of_stop(start_id: str) -> str:
    """Return what the end of a server is told by, whoever tells it: it is one line."""
    return f"server.stop {start_id}" if start_id else ""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that waits; ``is_done`` is set when it was taken, or is lost."""

    event: AuditEvent
    telling: str
    is_done: asyncio.Event = field(default_factory=asyncio.Event)


class AuditWriter:
    """Hands on lines in their order, by a task that lives while there are some."""

    def __init__(self, service: Peer | None, log: _Log) -> None:
        self._service = service
        self._log = log
        self._waiting: deque[_Line] = deque()
        self._said: OrderedDict[AuditEvent, float] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        self._is_away = False

    def add(self, event: AuditEvent) -> None:
        """Have a line written soon; the same refusal is written once a minute."""
        self._put(event)

    async def write(self, event: AuditEvent, *, telling: str = "") -> None:
        """Have a line written, and wait a moment until it is."""
        line = self._put(event, telling)
        if line is None:
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await line.is_done.wait()
        except TimeoutError:
            # the task goes on
            return

    async def settle(self) -> None:
        """Wait until every line was taken, or is lost."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    async def stop(self) -> None:
        """Write no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _put(self, event: AuditEvent, telling: str = "") -> _Line | None:
        if self._service is None:
            return None
        if event.result == "refused" and self._was_just_said(event):
            return None
        if len(self._waiting) >= MOST_WAITING:
            words = "The service is away too long: lost an audit entry: %s of %s, %s"
            self._log.error(words, event.action, event.target, event.result)
            return None
        line = _Line(event, telling or uuid.uuid4().hex)
        self._waiting.append(line)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_all(self._service))
        return line

    def _was_just_said(self, event: AuditEvent) -> bool:
        now = time.monotonic()
        if now - self._said.get(event, -SAME_SECONDS) < SAME_SECONDS:
            return True
        self._said[event] = now
        self._said.move_to_end(event)
        while len(self._said) > MOST_SAME:
            self._said.popitem(last=False)
        return False

    async def _write_all(self, service: Peer) -> None:
        while self._waiting:
            line = self._waiting[0]
            if not await self._write_one(service, line):
                await asyncio.sleep(AFTER_FAILURE_SECONDS)
                continue
            line.is_done.set()
            self._waiting.popleft()

    async def _write_one(self, service: Peer, line: _Line) -> bool:
        """Return whether a line needs no more: it was taken, or never will be."""
        path = f"/internal/audit?telling={quote(line.telling)}"
        try:
            await service.call("POST", path, body=line.event.model_dump_json().encode())
        except PeerRefusedError as error:
            if error.status >= 500:
                return self._note_away(error)
            self._log.error("The service refused an audit entry: %s", error)
        except (PeerAwayError, OSError) as error:
            return self._note_away(error)
        except Exception:
            # one line of many: the next one may go well
            self._log.exception("Lost an audit entry by a fault of ours")
        else:
            self._is_away = False
        return True

    def _note_away(self, error: Exception) -> bool:
        """Say once that lines wait; always False."""
        if not self._is_away:
            self._log.warning("Could not write into the audit: %s", error)
        self._is_away = True
        return False
