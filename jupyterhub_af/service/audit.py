"""The audit: every event fits one schema, is masked, logged and stored.

Masked is what looks like a token (anywhere), or like another secret or a mail address
(in ``detail``; a hub name may look like one and stays readable as actor and target).
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.resources
import logging
import re
import time
from collections.abc import Callable, Collection, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jupyter_events import EventLogger
from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from jupyterhub_af.policy.account_messages import KeptEvent
from jupyterhub_af.policy.messages import AuditEvent
from jupyterhub_af.policy.panel import HistoryLine

from .store import Store
from .tables import AccountRow, EventRow, FormerNameRow

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
# The name of this service as an actor.
PROCESS = "af"
# a facility file that was edited; the rule is the digest of what came into force
EDIT = "facility.edit"
# what a listener tells the one call of `record` that it works for: a task has the
# context of the call that made it
_kept: ContextVar[tuple[asyncio.Future[None], str]] = ContextVar("kept")
_IS_STRANGERS = (EventRow.action == "account.register") & (EventRow.result == "refused")


class Audit:
    """Take events and keep them."""

    def __init__(
        self,
        store: Store,
        *,
        handlers: Sequence[logging.Handler] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._clock = clock
        self._events = EventLogger(handlers=list(handlers))
        schema = importlib.resources.files(__package__) / "events" / "audit.yaml"
        self._events.register_event_schema(schema.read_text("utf8"))
        self._events.add_modifier(schema_id=SCHEMA_ID, modifier=_mask_event)
        self._events.add_listener(schema_id=SCHEMA_ID, listener=self._keep)

    async def record(self, event: AuditEvent, *, telling: str = "") -> bool:
        """Keep an event; returns when it is in the database, raises if it is not.

        What becomes of other events meanwhile is nothing to this one, and who stops
        waiting takes no event back. Of one ``telling`` the first event is kept: False
        if there is one already.
        """
        if telling != "" and await self._store.run(self._is_kept, _sum_of(telling)):
            return False
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        token = _kept.set((kept, telling))
        try:
            self._events.emit(schema_id=SCHEMA_ID, data=event.model_dump())
        finally:
            _kept.reset(token)
        await asyncio.shield(kept)
        return True

    async def _keep(
        self, logger: EventLogger, schema_id: str, data: dict[str, Any]
    ) -> None:
        """Store an event that was validated and masked, and tell who waits for it."""
        kept, telling = _kept.get()
        try:
            await self._store.run(self._insert, AuditEvent(**data), telling)
        except asyncio.CancelledError:
            kept.cancel()
            raise
        except Exception as error:
            kept.set_exception(error)
            # looked at: asyncio has nothing to add where nobody waits any more
            kept.exception()
            # and logged for the operators, either way
            raise
        else:
            kept.set_result(None)

    def _insert(self, event: AuditEvent, telling: str) -> None:
        row = EventRow(
            time=datetime.fromtimestamp(self._clock(), UTC),
            person=person_of(event.target),
            telling=_sum_of(telling) if telling else None,
            **event.model_dump(),
        )
        try:
            with self._store.write() as session:
                session.add(row)
        except IntegrityError:
            # told at the same moment by somebody else
            if not (telling and self._is_kept(_sum_of(telling))):
                raise

    def _is_kept(self, telling: str) -> bool:
        with self._store.read() as session:
            found = select(EventRow.id).where(EventRow.telling == telling)
            return session.scalar(found) is not None

    def about(
        self, user: str, count: int, folders: Collection[str] = ()
    ) -> tuple[HistoryLine, ...]:
        """Return the newest events that a person did or that were done to what is theirs.

        ``folders`` are those of their groups, as targets: ``collabspace:GW``. Oldest
        first. Not what a stranger tried who gave the same name to the register,
        and what the service does is nobody's doing.
        """
        with self._store.read() as session:
            return tuple(
                _to_line(row) for row in _find_about(session, user, count, folders)
            )

    def record_about(self, user: str, count: int) -> tuple[KeptEvent, ...]:
        """Return the same events with all that was kept of them."""
        with self._store.read() as session:
            return tuple(
                KeptEvent(time=time_of(row).timestamp(), event=to_event(row))
                for row in _find_about(session, user, count)
            )

    def name_of(self, directory: str) -> str:
        """Return whose a directory's name is; empty if it is nobody's."""
        with self._store.read() as session:
            return find_name(session, directory)

    def last_of(self, target: str, actions: Sequence[str]) -> str:
        """Return the action of the newest event of a kind about a target; empty if none."""
        query = (
            select(EventRow.action)
            .where(EventRow.person == person_of(target))
            .where(EventRow.target == target, EventRow.action.in_(actions))
            .order_by(EventRow.id.desc())
            .limit(1)
        )
        with self._store.read() as session:
            return session.scalar(query) or ""

    def last_digest(self) -> str:
        """Return the digest of the facility that last came into force; empty if none."""
        query = (
            select(EventRow.rule)
            .where(EventRow.action == EDIT, EventRow.result == "done")
            .order_by(EventRow.id.desc())
            .limit(1)
        )
        with self._store.read() as session:
            return session.scalar(query) or ""

    def last(self, count: int) -> list[Kept]:
        """Return the newest events, newest first."""
        query = select(EventRow).order_by(EventRow.id.desc()).limit(count)
        with self._store.read() as session:
            return [Kept(time_of(row), to_event(row)) for row in session.scalars(query)]


@dataclass(frozen=True, slots=True)
class Kept:
    """An event and when it was kept."""

    time: datetime
    event: AuditEvent


def _sum_of(telling: str) -> str:
    """Return what a telling is kept as, however long it is."""
    return hashlib.sha256(telling.encode("utf8", "replace")).hexdigest()


def person_of(target: str) -> str:
    """Return whose a target such as ``alice/one`` is; empty where it is nobody's.

    A group's folder (``collabspace:GW``) is its own: with a slash, which is in no name.
    """
    person, slash, _ = target.partition("/")
    if slash:
        return person
    return f"/{target}" if ":" in target else ""


def _find_about(
    session: Session, user: str, count: int, folders: Collection[str] = ()
) -> list[EventRow]:
    """Return the newest rows about a person, by the names of before too, oldest first."""
    if not user:
        return []
    is_theirs: list[ColumnElement[bool]] = []
    if folders:
        is_theirs.append(EventRow.person.in_([f"/{folder}" for folder in folders]))
    for name in (user, *_names_before(session, user)):
        is_theirs.append(EventRow.person == name)
        if name != PROCESS:
            is_theirs.append((EventRow.actor == name) & ~_IS_STRANGERS)
    # one query for each, so that each walks its index from the newest line
    queries = [
        select(EventRow).where(theirs).order_by(EventRow.id.desc()).limit(count)
        for theirs in is_theirs
    ]
    rows = {row.id: row for query in queries for row in session.scalars(query)}
    return [rows[number] for number in sorted(rows)[-count:]]


def names_of(session: Session, name: str) -> list[str]:
    """Return all names of the person who has, or had, this one: the one of today first.

    A name that is nobody's is alone: a process, a Unix name, somebody who was refused.
    """
    former = session.get(FormerNameRow, name)
    if former is not None:
        now = select(AccountRow.name).where(AccountRow.uid == former.uid)
        name = session.scalar(now) or name
    return [name, *_names_before(session, name)]


def find_name(session: Session, directory: str) -> str:
    """Return the name of who has, or had, a directory's name; empty if it is nobody's."""
    now = select(AccountRow.name).where(AccountRow.slug == directory)
    owner = select(FormerNameRow.uid).where(FormerNameRow.slug == directory)
    later = select(AccountRow.name).where(AccountRow.uid == owner.scalar_subquery())
    return session.scalar(now) or session.scalar(later) or ""


def _names_before(session: Session, user: str) -> list[str]:
    """Return what else a person was called; it is nobody else's.

    Names of before, and of their directories: the storage agent knows no others.
    """
    account = select(AccountRow).where(AccountRow.name == user)
    row = session.scalar(account)
    if row is None:
        return []
    former = select(FormerNameRow).where(FormerNameRow.uid == row.uid)
    before = session.scalars(former).all()
    rows: list[AccountRow | FormerNameRow] = [row, *before]
    slugs = {one.slug for one in rows} - {user, *(r.name for r in before)}
    for table in (AccountRow, FormerNameRow):
        taken = select(table.name).where(table.name.in_(slugs))
        slugs -= set(session.scalars(taken))
    return [*(r.name for r in before), *sorted(slugs)]


def to_event(row: EventRow) -> AuditEvent:
    """Return the event of a row."""
    return AuditEvent.model_validate(
        {name: getattr(row, name) for name in AuditEvent.model_fields}
    )


def time_of(row: EventRow) -> datetime:
    """Return when an event was kept; SQLite forgets the zone, and it is UTC."""
    return row.time.replace(tzinfo=row.time.tzinfo or UTC)


def _to_line(row: EventRow) -> HistoryLine:
    return HistoryLine(
        id=row.id,
        at=time_of(row).timestamp(),
        actor=row.actor,
        action=row.action,
        target=row.target,
        rule=row.rule,
        result=row.result,
    )


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
