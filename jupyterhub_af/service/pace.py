"""How often somebody may do something that this service keeps: counted, then refused."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from .refusal import RefusedError


class Pace:
    """At most ``most`` acts of each in a stretch of ``seconds``.

    Stretches begin for everybody at once, and the counts of the last are forgotten.
    """

    def __init__(
        self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._counts: Counter[str] = Counter()
        self._until = clock() + seconds

    def count(self, who: str) -> None:
        """Count one more act.

        Raises
        ------
        RefusedError
            429 in words, if there were as many as may be.
        """
        now = self._clock()
        if now >= self._until:
            self._counts.clear()
            self._until = now + self._seconds
        if self._counts[who] >= self._most:
            minutes = max(1, round((self._until - now) / 60))
            message = (
                f"That was done {self._most} times already; it is counted again in "
                f"{minutes} minutes."
            )
            raise RefusedError(429, "too-often", message)
        self._counts[who] += 1
