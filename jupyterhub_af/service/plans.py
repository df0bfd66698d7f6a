"""The recorded plan of each start: what clusters and the Lab plugin are held to.

A plan is put before the start and replaced by the next start of the same server. One
``start_id`` means one plan, for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from jupyterhub_af.policy.messages import parse_plan, plan_to_json
from jupyterhub_af.policy.names import make_slug
from jupyterhub_af.policy.plan import ServerPlan

from .refusal import RefusedError
from .register import Register
from .store import Store
from .tables import PlanRow


@dataclass(frozen=True, slots=True)
class Start:
    """A start of a server: its plan, and when that was recorded (seconds since 1970)."""

    plan: ServerPlan
    recorded_at: float

    @property
    def place(self) -> tuple[str, str]:
        """Return the person and the server's name."""
        return self.plan.user, self.plan.server_name


class Plans:
    """Record plans and find them again."""

    def __init__(
        self, store: Store, register: Register, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._register = register
        self._clock = clock

    def put(self, plan: ServerPlan) -> None:
        """Record the plan of a start that is about to happen.

        Raises
        ------
        RefusedError
            If its numbers are not the register's, or its start id names another plan.
        """
        self._check_numbers(plan)
        try:
            with self._store.write() as session:
                _record(session, plan, datetime.fromtimestamp(self._clock(), UTC))
        except IntegrityError as error:
            # two writers met on PostgreSQL; the one that lost is told so
            raise _taken(plan) from error

    def find(self, user: str, server_name: str) -> ServerPlan | None:
        """Return the plan of the last start of a server."""
        with self._store.read() as session:
            row = session.get(PlanRow, (user, server_name))
            return parse_plan(row.plan) if row else None

    def find_start(self, user: str, server_name: str) -> Start | None:
        """Return the last start of a server."""
        return self.find_starts([(user, server_name)]).get((user, server_name))

    def find_starts(
        self, places: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], Start]:
        """Return the last start of each server that has one."""
        with self._store.read() as session:
            rows = (session.get(PlanRow, place) for place in places)
            return {(row.user, row.server_name): _to_start(row) for row in rows if row}

    def count(self) -> int:
        """Return how many servers have a recorded plan."""
        with self._store.read() as session:
            return session.scalar(select(func.count()).select_from(PlanRow)) or 0

    def _check_numbers(self, plan: ServerPlan) -> None:
        """Refuse a plan whose uid or gids would open somebody else's files."""
        ids = self._register.find_ids(plan.user, tuple(plan.gids))
        asked = (plan.uid, plan.gid, dict(plan.gids), plan.person)
        if asked != (ids.uid, ids.gid, ids.gids, make_slug(plan.user)):
            message = "The plan's numbers are not those that the register gave."
            raise RefusedError(409, "plan-numbers", message)


def _to_start(row: PlanRow) -> Start:
    # SQLite forgets the zone; what was written is UTC
    at = row.recorded_at.replace(tzinfo=row.recorded_at.tzinfo or UTC)
    return Start(parse_plan(row.plan), at.timestamp())


def _record(session: Session, plan: ServerPlan, now: datetime) -> None:
    text = plan_to_json(plan).decode()
    place = (plan.user, plan.server_name)
    same_start = session.scalar(
        select(PlanRow).where(PlanRow.start_id == plan.start_id)
    )
    if same_start is not None:
        # sent again after a lost answer: nothing to do; anything else is a mistake
        if (same_start.user, same_start.server_name, same_start.plan) != (*place, text):
            raise _taken(plan)
        return
    session.merge(
        PlanRow(
            user=plan.user,
            server_name=plan.server_name,
            start_id=plan.start_id,
            plan=text,
            facility_digest=plan.facility_digest,
            recorded_at=now,
        )
    )


def _taken(plan: ServerPlan) -> RefusedError:
    message = f"The start id {plan.start_id[:64]!r} names another plan already."
    return RefusedError(409, "start-id-taken", message)
