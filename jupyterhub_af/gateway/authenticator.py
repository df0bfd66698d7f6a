"""Who asks the gateway, and from which server: by a JupyterHub token, asked of the hub.

A token of a person counts only with the gateway's own service scope, and opens clusters
only where it belongs to one running server of its owner. The service ``af`` may see and
stop every cluster. Answers of the hub are kept for ``cache_seconds``, by the token's
hash; no cookie is set, since stock's would mix up two servers of one person.

Whatever gives more than there is (a new cluster, more workers) is asked of the hub anew,
so that access that ended is refused at once. What only looks, shrinks or stops goes on
with a token that the hub accepted before: while the hub is away, and while the service
lets the token's server go on until the work in it is saved.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from dask_gateway_server.auth import Authenticator
from dask_gateway_server.models import Cluster, User
from pydantic import ValidationError
from traitlets import Float, Unicode, default

from jupyterhub_af.policy.caller import Caller, server_of
from jupyterhub_af.policy.panel import AccessEnd

from .growth import (
    asks_for_more,
    check_growth,
    ending_of,
    refuse_ended,
    unaccepted,
)

HUB_SECONDS = 10.0
MAX_CACHED = 10_000
# for how long a hub that is away stops nobody from looking and stopping
AWAY_SECONDS = 3600.0
_TOKEN = re.compile(r"[\x21-\x7e]{1,1024}")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ServerUser(User):
    """A person who asks; ``server_name`` is None where the token belongs to no server."""

    def __init__(self, caller: Caller) -> None:
        super().__init__(caller.name, groups=caller.groups)
        self.server_name = server_of(caller)


class ServiceUser(User):
    """The facility's service: it sees and stops every cluster, and starts none."""

    def has_permissions(self, cluster: Cluster) -> bool:
        """Return True: it reaps what nobody owns any more."""
        return True


@dataclass(frozen=True, slots=True)
class Known:
    """Whom the hub said a token belongs to, and when, by the process's clock."""

    user: User
    since: float


class FacilityAuthenticator(Authenticator):
    """Ask the hub whose token it is."""

    hub_api_url = Unicode(
        config=True,
        help="The hub's REST API. Default: JUPYTERHUB_API_URL of the environment.",
    )
    service_name = Unicode(
        config=True,
        help="""
        The gateway's name as a service of the hub: tokens need the scope
        `access:services!service=<name>`. Default: JUPYTERHUB_SERVICE_NAME.
        """,
    )
    reaper_name = Unicode(
        "af", config=True, help="The service that may see and stop every cluster."
    )
    cache_seconds = Float(
        30.0,
        min=0,
        max=30,
        config=True,
        help="""
        How long an answer of the hub holds for what gives nothing new, in seconds; at
        most 30. A new cluster and more workers are always asked anew.
        """,
    )

    @default("hub_api_url")
    def _default_hub_api_url(self) -> str:
        return os.environ["JUPYTERHUB_API_URL"]

    @default("service_name")
    def _default_service_name(self) -> str:
        return os.environ["JUPYTERHUB_SERVICE_NAME"]

    async def setup(self, app: web.Application) -> None:
        """Open the line to the hub."""
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=HUB_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def cleanup(self) -> None:
        """Close the line."""
        if hasattr(self, "_session"):
            await self._session.close()

    async def authenticate_and_handle(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """Answer a request of a known caller; nothing is remembered in the client."""
        request["user"] = await self.authenticate(request)
        return await handler(request)

    async def authenticate(self, request: web.Request) -> User:
        """Return who asks, or refuse: 401 for an unknown token, 403 for a closed door."""
        token = _token_of(request)
        key = hashlib.sha256(token.encode()).digest()
        known = self._known.get(key)
        wants_more = await asks_for_more(request)
        if known is not None and not wants_more and _age(known) < self.cache_seconds:
            return known.user
        try:
            user = self._to_user(await self._ask(token))
        except web.HTTPServiceUnavailable:
            if known is None or wants_more or _age(known) > AWAY_SECONDS:
                raise
            return known.user
        except web.HTTPUnauthorized:
            return await self._after_refusal(request, key, wants_more=wants_more)
        self._keep(key, user)
        if wants_more:
            await check_growth(request, user)
        return user

    async def _after_refusal(
        self, request: web.Request, key: bytes, *, wants_more: bool
    ) -> User:
        """Return who may still look and stop, with a token that the hub has refused."""
        known = self._known.get(key)
        ending = await self._ending_of(request, known)
        if known is None or ending is None:
            self._known.pop(key, None)
            raise unaccepted(request)
        if wants_more:
            raise refuse_ended(request, ending)
        return known.user

    async def _ending_of(
        self, request: web.Request, known: Known | None
    ) -> AccessEnd | None:
        if known is None or not isinstance(known.user, ServerUser):
            return None
        if known.user.server_name is None:
            return None
        return await ending_of(request, known.user.name, known.user.server_name)

    async def _ask(self, token: str) -> Caller:
        url = f"{self.hub_api_url}/user"
        headers = {"Authorization": f"token {token}"}
        try:
            async with self._session.get(url, headers=headers) as response:
                status, answer = response.status, await response.read()
        except (TimeoutError, aiohttp.ClientError) as error:
            self.log.error("The hub did not answer: %s", type(error).__name__)
            raise _hub_away() from None
        if status in (401, 403, 404):
            raise _unknown("The hub does not accept this token.")
        try:
            return Caller.model_validate_json(answer if status == 200 else b"")
        except ValidationError:
            self.log.error("The hub answered %s to a question about a token", status)
            raise _hub_away() from None

    def _to_user(self, caller: Caller) -> User:
        scope = f"access:services!service={self.service_name}"
        if caller.scopes.isdisjoint({"access:services", scope}):
            raise web.HTTPForbidden(reason=f"This token lacks the scope {scope}.")
        if caller.kind == "user":
            return ServerUser(caller)
        if caller.kind == "service" and caller.name == self.reaper_name:
            return ServiceUser(f"service:{caller.name}")
        raise web.HTTPForbidden(reason="Clusters are for people, not for services.")

    def _keep(self, key: bytes, user: User) -> None:
        self._known[key] = Known(user, time.monotonic())
        self._known.move_to_end(key)
        if len(self._known) > MAX_CACHED:
            self._known.popitem(last=False)


def _age(known: Known) -> float:
    return time.monotonic() - known.since


def _token_of(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "jupyterhub" or not _TOKEN.fullmatch(token):
        raise _unknown("A JupyterHub token is needed.")
    return token


def _unknown(reason: str) -> web.HTTPUnauthorized:
    headers = {"WWW-Authenticate": "jupyterhub"}
    return web.HTTPUnauthorized(headers=headers, reason=reason)


def _hub_away() -> web.HTTPServiceUnavailable:
    reason = "The hub does not answer; try again in a minute. What runs goes on."
    return web.HTTPServiceUnavailable(reason=reason)
