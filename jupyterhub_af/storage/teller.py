"""Tell the service what the agent did, for the audit."""

from __future__ import annotations

import logging
from typing import Literal

from jupyterhub_af.line.audit import AuditWriter
from jupyterhub_af.line.peer import Peer
from jupyterhub_af.policy.messages import AuditEvent

ACTOR = "storage"


class Teller:
    """Writes audit lines; a service that is away holds up nothing and is told later."""

    def __init__(self, service: Peer | None, log: logging.Logger) -> None:
        self._lines = AuditWriter(service, log)

    def tell(
        self,
        action: str,
        target: str,
        result: Literal["done", "failed"],
        *,
        detail: str = "",
    ) -> None:
        """Have a line written; returns at once."""
        event = AuditEvent(
            actor=ACTOR,
            action=action,
            target=target[:255],
            result=result,
            detail=detail[:500],
        )
        self._lines.add(event)

    async def settle(self) -> None:
        """Wait until every line was taken, or is lost."""
        await self._lines.settle()
