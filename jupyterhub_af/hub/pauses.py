"""Who is not asked about for a while, since the last question about them brought nothing.

A grant may rotate the refresh token, and an answer that makes no sense now will hardly
make sense in a second. Each question in vain doubles the pause.
"""

from __future__ import annotations

from collections.abc import Callable

FIRST_SECONDS = 10.0
_MOST_DOUBLINGS = 16


class Pauses:
    """The pauses of one hub's people, by the number of the user."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._since: dict[int, tuple[float, int]] = {}

    def lengthen(self, user_id: int) -> None:
        """Begin a pause, twice as long as the one before."""
        _, times = self._since.get(user_id, (0.0, 0))
        self._since[user_id] = (self._now(), min(times + 1, _MOST_DOUBLINGS))

    def end(self, user_id: int) -> None:
        """Forget the pauses of somebody about whom there is a word."""
        self._since.pop(user_id, None)

    def goes_on(self, user_id: int, *, most_seconds: float) -> bool:
        """Tell whether nobody asks about somebody yet; a clock put back ends the pause."""
        since, times = self._since.get(user_id, (0.0, 0))
        if not times:
            return False
        seconds = min(FIRST_SECONDS * (1 << (times - 1)), most_seconds)
        return 0 <= self._now() - since < seconds
