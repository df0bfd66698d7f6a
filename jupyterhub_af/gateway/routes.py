"""The gateway's routes that stock Dask Gateway has not, and a guard for all bodies."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web
from dask_gateway_server.models import Cluster
from dask_gateway_server.routes import api_handler

from .authenticator import ServiceUser

if TYPE_CHECKING:
    from .backend import FacilityBackend

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def dashboard_key(cluster_token: str) -> str:
    """Return the key that a cluster's dashboards want, made of the cluster's token.

    Scheduler and workers make it too; who has it sees dashboards and nothing more.
    """
    return hmac.new(cluster_token.encode(), b"dashboard", hashlib.sha256).hexdigest()


@web.middleware
async def refuse_bad_bodies(
    request: web.Request, handler: Handler
) -> web.StreamResponse:
    """Answer 400 to a body that is no JSON object; stock would fail at it."""
    if request.method == "POST":
        try:
            body = await request.json()
        except (ValueError, RecursionError):
            return _refusal(400, "The body is not JSON.")
        if not isinstance(body, dict):
            return _refusal(400, "The body is not a JSON object.")
    return await handler(request)


def _refusal(status: int, words: str) -> web.Response:
    return web.json_response({"error": words}, status=status)


def add_routes(app: web.Application, backend: FacilityBackend) -> None:
    """Add our routes before the gateway starts to listen."""

    @api_handler(user_authenticated=True)
    async def every_cluster(request: web.Request) -> web.Response:
        if not isinstance(request["user"], ServiceUser):
            raise web.HTTPForbidden(
                reason="This address is for the facility's service."
            )
        text = (await backend.states()).model_dump_json()
        return web.Response(text=text, content_type="application/json")

    @api_handler(user_authenticated=True)
    async def dashboard(request: web.Request) -> web.Response:
        cluster = await backend.get_cluster(request.match_info["cluster_name"])
        if cluster is None or not _has_dashboard(request, cluster):
            raise web.HTTPNotFound(reason="You have no running cluster of this name.")
        return web.json_response(
            {"address": cluster.dashboard_address, "key": dashboard_key(cluster.token)}
        )

    app.middlewares.append(refuse_bad_bodies)
    app.add_routes(
        [
            web.get("/api/v1/af/clusters", every_cluster),
            web.get("/api/v1/clusters/{cluster_name}/dashboard", dashboard),
        ]
    )


def _has_dashboard(request: web.Request, cluster: Cluster) -> bool:
    """Tell whether a running cluster with a dashboard is the caller's own."""
    is_own = not isinstance(request["user"], ServiceUser)
    is_own = is_own and request["user"].has_permissions(cluster)
    return bool(is_own and cluster.dashboard_address)
