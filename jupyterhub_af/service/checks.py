"""When memberships were last confirmed, written down: a restart asks nobody too late."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, select

from .store import Store
from .tables import CheckRow


class Checks:
    """Keep, of each person who has something running, when the IAM confirmed them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: dict[str, float] = {}

    def load(self) -> Mapping[str, float]:
        """Return what was written down, in seconds since 1970 (UTC)."""
        with self._store.read() as session:
            rows = session.scalars(select(CheckRow))
            self._written = {row.user: row.checked_at for row in rows}
        return dict(self._written)

    async def write(self, known: Mapping[str, float]) -> None:
        """Write what is new since the last time, in one go; forget everybody else."""
        new = {u: at for u, at in known.items() if self._written.get(u) != at}
        gone = self._written.keys() - known.keys()
        if new or gone:
            await self._store.run(self._write, new, gone)
            self._written = dict(known)

    def _write(self, new: Mapping[str, float], gone: set[str]) -> None:
        with self._store.write() as session:
            for user in gone:
                session.execute(delete(CheckRow).where(CheckRow.user == user))
            for user, at in new.items():
                session.merge(CheckRow(user=user, checked_at=at))
