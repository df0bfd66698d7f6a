"""The routes that the plugin asks, below `/jupyterlab-af/`.

Each verb is authenticated: only the server's owner, and whom the hub lets in, gets
an answer; Jupyter Server refuses a forged request before it comes here. The token of
this server stays on this side: what is handed on are the service's events and words.
"""

from __future__ import annotations

import json
from typing import Any

import tornado
from jupyter_server.base.handlers import JupyterHandler
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from jupyterlab_af.asked import OUTSIDE, FacilityHandler, Parts
from jupyterlab_af.dashboards import DashboardHandler, Dashboards
from jupyterlab_af.gateway import is_cluster_name, stop_cluster
from jupyterlab_af.relay import Tab, away_event
from jupyterlab_af.sse import KEEP_ALIVE, to_text
from jupyterlab_af.storage import TREE_ROUTES

NAMESPACE = "jupyterlab-af"
KEEP_ALIVE_SECONDS = 20.0


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
        lifetime = await self.said(self.service().post("api/keep", {}))
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
        **TREE_ROUTES,
    }
    dashboards = {"dashboards": Dashboards(parts.gateway)}
    return [
        *(
            (rf"/{NAMESPACE}/{path}", handler, {"parts": parts})
            for path, handler in paths.items()
        ),
        (rf"/{NAMESPACE}/clusters/([^/]+)/(.*)", DashboardHandler, dashboards),
    ]
