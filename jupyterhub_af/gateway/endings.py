"""Which servers end because their persons lost access: the service knows.

It keeps the deadline. Asked is only where the hub refused a token, or a scheduler wants
more workers, and an answer holds for a moment.
"""

from __future__ import annotations

import logging
import time
from urllib.parse import quote

from pydantic import ValidationError

from jupyterhub_af.line.peer import Peer, PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.panel import AccessEnd

KEEP_SECONDS = 2.0
MOST_KEPT = 1000
_At = tuple[str, str]


class Endings:
    """The service's endings, as the gateway asks for them."""

    def __init__(
        self, service: Peer, log: logging.Logger | logging.LoggerAdapter[logging.Logger]
    ) -> None:
        self._service = service
        self._log = log
        self._found: dict[_At, tuple[float, AccessEnd | None]] = {}

    async def find(self, user: str, server_name: str) -> AccessEnd | None:
        """Return how a server ends; None where it goes on, or the service is away."""
        at, now = (user, server_name), time.monotonic()
        since, ending = self._found.get(at, (-KEEP_SECONDS, None))
        if now - since >= KEEP_SECONDS:
            ending = await self._ask(user, server_name)
            if len(self._found) >= MOST_KEPT:
                self._found.clear()
            self._found[at] = (now, ending)
        return ending

    async def _ask(self, user: str, server_name: str) -> AccessEnd | None:
        path = f"/internal/endings?user={quote(user, safe='')}&server={quote(server_name, safe='')}"
        try:
            return AccessEnd.model_validate_json(await self._service.call("GET", path))
        except PeerRefusedError:
            return None
        except (PeerAwayError, ValidationError) as error:
            self._log.error("Could not ask how a server of %s ends: %s", user, error)
            return None
