"""The register: who a person is, and which numbers people and groups have, for ever.

A person **is** ``(issuer, subject)``. The first login binds the pair to a hub name and
a uid; nothing ever binds that name or that uid to another pair. A group gets its gid
the first time a start needs it.

Numbers come from ``numbers``, the last one given of each kind, raised in the same
transaction that writes the row: a number is never given twice, not even after its row
is gone. That row's lock also puts first logins in line on PostgreSQL; on SQLite the
transaction itself does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from jupyterhub_af.catalogue import Catalogue
from jupyterhub_af.policy.groups import MAX_GROUPS, is_group
from jupyterhub_af.policy.messages import Account, AccountRequest, IdsReply, IdsRequest
from jupyterhub_af.policy.names import make_slug

from .hub_name import find_name_problem, make_name_key, show
from .refusal import RefusedError, StartError
from .store import Store
from .tables import AccountRow, FormerNameRow, GroupRow, NumberRow

ACTIVE, RENAMING = "active", "renaming"
FIRST_UID, FIRST_GID = 1_000_001, 2_000_001
_UID, _GID = "uid", "gid"
# Linux keeps 4294967295 for "none"; many tools read numbers as signed.
_CEILING = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Ranges:
    """Where numbers begin; people end where groups begin."""

    first_uid: int
    first_gid: int


class Register:
    """Bind people to names and numbers, groups to numbers."""

    def __init__(self, store: Store, catalogue: Catalogue, ranges: Ranges) -> None:
        self._store = store
        self._catalogue = catalogue
        self._ranges = ranges

    def prepare(self) -> None:
        """Make the counters, never below a number that was given."""
        first_uid, first_gid = self._ranges.first_uid, self._ranges.first_gid
        if not 0 < first_uid < first_gid < _CEILING:
            msg = (
                f"first_uid {first_uid} must be above 0 and below first_gid {first_gid}: "
                "people and groups share no number."
            )
            raise StartError(msg)
        with self._store.write() as session:
            uid = session.scalar(select(func.max(AccountRow.uid))) or 0
            gid = session.scalar(select(func.max(GroupRow.gid))) or 0
            _raise_counter(session, _UID, max(uid, first_uid - 1))
            _raise_counter(session, _GID, max(gid, first_gid - 1))

    def account_for(self, request: AccountRequest) -> tuple[Account, bool]:
        """Return the account of a person, and whether this call made it.

        Raises
        ------
        RefusedError
            If the issuer is not the facility's, or a first login brings a name that
            cannot be used, is bound to somebody else, would share somebody else's
            directory, or is an old hub user's.
        """
        issuer = normal_issuer(request.issuer)
        if issuer != normal_issuer(self._catalogue.issuer):
            raise self._refuse(
                403,
                "issuer-unknown",
                "This login comes from another IAM than the facility's.",
            )
        with self._store.read() as session:
            row = _find_person(session, issuer, request.subject)
            if row is not None:
                return self._to_account(row), False
        problem = find_name_problem(request.preferred_username)
        if problem:
            raise self._refuse(403, *problem)
        name = request.preferred_username.lower()
        with self._store.write() as session:
            return self._bind(session, issuer, name, request)

    def ids_for(self, request: IdsRequest) -> IdsReply:
        """Return the numbers of a person and of groups; new groups get theirs.

        Raises
        ------
        RefusedError
            If nobody has that name, or a group is not written as one.
        """
        _check_groups(request.groups)
        known = self.find_ids(request.user, request.groups)
        missing = [g for g in dict.fromkeys(request.groups) if g not in known.gids]
        if not missing:
            return known
        with self._store.write() as session:
            gids = known.gids | self._give_gids(session, missing)
        return IdsReply(uid=known.uid, gid=known.gid, gids=gids)

    def find_ids(self, user: str, groups: tuple[str, ...]) -> IdsReply:
        """Return the numbers of a person, and of those groups that have one."""
        with self._store.read() as session:
            account = self._account_named(session, user)
            gids = _find_gids(session, groups)
        return IdsReply(uid=account.uid, gid=account.gid, gids=gids)

    def count(self) -> int:
        """Return how many accounts there are."""
        with self._store.read() as session:
            return session.scalar(select(func.count()).select_from(AccountRow)) or 0

    def _bind(
        self, session: Session, issuer: str, name: str, request: AccountRequest
    ) -> tuple[Account, bool]:
        """Bind a pair for ever; everything is looked up again under the lock."""
        counter = _lock_counter(session, _UID)
        row = _find_person(session, issuer, request.subject)
        if row is not None:
            return self._to_account(row), False
        key, slug = make_name_key(name), make_slug(name)
        self._check_free(session, name, key, slug)
        if request.is_known_to_hub:
            message = (
                f"The name {name} is known to this facility from before and nobody "
                "has confirmed that it is yours; an administrator can."
            )
            raise self._refuse(409, "name-unconfirmed", message)
        uid = self._next_number(counter, below=self._ranges.first_gid)
        now = datetime.now(UTC)
        row = AccountRow(
            issuer=issuer,
            subject=request.subject,
            name=name,
            name_key=key,
            slug=slug,
            uid=uid,
            created_at=now,
            state=ACTIVE,
            since=now,
            next_name="",
        )
        session.add(row)
        session.flush()
        return self._to_account(row), True

    def check_new_name(self, session: Session, name: str, uid: int) -> None:
        """Refuse a name that a person with an account cannot have from now on.

        A name that they had before is theirs.

        Raises
        ------
        RefusedError
            If it cannot be used, or is or will be somebody else's.
        """
        problem = find_name_problem(name)
        if problem:
            raise self._refuse(409, *problem)
        self._check_free(session, name, make_name_key(name), make_slug(name), uid=uid)

    def _check_free(
        self, session: Session, name: str, key: str, slug: str, *, uid: int = 0
    ) -> None:
        """Refuse a name that is, or whose directory would be, somebody else's.

        ``uid`` is the person's who may have it already; 0 is nobody's.
        """
        taken = _find_taken(session, key, slug) - {(key, uid)}
        if any(found == key for found, _ in taken):
            message = f"The name {name} belongs to another account of this facility."
            raise self._refuse(409, "name-taken", message)
        if any(whose != uid for _, whose in taken):
            message = (
                f"The directory that the name {name} would get here belongs to another "
                "account of this facility: another name is needed."
            )
            raise self._refuse(409, "directory-taken", message)

    def _give_gids(self, session: Session, groups: list[str]) -> dict[str, int]:
        """Give each group a number, unless another start did meanwhile."""
        counter = _lock_counter(session, _GID)
        gids = _find_gids(session, tuple(groups))
        for group in groups:
            if group not in gids:
                gids[group] = self._next_number(counter, below=_CEILING)
                now = datetime.now(UTC)
                session.add(GroupRow(path=group, gid=gids[group], created_at=now))
        return gids

    def _next_number(self, counter: NumberRow, *, below: int) -> int:
        number = counter.last + 1
        if number >= below:
            message = f"The facility has given all its {counter.kind}s away."
            raise self._refuse(503, "numbers-exhausted", message)
        counter.last = number
        return number

    def _account_named(self, session: Session, user: str) -> Account:
        row = session.scalar(select(AccountRow).where(AccountRow.name == user))
        if row is None:
            message = f"Nobody with the name {show(user)} has logged in here."
            raise self._refuse(404, "account-unknown", message)
        return self._to_account(row)

    def _to_account(self, row: AccountRow) -> Account:
        if row.state == RENAMING:
            message = (
                f"The account {row.name} is being given another name; try again in a "
                "few minutes."
            )
            raise self._refuse(409, "account-renaming", message)
        if row.state != ACTIVE:
            message = f"The account {row.name} is closed."
            raise self._refuse(403, "account-closed", message)
        return Account(name=row.name, uid=row.uid, gid=row.uid)

    def _refuse(self, status: int, rule: str, message: str) -> RefusedError:
        contact = self._catalogue.last.facility.contact
        return RefusedError(status, rule, f"{message} Ask {contact}.")


def normal_issuer(issuer: str) -> str:
    """Return an issuer as it is compared: IAM spells its own with and without a slash."""
    return issuer.removesuffix("/")


def _check_groups(groups: tuple[str, ...]) -> None:
    if len(groups) > MAX_GROUPS:
        message = f"At most {MAX_GROUPS} groups can be asked for at once."
        raise RefusedError(400, "too-many-groups", message)
    for group in groups:
        if not is_group(group):
            message = (
                f"{show(group)} is not a group: write its full path without a "
                "leading slash, such as hackathon/students."
            )
            raise RefusedError(400, "group-form", message)


def _find_person(session: Session, issuer: str, subject: str) -> AccountRow | None:
    return session.scalar(
        select(AccountRow).where(
            AccountRow.issuer == issuer, AccountRow.subject == subject
        )
    )


def _find_taken(session: Session, key: str, slug: str) -> set[tuple[str, int]]:
    """Return name key and uid of whoever has, had or will have such a name."""
    found: set[tuple[str, int]] = set()
    for table in (AccountRow, FormerNameRow):
        is_alike = or_(table.name_key == key, table.slug == slug)
        rows = session.execute(select(table.name_key, table.uid).where(is_alike))
        found |= {(row.name_key, row.uid) for row in rows}
    coming = select(AccountRow).where(AccountRow.next_name != "")
    for row in session.scalars(coming):
        next_key = make_name_key(row.next_name)
        if next_key == key or make_slug(row.next_name) == slug:
            found.add((next_key, row.uid))
    return found


def _find_gids(session: Session, groups: tuple[str, ...]) -> dict[str, int]:
    rows = session.execute(
        select(GroupRow.path, GroupRow.gid).where(GroupRow.path.in_(groups))
    )
    return {row.path: row.gid for row in rows}


def _lock_counter(session: Session, kind: str) -> NumberRow:
    """Return a counter that nobody else can raise until this transaction ends."""
    return session.scalars(
        select(NumberRow).where(NumberRow.kind == kind).with_for_update()
    ).one()


def _raise_counter(session: Session, kind: str, least: int) -> None:
    row = session.get(NumberRow, kind, with_for_update=True)
    if row is None:
        session.add(NumberRow(kind=kind, last=least))
    else:
        row.last = max(row.last, least)
