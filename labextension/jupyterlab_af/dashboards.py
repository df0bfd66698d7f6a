"""Dashboards of the person's own Dask clusters, shown through their own server.

Nobody else is let in: Jupyter Server's authentication stands before this route, and the
dashboards themselves answer only to a key that the gateway tells their owner's server.
The page's cookies and tokens stop here. An open dashboard is no activity.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import tornado
from jupyter_server_proxy.handlers import ProxyHandler
from tornado.web import HTTPError

from jupyterlab_af.gateway import (
    GatewayAddress,
    GatewayAwayError,
    find_dashboard,
    is_cluster_name,
)
from jupyterlab_af.wire import Refused

if TYPE_CHECKING:
    from jupyterlab_af.gateway import Dashboard

KEY_HEADER = "X-AF-Dashboard-Key"
KEPT_SECONDS = 30.0
# what says who asks, here; a dashboard need not know
PRIVATE = ("Cookie", "Authorization", "X-Xsrftoken", "Referer")


@dataclass(slots=True)
class Dashboards:
    """Where the dashboards of my clusters are, asked of the gateway now and then."""

    gateway: GatewayAddress | None
    _known: dict[str, tuple[float, Dashboard]] = field(default_factory=dict)

    async def find(self, name: str) -> Dashboard:
        """Return where a cluster's dashboard is and its key; see ``find_dashboard``."""
        now = time.monotonic()
        kept = self._known.get(name)
        if kept is not None and kept[0] > now:
            return kept[1]
        found = await find_dashboard(self.gateway, name)
        self._known = {k: v for k, v in self._known.items() if v[0] > now}
        self._known[name] = (now + KEPT_SECONDS, found)
        return found


class DashboardHandler(ProxyHandler):
    """`GET /jupyterlab-af/clusters/<name>/<path>`: a page or a socket of a dashboard."""

    SUPPORTED_METHODS = ("GET",)
    _key = ""

    def __init__(self, *args: Any, dashboards: Dashboards, **kwargs: Any) -> None:
        """Keep where dashboards are found."""
        super().__init__(*args, update_last_activity=False, **kwargs)
        self._dashboards = dashboards

    @tornado.web.authenticated
    async def get(self, name: str, path: str) -> None:
        """Show a page, or open a socket."""
        await super().get(name, path)

    async def http_get(self, name: str, path: str) -> None:
        """Show a page."""
        host, port = await self._find(name)
        await self.proxy(host, port, path)

    async def open(self, name: str, path: str) -> None:
        """Relay a socket; ``prepare`` let in only who is authenticated."""
        host, port = await self._find(name)
        await self.proxy_open(host, port, path)

    def proxy_request_headers(self) -> Any:
        """Return the headers without what says who asks, with the key."""
        headers = super().proxy_request_headers()
        for private in PRIVATE:
            headers.pop(private, None)
        headers[KEY_HEADER] = self._key
        return headers

    async def _find(self, name: str) -> tuple[str, int]:
        if not is_cluster_name(name):
            raise HTTPError(404, "%s", "There is no cluster of this name.")
        self.proxy_base = f"jupyterlab-af/clusters/{name}"
        try:
            found = await self._dashboards.find(name)
        except Refused as error:
            raise HTTPError(404, "%s", str(error)) from None
        except GatewayAwayError as error:
            self.log.warning("could not ask the Dask gateway: %s", error.detail)
            raise HTTPError(503, "%s", str(error)) from None
        parts = urlsplit(found.address)
        # a cluster's own pages and nothing else: the gateway has checked the address
        self.host_allowlist = [parts.hostname]
        self._key = found.key
        return parts.hostname or "", parts.port or 0
