"""What asks for more than there is, and what is said to whom access has ended.

The service keeps when a server ends whose person lost access; until then its clusters
can be looked at, shrunk and stopped, and nothing new starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from dask_gateway_server.backends.base import PublicException
from dask_gateway_server.models import User

from jupyterhub_af.policy.panel import AccessEnd

if TYPE_CHECKING:
    from .backend import FacilityBackend


async def asks_for_more(request: web.Request) -> bool:
    """Tell whether a request would give its person more than they have now."""
    if request.method != "POST":
        return False
    name = request.match_info.get("cluster_name")
    body = await request.json()
    if name is None or not isinstance(body, dict):
        return True
    if request.path.endswith("/adapt"):
        return bool(body.get("active", True))
    count = body.get("count")
    if isinstance(count, bool) or not isinstance(count, int):
        return True
    backend = backend_of(request)
    return await backend.get_cluster(name) is None or count > backend.wanted_workers(
        name
    )


async def ending_of(
    request: web.Request, user: str, server_name: str
) -> AccessEnd | None:
    """Return how a server ends whose person lost access; None where it does not."""
    return await backend_of(request).endings.find(user, server_name)


async def check_growth(request: web.Request, user: User) -> None:
    """Refuse more workers to whom the groups of now give no cluster."""
    name = request.match_info.get("cluster_name")
    if name is None:
        return
    try:
        await backend_of(request).check_growth(user, name)
    except PublicException as error:
        raise web.HTTPConflict(reason=str(error)) from None


def refuse_ended(request: web.Request, ending: AccessEnd) -> web.HTTPException:
    """Return the refusal of anything new in a server that ends."""
    words = _one_line(
        f"Your access to this facility has ended, so nothing new starts. {ending.reason}"
    )
    is_cluster = "cluster_name" in request.match_info
    # as the stock routes refuse: their client makes a plain sentence of these
    refusal = web.HTTPConflict if is_cluster else web.HTTPUnprocessableEntity
    return refusal(reason=words)


def unaccepted(request: web.Request) -> web.HTTPUnauthorized:
    """Return the refusal of a token that nobody here has seen accepted."""
    contact = backend_of(request).catalogue.last.facility.contact
    words = (
        "The hub does not accept this token: it has expired, or your access to this "
        "facility has ended. The Lab and the hub's page say which; log in again, or "
        f"ask {contact}."
    )
    headers = {"WWW-Authenticate": "jupyterhub"}
    return web.HTTPUnauthorized(headers=headers, reason=_one_line(words))


def backend_of(request: web.Request) -> FacilityBackend:
    """Return the backend that an application was set up with."""
    backend: FacilityBackend = request.app["backend"]
    return backend


def _one_line(words: str) -> str:
    # a refusal travels in a line of HTTP
    return " ".join(words.split())
