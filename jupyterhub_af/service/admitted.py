"""The servers' own tokens that were let in, so that a courtesy can go on with them.

Only their SHA-256 sums are kept, as the hub does: none can be made of them.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

MOST_REMEMBERED = 10_000

Place = tuple[str, str]


def digest_of(token: str) -> str:
    """Return what a token is remembered by."""
    return hashlib.sha256(token.encode()).hexdigest()


class Admitted:
    """Remember which server each token belongs to, the newest ones."""

    def __init__(self) -> None:
        self._places: OrderedDict[str, Place] = OrderedDict()

    def note(self, token: str, place: Place) -> str:
        """Remember a token that the hub has just known."""
        digest = digest_of(token)
        self.restore(digest, place)
        return digest

    def restore(self, digest: str, place: Place) -> None:
        """Remember a token by the sum that was written down."""
        self._places[digest] = place
        self._places.move_to_end(digest)
        while len(self._places) > MOST_REMEMBERED:
            self._places.popitem(last=False)

    def find(self, token: str) -> Place | None:
        """Return the server that a token was of when it was let in."""
        return self._places.get(digest_of(token))

    def digests_of(self, place: Place) -> tuple[str, ...]:
        """Return the sums of a server's tokens."""
        return tuple(digest for digest, at in self._places.items() if at == place)
