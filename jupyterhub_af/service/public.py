"""The public API: what the Lab plugin and Prometheus ask, through the hub's proxy."""

from __future__ import annotations

import re

from tornado.web import Application

from .desk import Desk
from .gate import Gate, PublicRoute
from .live import AccessWord, BusyWord, Events, Keep, Myself, RestoredWord
from .metrics import CONTENT_TYPE
from .routes import Missing, observe
from .storage_routes import Largest, PurgeWish, Recount
from .stream import Streams

METRICS_SCOPE = "read:metrics"


class PublicHealth(PublicRoute):
    """Tell anybody how the service is."""

    route = "health"

    async def get(self) -> None:
        """Answer with the health."""
        self.write_message(await self.desk.health(detailed=False))


class PublicMetrics(PublicRoute):
    """Show the page of metrics to tokens that may see the hub's own."""

    route = "metrics"

    async def get(self) -> None:
        """Answer with the page."""
        await self.admit(frozenset({METRICS_SCOPE}))
        self.set_header("Content-Type", CONTENT_TYPE)
        self.write(await self.desk.render_metrics())


def make_public_application(
    desk: Desk, prefix: str, gate: Gate, streams: Streams
) -> Application:
    """Return the public API below a prefix such as ``/services/af/``."""
    parts = {"desk": desk}
    root = re.escape(prefix)
    return Application(
        [
            (rf"{root}api/me", Myself, parts),
            (rf"{root}api/events", Events, parts),
            (rf"{root}api/keep", Keep, parts),
            (rf"{root}api/busy", BusyWord, parts),
            (rf"{root}api/access", AccessWord, parts),
            (rf"{root}api/restored", RestoredWord, parts),
            (rf"{root}api/largest", Largest, parts),
            (rf"{root}api/recount", Recount, parts),
            (rf"{root}api/purge", PurgeWish, parts),
            (rf"{root}health", PublicHealth, parts),
            (rf"{root}metrics", PublicMetrics, parts),
        ],
        default_handler_class=Missing,
        default_handler_args=parts,
        log_function=observe,
        gate=gate,
        streams=streams,
    )
