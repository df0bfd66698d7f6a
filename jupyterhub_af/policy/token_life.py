"""How long a token in a server is good, and when it is time for a new one.

Pure: times are seconds since 1970 (UTC), handed in.
"""

from __future__ import annotations

from dataclasses import dataclass

from .freshness import needs_renewal

# this part of its life a token in a server always has left, while the IAM answers
LEFT_PART = 0.2
# an IAM that does not say how long a token lives: as long as the shortest that are usual
UNKNOWN_LIFETIME_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class TokenLife:
    """From when to when a token is good."""

    obtained_at: float
    expires_at: float

    @property
    def lifetime_seconds(self) -> float:
        """Return how long it was good at first."""
        return max(0.0, self.expires_at - self.obtained_at)

    def is_due(self, now: float) -> bool:
        """Tell whether it is time to ask for a new one."""
        return needs_renewal(self.obtained_at, self.expires_at, now)

    def is_late(self, now: float) -> bool:
        """Tell whether less of it is left than a server's token always has."""
        return self.expires_at - now < LEFT_PART * self.lifetime_seconds
