"""The routes that the plugin asks, below `/jupyterlab-af/`.

Each verb is authenticated: only the server's owner, and whom the hub lets in, gets
an answer; Jupyter Server refuses a forged request before it comes here. The token of
this server stays on this side: what is handed on are the service's events and words.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tornado
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from jupyterlab_af.dashboards import DashboardHandler, Dashboards
from jupyterlab_af.gateway import (
    GatewayAddress,
    GatewayAwayError,
    is_cluster_name,
    stop_cluster,
)
from jupyterlab_af.relay import Relay, Tab, away_event
from jupyterlab_af.service import FacilityUnavailableError, Service
from jupyterlab_af.sse import KEEP_ALIVE, to_text
from jupyterlab_af.wire import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NAMESPACE = "jupyterlab-af"
KEEP_ALIVE_SECONDS = 20.0
OUTSIDE = FacilityUnavailableError("outside", "AF_SERVICE_URL is not set")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes ask; None where this server has none."""

    service: Service | None
    relay: Relay | None
    gateway: GatewayAddress | None
    saw_person: Callable[[], None] = lambda: None


class FacilityHandler(APIHandler):
    """A route of ours."""

    # a tab that listens is no activity; what counts as activity is the service's to say
    _track_activity = False

    def initialize(self, parts: Parts) -> None:
        """Keep what is asked."""
        self.parts = parts

    async def said(self, asking: Awaitable[Any]) -> Any:
        """Return what another process answers; its no, and its silence, in words.

        Raises
        ------
        HTTPError
            409 with the words of a no, 503 with why there is no answer.
        """
        try:
            return await asking
        except Refused as error:
            self.log.info("was refused by the facility: %s", error.detail)
            raise HTTPError(409, "%s", str(error)) from None
        except FacilityUnavailableError as error:
            self.log.warning("could not ask the facility: %s", error)
            raise HTTPError(503, "%s", error.reason) from None
        except GatewayAwayError as error:
            self.log.warning("could not ask the Dask gateway: %s", error.detail)
            raise HTTPError(503, "%s", str(error)) from None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the words alone."""
        error = kwargs.get("exc_info", (None, None))[1]
        words = error.get_message() if isinstance(error, HTTPError) else ""
        self.finish(json.dumps({"message": words or self._reason}))


class EventsHandler(FacilityHandler):
    """`GET /jupyterlab-af/events`: the state, and then what changes."""

    _tab: Tab | None = None

    @tornado.web.authenticated
    async def get(self) -> None:
        """Write events until the tab, the server or the relay ends it."""
        relay = self.parts.relay
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")
        if relay is None:
            self.finish(
                to_text(away_event(OUTSIDE)), set_content_type="text/event-stream"
            )
            return
        if relay.is_full:
            raise HTTPError(503, "Too many tabs listen. Close some of them.")
        self._tab = relay.join(self.request.headers.get("Last-Event-ID", ""))
        try:
            await self._write_all(self._tab)
        except StreamClosedError:
            self.log.debug("a tab left")
        finally:
            relay.leave(self._tab)

    async def _write_all(self, tab: Tab) -> None:
        """Write what the tab is told; a comment from time to time keeps it open."""
        self.write(KEEP_ALIVE)
        await self.flush()
        while True:
            try:
                event = await tab.next(KEEP_ALIVE_SECONDS)
            except TimeoutError:
                self.write(KEEP_ALIVE)
            else:
                if event is None:
                    return
                self.write(to_text(event))
            await self.flush()

    def on_connection_close(self) -> None:
        """Stop writing to a tab that left."""
        if self._tab is not None:
            self._tab.end()
        super().on_connection_close()


class KeepHandler(FacilityHandler):
    """`POST /jupyterlab-af/keep`: my server shall not be stopped as idle."""

    @tornado.web.authenticated
    async def post(self) -> None:
        """Answer with when the server ends now."""
        service = self.parts.service
        if service is None:
            raise HTTPError(404, "%s", OUTSIDE.reason)
        lifetime = await self.said(service.post("api/keep", {}))
        if not isinstance(lifetime, dict):
            raise HTTPError(503, "The facility's service gave an answer without times.")
        self.finish(json.dumps(lifetime))


class ActiveHandler(FacilityHandler):
    """`POST /jupyterlab-af/active`: somebody is at the keyboard."""

    @tornado.web.authenticated
    def post(self) -> None:
        """Answer that it was heard; the service is told within seconds."""
        self.parts.saw_person()
        self.set_status(204)
        self.finish()


class ClusterHandler(FacilityHandler):
    """`DELETE /jupyterlab-af/clusters/<name>`: stop a Dask cluster of mine."""

    @tornado.web.authenticated
    async def delete(self, name: str) -> None:
        """Answer when the gateway said yes."""
        if not is_cluster_name(name):
            raise HTTPError(404, "%s", "There is no cluster of this name.")
        await self.said(stop_cluster(self.parts.gateway, name))
        self.set_status(204)
        self.finish()


def routes_of(parts: Parts) -> list[tuple[str, type[JupyterHandler], dict[str, Any]]]:
    """Return the routes: path below the server's own, handler, what it asks."""
    paths: dict[str, type[FacilityHandler]] = {
        "events": EventsHandler,
        "keep": KeepHandler,
        "active": ActiveHandler,
        r"clusters/([^/]+)": ClusterHandler,
    }
    dashboards = {"dashboards": Dashboards(parts.gateway)}
    return [
        *(
            (rf"/{NAMESPACE}/{path}", handler, {"parts": parts})
            for path, handler in paths.items()
        ),
        (rf"/{NAMESPACE}/clusters/([^/]+)/(.*)", DashboardHandler, dashboards),
    ]
