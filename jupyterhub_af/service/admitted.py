"""The servers' own tokens that were let in, so that a courtesy can go on with them.

Only their SHA-256 sums are kept, as the hub does: none can be made of them. They are
written down at times, so that a restart of this process forgets no server that works.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Collection, Mapping

from sqlalchemy import delete, select

from .store import Store
from .tables import TokenRow

MOST_REMEMBERED = 10_000
MOST_OF_ONE = 4

Place = tuple[str, str]


def digest_of(token: str) -> str:
    """Return what a token is remembered by."""
    return hashlib.sha256(token.encode()).hexdigest()


class Admitted:
    """Remember which server each token belongs to, the newest ones."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._places: OrderedDict[str, Place] = OrderedDict()
        self._written: dict[str, Place] = {}
        self._missing: set[Place] = set()

    def load(self) -> None:
        """Read what was written down before this process started."""
        with self._store.read() as session:
            rows = session.scalars(select(TokenRow))
            self._written = {row.digest: (row.user, row.server_name) for row in rows}
        self._places.update(self._written)

    def note(self, token: str, place: Place) -> None:
        """Remember a token that the hub has just known."""
        digest = digest_of(token)
        if digest not in self._places:
            mine = [d for d, known in self._places.items() if known == place]
            # who mints many for a server pushes out none of somebody else's
            for old in mine[: 1 - MOST_OF_ONE]:
                del self._places[old]
        self._places[digest] = place
        self._places.move_to_end(digest)
        while len(self._places) > MOST_REMEMBERED:
            self._places.popitem(last=False)

    def find(self, token: str) -> Place | None:
        """Return the server that a token was of when it was let in."""
        return self.find_digest(digest_of(token))

    def find_digest(self, digest: str) -> Place | None:
        """Return the server that the token of a sum was of."""
        return self._places.get(digest)

    async def write(self, live: Collection[Place]) -> None:
        """Write down the tokens of servers that run; forget what was of others.

        One list may lack a server that runs: forgotten is what two in a row lack.
        """
        missing = {p for p in self._places.values() if p not in live}
        over, self._missing = missing & self._missing, missing
        wanted = {
            digest: place
            for digest, place in self._places.items()
            if place in live or (digest in self._written and place not in over)
        }
        new = {d: p for d, p in wanted.items() if d not in self._written}
        gone = self._written.keys() - wanted.keys()
        if new or gone:
            await self._store.run(self._write, new, gone)
        for digest in gone:
            self._places.pop(digest, None)
        self._written = wanted

    def _write(self, new: Mapping[str, Place], gone: Collection[str]) -> None:
        with self._store.write() as session:
            for digest in gone:
                session.execute(delete(TokenRow).where(TokenRow.digest == digest))
            for digest, (user, server_name) in new.items():
                row = TokenRow(digest=digest, user=user, server_name=server_name)
                session.merge(row)
