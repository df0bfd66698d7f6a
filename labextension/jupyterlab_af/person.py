"""Knows when the person last did something in this server.

Two sources. A tab of Lab that is seen says itself when it is used; Lab's own requests
say nothing then, because it asks for kernels and files every ten seconds, whether
somebody is there or not. While no tab is seen, Lab asks for nothing, and whatever
Jupyter Server counts as a request is somebody's: an editor elsewhere, a script, or
Lab saving what it has open.

Times are of the monotonic clock, in seconds.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# where Jupyter Server keeps when it was last asked something
LAST_REQUEST = "api_last_activity"


class PersonWatch:
    """Remembers the last act of the person; the server's start counts as one."""

    def __init__(
        self, settings: Mapping[str, Any], has_tabs: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._has_tabs = has_tabs
        self._last_at = time.monotonic()

    def saw(self) -> None:
        """Take the word of a tab that it is used."""
        self._last_at = time.monotonic()

    def last_at(self) -> float:
        """Return when the person last did something; it never goes back."""
        asked = self._settings.get(LAST_REQUEST)
        if isinstance(asked, datetime) and not self._has_tabs():
            ago = max(0.0, (datetime.now(UTC) - asked).total_seconds())
            self._last_at = max(self._last_at, time.monotonic() - ago)
        return self._last_at
