"""Which servers end because their persons lost access: the service knows.

It keeps the deadline, and which tokens of such a server were good before. Asked is where the
hub refused a token, or somebody wants more; what a scheduler wants more of, which is
often, is answered by the word of a moment ago.
"""

from __future__ import annotations

import logging
import time
from urllib.parse import urlencode

from pydantic import ValidationError

from jupyterhub_af.line.peer import Peer, PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.recheck import ServerEnding

KEEP_SECONDS = 2.0
MOST_KEPT = 1000


class Endings:
    """The service's endings, as the gateway asks for them."""

    def __init__(
        self, service: Peer, log: logging.Logger | logging.LoggerAdapter[logging.Logger]
    ) -> None:
        self._service = service
        self._log = log
        self._found: dict[tuple[str, str], tuple[float, bool]] = {}

    async def of_token(self, digest: str) -> ServerEnding | None:
        """Return how the server ends that a token of this SHA-256 sum was of."""
        return await self._ask({"token": digest})

    async def of_server(self, user: str, server_name: str) -> ServerEnding | None:
        """Return how a server ends; None while the service is away."""
        return await self._ask({"user": user, "server": server_name})

    async def ends(self, user: str, server_name: str) -> bool:
        """Tell whether a server ends, as of a moment ago: for what comes often."""
        at, now = (user, server_name), time.monotonic()
        since, is_so = self._found.get(at, (-KEEP_SECONDS, False))
        if now - since >= KEEP_SECONDS:
            is_so = await self.of_server(user, server_name) is not None
            if len(self._found) >= MOST_KEPT:
                self._found.clear()
            self._found[at] = (now, is_so)
        return is_so

    async def _ask(self, query: dict[str, str]) -> ServerEnding | None:
        path = f"/internal/endings?{urlencode(query)}"
        try:
            answer = await self._service.call("GET", path)
            return ServerEnding.model_validate_json(answer)
        except PeerRefusedError:
            return None
        except (PeerAwayError, ValidationError) as error:
            self._log.error("Could not ask which servers end: %s", error)
            return None
