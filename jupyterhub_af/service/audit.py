"""The audit: every event fits one schema, is masked, logged and stored.

Masked is what looks like a token (anywhere), or like another secret or a mail address
(in ``detail``; a hub name may look like one and stays readable as actor and target).
"""

from __future__ import annotations

import importlib.resources
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jupyter_events import EventLogger
from sqlalchemy import select

from jupyterhub_af.policy.messages import AuditEvent

from .store import Store
from .tables import EventRow

SCHEMA_ID = "urn:jupyterhub-af:events:audit"
# The parts of a JSON Web Token, signed or encrypted: the first begins with `{"`.
_JWT = re.compile(r"eyJ[\w-]{4,}(?:\.[\w-]*){1,4}")
# What follows "Bearer", and runs of letters with digits as long as only secrets are.
_SECRET = re.compile(
    r"(?i:\b(?:bearer|token)[ =:]+)[\w.~+/=-]{16,}"
    r"|(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{32,}"
)
_MAIL = re.compile(r"[^\s@<>\"',;:()]+@[^\s@<>\"',;:()]+\.[^\s@<>\"',;:()]+")
_LONGEST_DETAIL = 500


class Audit:
    """Take events and keep them."""

    def __init__(
        self, store: Store, *, handlers: Sequence[logging.Handler] = ()
    ) -> None:
        self._store = store
        self._events = EventLogger(handlers=list(handlers))
        schema = importlib.resources.files(__package__) / "events" / "audit.yaml"
        self._events.register_event_schema(schema.read_text("utf8"))
        self._events.add_modifier(schema_id=SCHEMA_ID, modifier=_mask_event)
        self._events.add_listener(schema_id=SCHEMA_ID, listener=self._keep)

    async def record(self, event: AuditEvent) -> None:
        """Keep an event; returns when it is in the database, raises if it is not."""
        self._events.emit(schema_id=SCHEMA_ID, data=event.model_dump())
        for outcome in await self._events.gather_listeners():
            if isinstance(outcome, BaseException):
                raise outcome

    async def _keep(
        self, logger: EventLogger, schema_id: str, data: dict[str, Any]
    ) -> None:
        """Store an event that was validated and masked."""
        await self._store.run(self._insert, AuditEvent(**data))

    def _insert(self, event: AuditEvent) -> None:
        with self._store.write() as session:
            session.add(EventRow(time=datetime.now(UTC), **event.model_dump()))

    def last(self, count: int) -> list[Kept]:
        """Return the newest events, newest first."""
        query = select(EventRow).order_by(EventRow.id.desc()).limit(count)
        with self._store.read() as session:
            return [
                Kept(
                    # SQLite forgets the zone; what was written is UTC
                    row.time.replace(tzinfo=row.time.tzinfo or UTC),
                    AuditEvent(
                        actor=row.actor,
                        action=row.action,
                        target=row.target,
                        rule=row.rule,
                        result=row.result,
                        detail=row.detail,
                    ),
                )
                for row in session.scalars(query)
            ]


@dataclass(frozen=True, slots=True)
class Kept:
    """An event and when it was kept."""

    time: datetime
    event: AuditEvent


def mask(text: str) -> str:
    """Return a text without tokens, secrets and mail addresses."""
    masked = _SECRET.sub("[secret]", _JWT.sub("[token]", text))
    return _MAIL.sub("[mail]", masked)[:_LONGEST_DETAIL]


def _mask_event(schema_id: str, data: dict[str, Any]) -> dict[str, Any]:
    """Mask what an event says, before it is validated, logged or stored."""
    return {
        **data,
        "actor": _JWT.sub("[token]", data["actor"]),
        "target": _JWT.sub("[token]", data["target"]),
        "detail": mask(data["detail"]),
    }
