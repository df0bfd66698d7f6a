"""The public API: what the Lab plugin and Prometheus ask, through the hub's proxy.

A token is asked of the hub at each request and nothing is cached: a token that was
revoked opens nothing. Cookies are not read.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from jupyterhub.services.auth import HubAuth
from pydantic import ValidationError
from tornado.web import Application, HTTPError

from jupyterhub_af.policy.access import resolve_access
from jupyterhub_af.policy.caller import Caller, server_of
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.panel import (
    AreaOfMine,
    FacilityOfMine,
    LeftOutOfMine,
    Me,
    ServerOfMine,
)
from jupyterhub_af.policy.plan import ServerPlan

from .desk import Desk
from .metrics import CONTENT_TYPE
from .refusal import RefusedError
from .routes import Missing, Route, observe

HUB_SECONDS = 10
METRICS_SCOPE = "read:metrics"


@dataclass(frozen=True, slots=True)
class Gate:
    """How callers are known: the hub's own client, and the scopes that let them in."""

    hub: HubAuth
    access_scopes: frozenset[str]

    async def admit(self, token: str, *, scopes: frozenset[str]) -> Caller:
        """Return the caller a token names, if it has one of the scopes.

        Raises
        ------
        RefusedError
            401 if the hub knows no such token, 403 if it lacks the scopes, 503 if the
            hub does not answer.
        """
        caller = await self._ask(token)
        if not self.hub.check_scopes(set(scopes), {"scopes": caller.scopes}):
            message = f"The token lacks the scope {' or '.join(sorted(scopes))}."
            raise RefusedError(403, "scope", message)
        return caller

    async def _ask(self, token: str) -> Caller:
        if not re.fullmatch(r"[\x21-\x7e]{1,1024}", token):
            message = (
                "This address needs a JupyterHub token in the Authorization header."
            )
            raise RefusedError(401, "token-missing", message)
        try:
            async with asyncio.timeout(HUB_SECONDS):
                model = await self.hub.user_for_token(
                    token, use_cache=False, sync=False
                )
            caller = Caller.model_validate(model) if model else None
        except (HTTPError, TimeoutError, ValidationError) as error:
            message = "The hub does not answer; try again in a moment."
            raise RefusedError(503, "hub-unreachable", message) from error
        if caller is None:
            message = "The hub does not know this token; it may have expired."
            raise RefusedError(401, "token-unknown", message)
        return caller


class PublicRoute(Route):
    """Be asked by anybody."""

    @property
    def gate(self) -> Gate:
        """Return how callers are known."""
        gate: Gate = self.settings["gate"]
        return gate

    async def admit(self, scopes: frozenset[str] | None = None) -> Caller:
        """Return who asks, by the token in the Authorization header only."""
        header = self.request.headers.get("Authorization", "")
        scheme, _, token = header.partition(" ")
        known = scheme.lower() in ("bearer", "token")
        wanted = scopes or self.gate.access_scopes
        return await self.gate.admit(token.strip() if known else "", scopes=wanted)


class Myself(PublicRoute):
    """Tell the Lab plugin whom it runs for."""

    route = "me"

    async def get(self) -> None:
        """Answer with the person, what they are here, and the server that asks."""
        caller = await self.admit()
        if caller.kind != "user":
            message = "This address is for people, and the token is a service's."
            raise RefusedError(403, "not-a-person", message)
        facility = (await self.desk.facility()).facility
        access = resolve_access(facility, make_identity(caller.name, caller.groups))
        if not access.may_log_in:
            raise RefusedError(403, "login-withheld", str(access.reason))
        plan = await self._plan_of(caller)
        me = Me(
            user=caller.name,
            groups=tuple(sorted(access.identity.groups)),
            admin=access.admin,
            facility=FacilityOfMine(name=facility.name, contact=facility.contact),
            server=to_server(plan) if plan else None,
        )
        self.write_message(me)

    async def _plan_of(self, caller: Caller) -> ServerPlan | None:
        server = server_of(caller)
        return (
            None if server is None else await self.desk.find_plan(caller.name, server)
        )


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


def to_server(plan: ServerPlan) -> ServerOfMine:
    """Return a plan as its person sees it."""
    return ServerOfMine(
        name=plan.server_name,
        profile=plan.profile,
        profile_display_name=plan.profile_display_name,
        size=plan.size,
        gpu=plan.gpu,
        cores=plan.cores,
        memory_bytes=plan.memory_bytes,
        start_id=plan.start_id,
        home=plan.home,
        areas=tuple(
            AreaOfMine(
                name=m.area,
                kind=m.kind,
                path=m.path,
                read_only=m.read_only,
                survives=m.kind != "cvmfs",
                group=m.group,
            )
            for m in plan.mounts
        ),
        left_out=tuple(
            LeftOutOfMine(name=area.area, reason=area.reason) for area in plan.left_out
        ),
    )


def make_public_application(desk: Desk, prefix: str, gate: Gate) -> Application:
    """Return the public API below a prefix such as ``/services/af/``."""
    parts = {"desk": desk}
    root = re.escape(prefix)
    return Application(
        [
            (rf"{root}api/me", Myself, parts),
            (rf"{root}health", PublicHealth, parts),
            (rf"{root}metrics", PublicMetrics, parts),
        ],
        default_handler_class=Missing,
        default_handler_args=parts,
        log_function=observe,
        gate=gate,
    )
