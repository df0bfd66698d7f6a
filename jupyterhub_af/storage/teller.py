"""Tell the service what the agent did, for the audit."""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

from jupyterhub_af.line.peer import Peer
from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.messages import AuditEvent

ACTOR = "storage"


class Teller:
    """Writes audit lines; a service that is away holds up nothing and loses the line."""

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
        try:
            body = event.model_dump_json().encode()
            await service.call("POST", "/internal/audit", body=body)
        except AFError as error:
            self._log.warning("Lost the audit line of %s: %s", event.target, error)
