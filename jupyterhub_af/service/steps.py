"""Notices that this machine's clock was set: by how much it moved beside the steady one."""

from __future__ import annotations

import time
from collections.abc import Callable

# what a clock is corrected by little by little moves no deadline
LEAST_SECONDS = 5.0


class Steps:
    """Compare two clocks, look by look."""

    def __init__(
        self, clock: Callable[[], float], steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._steady = clock, steady
        self._ahead = clock() - steady()

    def look(self) -> float:
        """Return by how many seconds the clock was set since the last look, else 0."""
        before, self._ahead = self._ahead, self._clock() - self._steady()
        step = self._ahead - before
        return step if abs(step) >= LEAST_SECONDS else 0.0
