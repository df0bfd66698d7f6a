"""Tell the service what the agent did, for the audit."""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

from jupyterhub_af.line.peer import Peer, PeerRefusedError
from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.messages import AuditEvent

ACTOR = "storage"


# a service that is away for long gets no queue of lines without an end
MOST_WAITING = 1000
PAUSES_SECONDS = (1, 2, 4, 8, 15, *(30,) * 20)


class Teller:
    """Writes audit lines; a service that is away holds up nothing and is told later."""

    def __init__(self, service: Peer | None, log: logging.Logger) -> None:
        self._service = service
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(
        self,
        action: str,
        target: str,
        result: Literal["done", "failed"],
        *,
        detail: str = "",
    ) -> None:
        """Have a line written; returns at once."""
        if self._service is None:
            return
        if len(self._tasks) >= MOST_WAITING:
            self._log.warning("Lost the audit line of %s: too many wait.", target)
            return
        event = AuditEvent(
            actor=ACTOR,
            action=action,
            target=target[:255],
            result=result,
            detail=detail[:500],
        )
        task = asyncio.create_task(self._send(self._service, event))
        # the loop keeps only weak references to tasks
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, service: Peer, event: AuditEvent) -> None:
        body = event.model_dump_json().encode()
        for pause in (*PAUSES_SECONDS, None):
            try:
                await service.call("POST", "/internal/audit", body=body)
            except AFError as error:
                is_over = isinstance(error, PeerRefusedError) and error.status < 500
                if is_over or pause is None:
                    words = "Lost the audit line of %s: %s"
                    self._log.warning(words, event.target, error)
                    return
                await asyncio.sleep(pause)
            else:
                return
