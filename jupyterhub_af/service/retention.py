"""Removes lines of the audit that are too old, and those about people who are deleted.

Both as the facility file says (``audit``), in small batches: no writer waits for more
than one. Found anew each time from the database, so that what was cut off goes on.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.orm import Session

from jupyterhub_af.policy.messages import AuditEvent

from .audit import PROCESS, names_of
from .desk import Desk
from .store import Store
from .tables import AccountRow, EventRow

BATCH = 500
# others write in between
PAUSE_SECONDS = 0.05
# a clock that is further ahead of what was written before is not believed for a while:
# what it calls too old would be gone for good
LEAP_SECONDS = 7 * 86400.0
DOUBT_SECONDS = 2 * 86400.0
PAUSE = "audit.pause"

How = Literal["anonymise", "erase"]


@dataclass(frozen=True, slots=True)
class Leaver:
    """Somebody who was deleted and has lines: every name, and who deleted them."""

    names: tuple[str, ...]
    deleted_by: str


class Retention:
    """Holds the audit to what the facility says of it."""

    def __init__(self, desk: Desk, *, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._desk = desk
        self._pause_seconds = pause_seconds

    async def look(self) -> None:
        """Remove what is due."""
        rule = (await self._desk.facility()).facility.audit
        if await self._is_clock_believed():
            await self._expire(self._desk.clock() - rule.keep)
        if rule.on_delete != "keep":
            run = self._desk.store.run
            for leaver in await run(find_leavers, self._desk.store):
                await self._forget(leaver, rule.on_delete)

    async def _is_clock_believed(self) -> bool:
        """Tell whether lines may be removed by this clock; say once that they are not."""
        now = self._desk.clock()
        leap, is_told = await self._desk.store.run(find_leap, self._desk.store, now)
        if leap and not is_told:
            days = leap / 86400
            words = (
                f"The clock is {days:.0f} days ahead of the line before: nothing that "
                f"is too old is removed for {DOUBT_SECONDS / 86400:.0f} days."
            )
            self._desk.log.warning("%s", words)
            event = AuditEvent(
                actor=PROCESS,
                action=PAUSE,
                rule="clock-leap",
                result="done",
                detail=words,
            )
            await self._desk.record(event)
        return not leap

    async def _expire(self, before: float) -> None:
        count = 0
        while removed := await self._desk.store.run(
            remove_older, self._desk.store, before, BATCH
        ):
            count += removed
            await asyncio.sleep(self._pause_seconds)
        if count:
            self._desk.metrics.removed_lines.labels("too-old").inc(count)
            self._desk.log.info("Removed %d lines of the audit: too old", count)

    async def _forget(self, leaver: Leaver, how: How) -> None:
        """Take a person out of the audit; that it was done is one line, without a name."""
        # no hub name has a colon; the next person gets another
        pseudonym, count = f"gone:{secrets.token_hex(4)}", 0
        while changed := await self._desk.store.run(
            forget_some, self._desk.store, leaver, how, pseudonym
        ):
            count += changed
            await asyncio.sleep(self._pause_seconds)
        self._desk.metrics.removed_lines.labels("account-deleted").inc(count)
        done = "erased" if how == "erase" else "made anonymous"
        self._desk.log.info("%d lines of the audit about one person: %s", count, done)
        event = AuditEvent(
            actor=leaver.deleted_by,
            action="audit.erase",
            result="done",
            detail=f"{count} lines about a deleted account were {done}.",
        )
        await self._desk.record(event)


def remove_older(store: Store, before: float, most: int) -> int:
    """Remove some of the lines of before a time; return how many."""
    limit = datetime.fromtimestamp(before, UTC)
    with store.write() as session:
        wanted = select(EventRow.id).where(EventRow.time < limit)
        numbers = list(session.scalars(wanted.order_by(EventRow.time).limit(most)))
        if numbers:
            session.execute(delete(EventRow).where(EventRow.id.in_(numbers)))
        return len(numbers)


def find_leap(store: Store, now: float) -> tuple[float, bool]:
    """Return by how many seconds the clock leapt lately, 0 if not, and whether it is told.

    A service that was away for long looks the same; either is believed after a while.
    """
    since = datetime.fromtimestamp(now - DOUBT_SECONDS, UTC)
    with store.read() as session:
        new = session.scalar(
            select(func.min(EventRow.time)).where(EventRow.time >= since)
        )
        old = session.scalar(
            select(func.max(EventRow.time)).where(EventRow.time < since)
        )
        told = select(EventRow.id).where(EventRow.time >= since)
        is_told = session.scalar(told.where(EventRow.action == PAUSE)) is not None
    if old is None:
        return 0.0, False
    gap = (now if new is None else _seconds(new)) - _seconds(old)
    return gap if gap > LEAP_SECONDS else 0.0, is_told


def find_leavers(store: Store) -> list[Leaver]:
    """Return who is deleted and still has lines."""
    with store.read() as session:
        gone = select(AccountRow.name).where(AccountRow.state == "deleted")
        found = []
        for name in session.scalars(gone).all():
            names = names_of(session, name)
            if session.scalar(select(EventRow.id).where(_is_of(names)).limit(1)):
                found.append(Leaver(tuple(names), _who_deleted(session, names)))
        return found


def forget_some(store: Store, leaver: Leaver, how: How, pseudonym: str) -> int:
    """Erase some of a person's lines, or take the name out; return how many.

    What they did to somebody else's stays that person's line in any case, without who
    it was.
    """
    with store.write() as session:
        wanted = select(EventRow).where(_is_of(leaver.names))
        rows = session.scalars(wanted.order_by(EventRow.id).limit(BATCH)).all()
        for row in rows:
            if how == "erase" and row.person in ("", *leaver.names):
                session.delete(row)
            else:
                _take_name_out(row, leaver.names, pseudonym)
        return len(rows)


def _is_of(names: list[str] | tuple[str, ...]) -> ColumnElement[bool]:
    # the service is no person, whatever an old account is called
    actors = [name for name in names if name != PROCESS]
    return or_(EventRow.person.in_(names), EventRow.actor.in_(actors))


def _take_name_out(row: EventRow, names: tuple[str, ...], pseudonym: str) -> None:
    if row.actor in names:
        row.actor = pseudonym
    if row.person in names:
        row.target = f"{pseudonym}{row.target[len(row.person) :]}"[:255]
        row.person = pseudonym
    # a sentence may name anybody, and a telling the start of a server
    row.detail, row.telling = "", None


def _seconds(time: datetime) -> float:
    return time.replace(tzinfo=time.tzinfo or UTC).timestamp()


def _who_deleted(session: Session, names: list[str]) -> str:
    query = (
        select(EventRow.actor)
        .where(EventRow.person.in_(names), EventRow.action == "account.delete")
        .order_by(EventRow.id.desc())
        .limit(1)
    )
    actor = session.scalar(query) or PROCESS
    return PROCESS if actor in names else actor
