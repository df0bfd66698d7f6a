"""What the service does now and then beside the keeper's sweeps, in a task of its own.

It tells the audit of edits of the facility file, and holds the audit to its retention.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from jupyterhub_af.policy.messages import AuditEvent

from .audit import EDIT, PROCESS
from .desk import Desk
from .retention import Retention

LOOK_SECONDS = 30.0


class Edits:
    """Tells the audit once of each edit: that it is in force, or why it is not."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._digest: str | None = None
        self._problems: tuple[str, ...] = ()

    async def look(self) -> None:
        """Compare with what was told; an edit while the service was away counts too."""
        if self._digest is None:
            self._digest = await self._desk.store.run(self._desk.audit.last_digest)
        edition = await self._desk.facility()
        if edition.digest != self._digest:
            await self._tell("done", edition.digest, "")
        if edition.problems and edition.problems != self._problems:
            await self._tell("refused", "facility-file", edition.problems[0])
        self._digest, self._problems = edition.digest, edition.problems

    async def _tell(self, result: str, rule: str, detail: str) -> None:
        event = {
            "actor": PROCESS,
            "action": EDIT,
            "rule": rule,
            "result": result,
            "detail": detail[:500],
        }
        await self._desk.record(AuditEvent.model_validate(event))


class Housekeeping:
    """Looks after everything for ever."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._duties: tuple[Callable[[], Awaitable[None]], ...] = (
            Edits(desk).look,
            Retention(desk).look,
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._look_for_ever())

    async def stop(self) -> None:
        """Look after nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self, *first: Callable[[], Awaitable[None]]) -> None:
        """Do every duty once; one that fails keeps no other."""
        for duty in (*first, *self._duties):
            try:
                await duty()
            except Exception:
                # one duty of several, and of many times
                self._desk.log.exception("Failed at housekeeping")

    async def note_start(self) -> None:
        """Tell the audit that the service was started, by whomever."""
        event = AuditEvent(actor=PROCESS, action="service.start", result="done")
        await self._desk.record(event)

    async def _look_for_ever(self) -> None:
        await self.look(self.note_start)
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()
