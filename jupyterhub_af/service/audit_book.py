"""The audit as an administrator asks for it: a person's lines, or all, page by page.

A page is found by the numbers of lines, which every index ends with, and times are
compared afterwards: the number of lines before and after costs nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import Session

from jupyterhub_af.policy.account_messages import KeptEvent
from jupyterhub_af.policy.audit_messages import AuditPage, AuditQuery
from jupyterhub_af.policy.messages import AuditEvent

from .audit import names_of, time_of, to_event
from .desk import Desk
from .store import Store
from .tables import AccountRow, EventRow

# lines have their numbers in nearly the order of their times
_SLACK_SECONDS = 60.0


async def read_page(desk: Desk, query: AuditQuery) -> AuditPage:
    """Return a page; the first is a line in the audit too: a look is an act."""
    page = await desk.store.run(find_page, desk.store, query)
    if not query.after:
        event = AuditEvent(
            actor=query.actor,
            action="audit.read",
            target=f"{query.user}/"[:255] if query.user and page.is_known else "",
            result="done",
        )
        await desk.record(event)
    return page


def find_page(store: Store, query: AuditQuery) -> AuditPage:
    """Return the lines after the last page's, oldest first."""
    with store.read() as session:
        names = names_of(session, query.user)
        after = max(query.after, _number_before(session, query.since))
        rows = _find_rows(session, query, names, after)
        lines = tuple(
            KeptEvent(time=time_of(row).timestamp(), event=to_event(row))
            for row in rows
            if query.since <= time_of(row).timestamp() < query.until
        )
        is_over = len(rows) < query.most
        return AuditPage(
            lines=lines,
            last=None if is_over else rows[-1].id,
            is_known=not query.user or _is_account(session, names),
        )


def _number_before(session: Session, since: float) -> int:
    """Return a number that no line since then has, nor any smaller one."""
    start = datetime.fromtimestamp(max(0.0, since - _SLACK_SECONDS), UTC)
    # the smallest number and not the earliest time: a clock may have been put back
    number = session.scalar(select(func.min(EventRow.id)).where(EventRow.time >= start))
    if number is None:
        return int(session.scalar(select(func.max(EventRow.id))) or 0)
    return number - 1


def _find_rows(
    session: Session, query: AuditQuery, names: list[str], after: int
) -> list[EventRow]:
    """Return the next rows: one query for each name, so that each walks its index."""
    is_theirs: list[ColumnElement[bool]] = [true()]
    if query.user:
        is_theirs = [
            column == name
            for name in names
            for column in (EventRow.person, EventRow.actor)
        ]
    end = datetime.fromtimestamp(query.until + _SLACK_SECONDS, UTC)
    rows: dict[int, EventRow] = {}
    for theirs in is_theirs:
        wanted = select(EventRow).where(theirs, EventRow.id > after)
        wanted = wanted.where(EventRow.time < end)
        if query.action:
            wanted = wanted.where(EventRow.action == query.action)
        wanted = wanted.order_by(EventRow.id).limit(query.most)
        rows |= {row.id: row for row in session.scalars(wanted)}
    return [rows[number] for number in sorted(rows)[: query.most]]


def _is_account(session: Session, names: list[str]) -> bool:
    found = select(AccountRow.id).where(AccountRow.name.in_(names))
    return session.scalar(found) is not None
