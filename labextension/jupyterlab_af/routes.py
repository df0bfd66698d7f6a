"""The routes that the plugin asks, below `/jupyterlab-af/`.

Each verb is authenticated: only the server's owner, and whom the hub lets in, gets
an answer. No route hands on the service's reply as it came.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import tornado
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join

from jupyterlab_af.service import (
    REASONS,
    FacilityUnavailableError,
    ServiceAddress,
    fetch_me,
)

if TYPE_CHECKING:
    from tornado.web import Application

NAMESPACE = "jupyterlab-af"


class MeRouteHandler(APIHandler):
    """`GET /jupyterlab-af/me`: the person, the facility, and this server."""

    def initialize(self, address: ServiceAddress | None) -> None:
        """Keep where the service is."""
        self.address = address

    @tornado.web.authenticated
    async def get(self) -> None:
        """Answer 200 always: a facility that is away is no error of this server."""
        try:
            me = await fetch_me(self.address)
        except FacilityUnavailableError as error:
            if error.cause != "outside":
                self.log.warning("could not ask the facility: %s", error)
            self.finish(json.dumps(unavailable(error)))
            return
        self.finish(json.dumps({"available": True, **asdict(me)}))


def unavailable(error: FacilityUnavailableError) -> dict[str, Any]:
    """Return what the browser gets when the facility cannot be asked."""
    return {
        "available": False,
        "outside": error.cause == "outside",
        "cause": error.cause,
        "reason": REASONS[error.cause],
    }


def setup_routes(web_app: Application, address: ServiceAddress | None) -> None:
    """Add the routes to the server's application."""
    base_url = web_app.settings["base_url"]
    me = url_path_join(base_url, NAMESPACE, "me")
    web_app.add_handlers(".*$", [(me, MeRouteHandler, {"address": address})])
