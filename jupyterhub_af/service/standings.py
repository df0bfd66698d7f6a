"""How people's memberships stand, by the hub's last words: for health and metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import get_args

from prometheus_client import Gauge

from jupyterhub_af.policy.recheck import RecheckStatus

# A hub that is started anew is no problem yet.
PATIENCE_SECONDS = 90


class Standings:
    """Remember the last word about each person who has something running."""

    def __init__(self) -> None:
        self._statuses: dict[str, RecheckStatus] = {}
        self._failing_since: float | None = None
        self._error = ""
        self.overdue = 0

    def note(self, user: str, status: RecheckStatus) -> None:
        """Take the hub's word about somebody."""
        self._statuses[user] = status
        self._failing_since = None

    def note_failed(self, now: float, error: str) -> None:
        """Take it that the hub could not be asked."""
        if self._failing_since is None:
            self._failing_since = now
        self._error = error

    def forget_others(self, users: Collection[str]) -> None:
        """Forget who has nothing running any more."""
        self._statuses = {u: s for u, s in self._statuses.items() if u in users}
        if not users:
            # nobody is left to ask about: a question that failed is no news any more
            self._failing_since = None

    def show(self, gauge: Gauge) -> None:
        """Show how many people stand how."""
        counts = Counter(self._statuses.values())
        for status in get_args(RecheckStatus):
            gauge.labels(status).set(counts[status])

    def problems(self, now: float) -> tuple[str, ...]:
        """Return what the health says is wrong."""
        found = []
        since = self._failing_since
        if since is not None and now - since > PATIENCE_SECONDS:
            found.append(
                f"{self._error} Meanwhile nobody's groups are looked at again, and no "
                "server ends for access that was lost."
            )
        if refused := Counter(self._statuses.values())["client-refused"]:
            found.append(
                "The IAM refuses this facility's own client, not its people: see to the "
                f"client there. The groups of {refused} people cannot be looked at "
                "again; their last ones hold as long as the grace lasts."
            )
        return tuple(found)

    def notes(self) -> tuple[str, ...]:
        """Return what the health says besides."""
        found = []
        if silent := Counter(self._statuses.values())["silent"]:
            found.append(
                f"The IAM does not answer about {silent} people with something running; "
                "their last groups hold as long as the grace lasts."
            )
        if self.overdue:
            found.append(
                f"The groups of {self.overdue} people with something running are older "
                "than recheck_seconds."
            )
        return tuple(found)
