"""How the keeper's sweeps went: for the health, the metrics and the log."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from prometheus_client import Counter

# A sweep that fails is nothing yet: hub and gateway are started anew at times.
PATIENCE_SWEEPS = 3

Part = Literal["servers", "clusters"]
_MEANWHILE: dict[Part, str] = {
    "servers": "Meanwhile no server is stopped at the end of its lifetime, and no Dask "
    "cluster is cleared away.",
    "clusters": "Meanwhile no Dask cluster is cleared away.",
}
_Log = logging.Logger | logging.LoggerAdapter[logging.Logger]


@dataclass(slots=True)
class _State:
    good_at: float
    error: str = ""
    is_told: bool = False


class Sweeps:
    """Remember for each part of a sweep when it last went well, and why not since."""

    def __init__(
        self, log: _Log, count: Counter, *, sweep_seconds: float, started_at: float
    ) -> None:
        self._log = log
        self._count = count
        self._patience_seconds = PATIENCE_SWEEPS * sweep_seconds
        self._started_at = started_at
        self._states: dict[Part, _State] = {}

    def expect(self, part: Part) -> None:
        """Have a part watched from now on."""
        self._states[part] = _State(good_at=self._started_at)

    def note_done(self, part: Part, now: float) -> None:
        """Note that a part went well."""
        state = self._states[part]
        if state.is_told:
            self._log.info("Swept %s again", part)
        state.good_at, state.error, state.is_told = now, "", False
        self._count.labels(part, "done").inc()

    def note_failed(self, part: Part, now: float, error: str) -> None:
        """Note that a part failed; the log says so once, if it goes on."""
        state = self._states[part]
        self._count.labels(part, "failed").inc()
        state.error = error
        if not state.is_told and self._is_overdue(state, now):
            self._log.warning("Could not sweep %s: %s", part, error)
            state.is_told = True

    def has_gap(self, part: Part, now: float) -> bool:
        """Tell whether a part did not go well for so long that things were missed."""
        return self._is_overdue(self._states[part], now)

    def problems(self, now: float) -> tuple[str, ...]:
        """Return what the health says."""
        return tuple(
            f"{state.error or 'No sweep has ended.'} {_MEANWHILE[part]}"
            for part, state in self._states.items()
            if self._is_overdue(state, now)
        )

    def ages(self, now: float) -> dict[str, float]:
        """Return how long ago each part last went well."""
        return {part: now - state.good_at for part, state in self._states.items()}

    def _is_overdue(self, state: _State, now: float) -> bool:
        return now - state.good_at > self._patience_seconds
