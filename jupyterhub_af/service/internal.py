"""The internal API: what the facility's processes ask, over a socket of their own.

Each has a secret of its own, and each route says whom it is open to: the hub in the
main; the gateway reads plans, writes the list of clusters and the audit's lines about
them; the storage agent says what it did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tornado.web import Application

from jupyterhub_af.policy.messages import (
    AccountRequest,
    AuditEvent,
    Clusters,
    IdsRequest,
    ServerEvent,
    parse_plan,
    plan_to_json,
)
from jupyterhub_af.policy.recheck import LoginNote

from .desk import Desk
from .metrics import CONTENT_TYPE
from .refusal import RefusedError
from .routes import Missing, Route, observe
from .secret import Process

_ANY = ("GET", "POST", "PUT", "PATCH", "DELETE")
# what a process writes into the audit; the hub writes about everything
_ABOUT: Mapping[Process, tuple[str, ...]] = {
    "gateway": ("cluster.",),
    "agent": ("backup.", "storage."),
    "admin": ("backup.", "storage.", "account."),
}


class InternalRoute(Route):
    """Open only to the hub, unless a route says more."""

    # which process may send which methods
    opens_to: ClassVar[Mapping[Process, tuple[str, ...]]] = {"hub": _ANY}

    def prepare(self) -> None:
        """Refuse who does not carry the secret, before anything is read."""
        asks = self.who_asks()
        if asks is not None and self.request.method in self.opens_to.get(asks, ()):
            return
        message = "This address needs the secret of a process that may use it."
        raise RefusedError(401, "secret", message)

    def who_asks(self) -> Process | None:
        """Return the process whose secret came along."""
        header = self.request.headers.get("Authorization", "")
        return self.desk.secrets.who_sends(header)


class Accounts(InternalRoute):
    """Tell the hub at login who somebody is."""

    route = "accounts"

    async def post(self) -> None:
        """Answer with the person's account; the first time, make it."""
        request = self.read_body(AccountRequest.model_validate_json)
        self.write_message(await self.desk.account_for(request))


class Numbers(InternalRoute):
    """Tell the hub before a start which numbers go with names."""

    route = "ids"

    async def post(self) -> None:
        """Answer with the numbers of a person and of groups."""
        request = self.read_body(IdsRequest.model_validate_json)
        self.write_message(await self.desk.ids_for(request))


class PlanBook(InternalRoute):
    """Take a plan from the hub before a start; show it to hub and gateway."""

    route = "plans"
    opens_to: ClassVar = {"hub": _ANY, "gateway": ("GET",)}

    async def put(self) -> None:
        """Record a plan."""
        await self.desk.put_plan(self.read_body(parse_plan))
        self.set_status(204)

    async def get(self) -> None:
        """Answer with the plan of the last start of a server."""
        user = self.get_query_argument("user", strip=False, default="")
        server = self.get_query_argument("server", strip=False, default="")
        plan = await self.desk.find_plan(user, server)
        if plan is None:
            message = "No start of this server is recorded."
            raise RefusedError(404, "plan-unknown", message)
        self.write_json(plan_to_json(plan))


class ServerEvents(InternalRoute):
    """Hear from the hub that a server runs or ended."""

    route = "servers"

    async def post(self) -> None:
        """Act upon it: panels, clusters."""
        event = self.read_body(ServerEvent.model_validate_json)
        await self.desk.take_server_event(event)
        self.set_status(204)


class Logins(InternalRoute):
    """Hear from the hub that somebody has just logged in."""

    route = "logins"

    async def post(self) -> None:
        """Look at what they have running: access may be back."""
        self.desk.take_login(self.read_body(LoginNote.model_validate_json))
        self.set_status(204)


class ClusterList(InternalRoute):
    """Hear from the gateway which clusters are active."""

    route = "clusters"
    opens_to: ClassVar = {"gateway": ("PUT",)}

    async def put(self) -> None:
        """Take the whole list in place of the last one."""
        self.desk.put_clusters(self.read_body(Clusters.model_validate_json))
        self.set_status(204)


class Events(InternalRoute):
    """Take from the processes what happened, each about its own matters."""

    route = "audit"
    opens_to: ClassVar = dict.fromkeys(("hub", "gateway", "agent", "admin"), ("POST",))

    async def post(self) -> None:
        """Keep an audit event, once however often it is told."""
        event = self.read_body(AuditEvent.model_validate_json)
        asks = self.who_asks()
        if asks != "hub" and not event.action.startswith(_ABOUT.get(asks or "hub", ())):
            message = f"The {asks} writes only about its own matters."
            raise RefusedError(403, "secret", message)
        telling = self.get_query_argument("telling", "")
        if telling and asks != "hub":
            # the hub's tellings are the keeper's too, and nobody else's
            telling = f"{asks} {telling}"
        is_agent = asks == "agent"
        record = self.desk.record_of_agent if is_agent else self.desk.record_told
        await self.desk.told.once(telling, lambda: record(event, telling=telling))
        self.set_status(204)


class InternalMetrics(InternalRoute):
    """Show the page of metrics to who has the hub's secret."""

    route = "metrics"

    async def get(self) -> None:
        """Answer with the page."""
        self.set_header("Content-Type", CONTENT_TYPE)
        self.write(await self.desk.render_metrics())


class InternalHealth(InternalRoute):
    """Tell anybody how the service is, and the hub why it is so."""

    route = "health"

    def prepare(self) -> None:
        """Let probes in."""

    async def get(self) -> None:
        """Answer with the health."""
        is_hub = self.who_asks() == "hub"
        self.write_message(await self.desk.health(detailed=is_hub))


def make_internal_application(desk: Desk, more: Sequence[Any] = ()) -> Application:
    """Return the internal API, with more routes of other topics."""
    parts = {"desk": desk}
    return Application(
        [
            *more,
            (r"/internal/accounts", Accounts, parts),
            (r"/internal/ids", Numbers, parts),
            (r"/internal/plans", PlanBook, parts),
            (r"/internal/servers", ServerEvents, parts),
            (r"/internal/logins", Logins, parts),
            (r"/internal/clusters", ClusterList, parts),
            (r"/internal/audit", Events, parts),
            (r"/health", InternalHealth, parts),
            (r"/metrics", InternalMetrics, parts),
        ],
        default_handler_class=Missing,
        default_handler_args=parts,
        log_function=observe,
    )
