"""The book of running servers that have to end, because their people lost access.

Each ending belongs to one start of a server and has a deadline, which nothing moves. The
book is in memory, and written down as soon as the database takes it: a restart loses no
deadline, and a database that is away ends none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields, replace
from typing import cast

from sqlalchemy import delete, select

from jupyterhub_af.policy.panel import AccessEnd
from jupyterhub_af.policy.recheck import EndRule

from .store import Store
from .tables import EndingRow

Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Ending:
    """A server that has to end. Times are in seconds since 1970 (UTC).

    ``is_told`` and ``is_stopped``: the lines of the audit about it that are written.
    """

    user: str
    server_name: str
    start_id: str
    rule: EndRule
    reason: str
    since: float
    ends_at: float
    is_told: bool = False
    is_stopped: bool = False

    @property
    def place(self) -> Place:
        """Return the person and the server's name."""
        return self.user, self.server_name

    @property
    def stop_rule(self) -> str:
        """Return the rule of the stop, as the audit says it."""
        return "withheld" if self.rule == "withheld" else "access-lost"

    def to_message(self) -> AccessEnd:
        """Return it as its person sees it."""
        return AccessEnd(
            rule=self.rule, reason=self.reason, since=self.since, ends_at=self.ends_at
        )


class Endings:
    """Know which servers have to end, and until when each goes on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._endings: dict[Place, Ending] = {}
        self._unwritten: set[Place] = set()
        self._lock = asyncio.Lock()

    def load(self) -> None:
        """Read what was written down before this process started."""
        with self._store.read() as session:
            rows = session.scalars(select(EndingRow))
            self._endings = {
                (row.user, row.server_name): _to_ending(row) for row in rows
            }

    @property
    def all(self) -> tuple[Ending, ...]:
        """Return every ending, the first to end first."""
        return tuple(sorted(self._endings.values(), key=lambda e: (e.ends_at, e.place)))

    def find(self, place: Place) -> Ending | None:
        """Return the ending of what runs in a place."""
        return self._endings.get(place)

    def of_person(self, user: str) -> tuple[Ending, ...]:
        """Return the endings of a person's servers."""
        return tuple(e for e in self.all if e.user == user)

    def put(self, ending: Ending) -> None:
        """Know an ending, in place of what was known of its place."""
        if self._endings.get(ending.place) != ending:
            self._endings[ending.place] = ending
            self._unwritten.add(ending.place)

    def shift(self, seconds: float) -> None:
        """Move all deadlines with the clock: the time that is left stays."""
        for ending in self.all:
            since, ends_at = ending.since + seconds, ending.ends_at + seconds
            self.put(replace(ending, since=since, ends_at=ends_at))

    def drop(self, ending: Ending) -> None:
        """Forget an ending."""
        if self._endings.pop(ending.place, None) is not None:
            self._unwritten.add(ending.place)

    async def write(self, *, but: Collection[Place] = ()) -> None:
        """Write down what is not yet; SQLAlchemy's error if the database takes nothing.

        ``but``: places of which nothing is forgotten yet.
        """
        async with self._lock:
            while places := self._unwritten - (set(but) - self._endings.keys()):
                now = {place: self._endings.get(place) for place in places}
                await self._store.run(self._write, now)
                self._unwritten -= {
                    place
                    for place, ending in now.items()
                    if self._endings.get(place) == ending
                }

    def _write(self, endings: dict[Place, Ending | None]) -> None:
        with self._store.write() as session:
            for (user, server_name), ending in endings.items():
                if ending is None:
                    session.execute(
                        delete(EndingRow).where(
                            EndingRow.user == user, EndingRow.server_name == server_name
                        )
                    )
                else:
                    session.merge(EndingRow(**asdict(ending)))


def _to_ending(row: EndingRow) -> Ending:
    values = {item.name: getattr(row, item.name) for item in fields(Ending)}
    values["rule"] = cast("EndRule", row.rule)
    return Ending(**values)
