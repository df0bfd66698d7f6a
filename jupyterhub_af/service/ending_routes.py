"""Tells the gateway which servers end, by a token that the hub refused or by a name.

A token is named by its SHA-256 sum, which opens nothing.
"""

from __future__ import annotations

from typing import Any, ClassVar

from jupyterhub_af.policy.recheck import ServerEnding

from .courtesy import Courtesy
from .desk import Desk
from .endings import Ending
from .internal import InternalRoute
from .refusal import RefusedError


class EndingBook(InternalRoute):
    """Show the gateway how a server ends."""

    route = "endings"
    opens_to: ClassVar = {"gateway": ("GET",)}

    def initialize(self, desk: Desk, courtesy: Courtesy) -> None:  # type: ignore[override]
        """Take what the answer is made of."""
        super().initialize(desk)
        self._courtesy = courtesy

    async def get(self) -> None:
        """Answer with the ending of the server that a token or a name means."""
        ending = await self._find()
        if ending is None:
            raise RefusedError(404, "ending-unknown", "No such server ends.")
        self.write_message(
            ServerEnding(
                user=ending.user,
                server_name=ending.server_name,
                reason=ending.reason,
                ends_at=ending.ends_at,
            )
        )

    async def _find(self) -> Ending | None:
        digest = self.get_query_argument("token", default="")
        if digest:
            return await self._courtesy.ending_of(digest)
        user = self.get_query_argument("user", strip=False, default="")
        server = self.get_query_argument("server", strip=False, default="")
        return self.desk.endings.find((user, server))


def make_ending_routes(desk: Desk, courtesy: Courtesy) -> list[Any]:
    """Return the routes about servers that end."""
    parts = {"desk": desk, "courtesy": courtesy}
    return [(r"/internal/endings", EndingBook, parts)]
