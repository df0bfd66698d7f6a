"""The gateway's routes that stock Dask Gateway has not, and a guard for all bodies."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web
from dask_gateway_server.models import Cluster, ClusterStatus
from dask_gateway_server.routes import api_handler

from .authenticator import ServiceUser

if TYPE_CHECKING:
    from .backend import FacilityBackend

# how often a watch looks whether somebody is still there
LINE_SECONDS = 10.0
ACTIVE = (ClusterStatus.PENDING, ClusterStatus.RUNNING)
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


@web.middleware
async def end_with_the_line(
    request: web.Request, handler: Handler
) -> web.StreamResponse:
    """End the proxy's watch for routes once its line has ended.

    The proxy comes anew each minute; stock notices only at the next route that its last
    line is gone, with a traceback for each minute until then.
    """
    if "watch" not in request.query:
        return await handler(request)
    watch = asyncio.ensure_future(handler(request))
    try:
        while request.transport is not None and not watch.done():
            await asyncio.wait({watch}, timeout=LINE_SECONDS)
        if watch.done():
            return watch.result()
    except ConnectionError:
        pass
    finally:
        watch.cancel()
    # there is nobody to read it
    return web.Response()


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

    @web.middleware
    async def note_stops(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = request.match_info.get("cluster_name")
        if request.method != "DELETE" or name is None:
            return await handler(request)
        cluster = await backend.get_cluster(name)
        answer = await handler(request)
        was_active = cluster is not None and cluster.status in ACTIVE
        user = request.get("user")
        # the service writes itself why it stopped one
        if answer.status == 204 and was_active and not isinstance(user, ServiceUser):
            # with its own token a cluster speaks, whose scheduler had nothing to do
            backend.ledger.note_stop(
                cluster, "cluster-idle" if user is None else "asked"
            )
        return answer

    app.middlewares.extend([end_with_the_line, refuse_bad_bodies, note_stops])
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
