"""Accounts after their first login: their states, and the names people had before.

An act that needs other processes is written down here before it begins (``renaming``,
``deleting``) and again when it is complete, so that one that was cut off is found and
can go on. No row is ever removed: a name, a directory and a uid are given once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from jupyterhub_af.policy.account_messages import AccountLine, AccountRecord, State
from jupyterhub_af.policy.names import make_slug

from .audit import Audit
from .hub_name import make_name_key, show
from .refusal import RefusedError
from .register import Register
from .store import Store
from .tables import AccountRow, FormerNameRow, PlanRow

MOST_EVENTS = 100_000


class Accounts:
    """Find accounts, and take them from one state to the next."""

    def __init__(self, store: Store, register: Register, audit: Audit) -> None:
        self._store = store
        self._register = register
        self._audit = audit

    def all(self) -> tuple[AccountLine, ...]:
        """Return every account, in the order of uids."""
        with self._store.read() as session:
            former = _former_names(session)
            rows = session.scalars(select(AccountRow).order_by(AccountRow.uid))
            return tuple(_to_line(row, former.get(row.uid, ())) for row in rows)

    def find(self, name: str) -> AccountLine:
        """Return the account of a name, of today or of before.

        Raises
        ------
        RefusedError
            If nobody has, or had, that name.
        """
        with self._store.read() as session:
            row = _find_row(session, name)
            return _to_line(row, _former_names(session, row.uid).get(row.uid, ()))

    def record(self, name: str) -> AccountRecord:
        """Return an account with all that the audit says about its person."""
        with self._store.read() as session:
            row = _find_row(session, name)
            found = (row.name, row.issuer, row.subject, _seconds(row.created_at))
        current, issuer, subject, created_at = found
        return AccountRecord(
            account=self.find(current),
            issuer=issuer,
            subject=subject,
            created_at=created_at,
            events=self._audit.record_about(current, MOST_EVENTS),
        )

    def begin_rename(self, name: str, new_name: str) -> bool:
        """Write down that a person gets another name; False if it was written already.

        Raises
        ------
        RefusedError
            If the account is not active, or the name cannot be theirs.
        """
        with self._store.write() as session:
            row = _find_row(session, name)
            if row.state == "renaming" and row.next_name == new_name:
                return False
            _expect(row, "active")
            self._register.check_new_name(session, new_name, row.uid)
            _enter(row, "renaming")
            row.next_name = new_name
            return True

    def cancel_rename(self, name: str) -> None:
        """Forget a new name before anything was moved."""
        with self._store.write() as session:
            row = _find_row(session, name)
            if row.state == "renaming":
                _enter(row, "active")
                row.next_name = ""

    def finish_rename(self, name: str) -> None:
        """Call a person by the new name; the old one stays theirs and nobody else's."""
        with self._store.write() as session:
            row = _find_row(session, name)
            if row.state != "renaming":
                return
            session.add(
                FormerNameRow(
                    name=row.name, name_key=row.name_key, slug=row.slug, uid=row.uid
                )
            )
            again = FormerNameRow.name == row.next_name
            session.execute(delete(FormerNameRow).where(again))
            _forget_plans(session, row.name)
            row.name, row.next_name = row.next_name, ""
            row.name_key, row.slug = make_name_key(row.name), make_slug(row.name)
            _enter(row, "active")

    def retire(self, name: str) -> bool:
        """Let a person in no more; False if so it was."""
        return self._change(name, "active", "retired")

    def reopen(self, name: str) -> bool:
        """Let a retired person in again; False if so it was."""
        return self._change(name, "retired", "active")

    def begin_delete(self, name: str) -> bool:
        """Write down that a retired person's files go; False if it was written."""
        with self._store.write() as session:
            row = _find_row(session, name)
            if row.state in ("deleting", "deleted"):
                return False
            _expect(row, "retired")
            _enter(row, "deleting")
            return True

    def finish_delete(self, name: str) -> None:
        """Keep of a person the name, the directory's name and the uid, given for ever."""
        with self._store.write() as session:
            row = _find_row(session, name)
            if row.state == "deleting":
                _forget_plans(session, row.name)
                _enter(row, "deleted")

    def _change(self, name: str, before: State, after: State) -> bool:
        with self._store.write() as session:
            row = _find_row(session, name)
            if row.state == after:
                return False
            _expect(row, before)
            _enter(row, after)
            return True


def _find_row(session: Session, name: str) -> AccountRow:
    row = session.scalar(select(AccountRow).where(AccountRow.name == name))
    if row is None:
        former = session.get(FormerNameRow, name)
        query = select(AccountRow).where(
            AccountRow.uid == (former.uid if former else 0)
        )
        row = session.scalar(query)
    if row is None:
        message = f"Nobody with the name {show(name)} has an account here."
        raise RefusedError(404, "account-unknown", message)
    return row


def _expect(row: AccountRow, state: State) -> None:
    """Refuse an act upon an account in another state, with what to do first."""
    if row.state == state:
        return
    now = _NOW[row.state].format(name=row.name, next_name=row.next_name)
    advice = _ADVICE.get((row.state, state), "")
    message = f"The account {row.name} {now}.{advice and ' '}{advice}"
    raise RefusedError(409, f"account-{row.state}", message.format(name=row.name))


_NOW = {
    "active": "is active",
    "retired": "is retired",
    "renaming": "is being renamed to {next_name}",
    "deleting": "is being deleted",
    "deleted": "is deleted",
}
_ADVICE = {
    ("active", "retired"): "Retire it first: jupyterhub-af account retire {name}",
    ("retired", "active"): "Reopen it first: jupyterhub-af account reopen {name}",
    ("renaming", "active"): "Run that command again first.",
    ("renaming", "retired"): "Run that command again first.",
    ("deleting", "active"): "What was deleted cannot be brought back.",
    ("deleting", "retired"): "What was deleted cannot be brought back.",
}


def _enter(row: AccountRow, state: State) -> None:
    row.state, row.since = state, datetime.now(UTC)


def _forget_plans(session: Session, user: str) -> None:
    session.execute(delete(PlanRow).where(PlanRow.user == user))


def _former_names(session: Session, uid: int = 0) -> dict[int, tuple[str, ...]]:
    """Return the names of before by uid; of one person, or of all."""
    query = select(FormerNameRow).order_by(FormerNameRow.name)
    rows: Iterable[FormerNameRow] = session.scalars(
        query.where(FormerNameRow.uid == uid) if uid else query
    )
    found: dict[int, tuple[str, ...]] = {}
    for row in rows:
        found[row.uid] = (*found.get(row.uid, ()), row.name)
    return found


def _to_line(row: AccountRow, former_names: tuple[str, ...]) -> AccountLine:
    return AccountLine.model_validate(
        {
            "name": row.name,
            "uid": row.uid,
            "state": row.state,
            "since": _seconds(row.since),
            "former_names": former_names,
        }
    )


def _seconds(time: datetime) -> float:
    """Return a time of the database; SQLite forgets the zone, and it is UTC."""
    return time.replace(tzinfo=time.tzinfo or UTC).timestamp()
