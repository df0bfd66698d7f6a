"""What every backend of ours does, on one machine and on Kubernetes: binding and ceilings.

``FacilityBackend`` is a mixin, first in the bases of a Dask Gateway backend. It makes a
cluster of the plan that the service recorded for the server that asks, refuses in words
what is beyond the ceilings of today's ``Access``, holds the scheduler's own wishes to
them at each heartbeat (the scheduler is the person's code), and tells the service which
clusters there are.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiohttp import web
from dask_gateway_server import models
from dask_gateway_server.backends.base import Backend, ClusterConfig, PublicException
from dask_gateway_server.options import Options
from dask_gateway_server.traitlets import Type
from pydantic import ValidationError
from traitlets import Float, Unicode

from jupyterhub_af.catalogue import Catalogue
from jupyterhub_af.line.peer import Peer, PeerAwayError, PeerRefusedError
from jupyterhub_af.line.sessions import close_sessions
from jupyterhub_af.policy.access import resolve_access
from jupyterhub_af.policy.dask import (
    ClusterUse,
    Grant,
    WorkerSize,
    grant_clusters,
    most_workers,
    refuse_cluster,
    refuse_workers,
)
from jupyterhub_af.policy.facility import DaskRule
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.messages import (
    Clusters,
    ClusterState,
    parse_plan,
    plan_to_json,
)
from jupyterhub_af.policy.plan import ServerPlan
from jupyterhub_af.policy.sentence import Sentence, say

from .authenticator import ServerUser
from .endings import Endings
from .heartbeat import Heartbeat, clamp, read_heartbeat
from .ledger import Ledger
from .options import check_keys, make_options, to_size
from .routes import add_routes
from .teller import Teller

_STATUS = {
    models.ClusterStatus.PENDING: "pending",
    models.ClusterStatus.RUNNING: "running",
    models.ClusterStatus.STOPPING: "stopping",
}


class FacilityClusterConfig(ClusterConfig):
    """A cluster's own settings; none of them comes from who asks, but the workers' size."""

    worker_cores = Float(1.0, min=0.001, help="Cores of each worker.", config=True)
    server_name = Unicode(help="The server that the cluster belongs to.")
    start_id = Unicode(help="The start of that server.")
    dask = Unicode(help="The entry of `dask` in the facility file whose ceilings hold.")
    plan = Unicode(help="The recorded plan, as JSON.")


class FacilityBackend(Backend):
    """Bind clusters to servers, and hold them to their ceilings."""

    cluster_config_class = Type(
        "jupyterhub_af.gateway.backend.FacilityClusterConfig",
        klass="jupyterhub_af.gateway.backend.FacilityClusterConfig",
        config=True,
        help="The class of a cluster's settings.",
    )
    facility_file = Unicode(config=True, help="Path of the facility file.")
    issuer = Unicode(
        config=True,
        help="An issuer in place of the facility file's. Empty: the file's.",
    )
    service_url = Unicode(
        config=True,
        help="Where the service's internal API listens: `unix:/path` or `http://host:port`.",
    )
    service_secret_file = Unicode(
        config=True, help="File with the secret that service and gateway share."
    )
    dashboard_host = Unicode(
        "",
        config=True,
        help="The host that schedulers listen on; empty (Kubernetes): each has its own.",
    )

    if TYPE_CHECKING:
        session: Any

    async def setup(self, app: web.Application) -> None:
        """Read the facility file, add our routes, start to tell the service."""
        self.catalogue = Catalogue(
            Path(self.facility_file), self.log, issuer=self.issuer
        )
        self.catalogue.current()
        self._grown: dict[str, int] = {}
        self._dashboards: dict[str, str] = {}
        self._in_turn: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.ledger = Ledger(self._service(), self.log)
        self.endings = Endings(self._service(), self.log)
        add_routes(app, self)
        await super().setup(app)
        self._teller = Teller(self.states, self._service(), self.log)
        self.note_change()

    async def cleanup(self) -> None:
        """Stop telling, then stop."""
        if hasattr(self, "_teller"):
            await self._teller.stop()
        await super().cleanup()
        if hasattr(self, "ledger"):
            await self.ledger.stop()
        await close_sessions()

    # what a backend must know of its own clusters: each has its own way, and a class of
    # traitlets cannot be abstract

    def uses_of(self, username: str) -> tuple[ClusterUse, ...]:
        """Return the person's active clusters with the workers each may grow to."""
        raise NotImplementedError

    def ready_workers(self, cluster_name: str) -> int:
        """Return how many workers of a cluster have joined it."""
        raise NotImplementedError

    def wanted_workers(self, cluster_name: str) -> int:
        """Return how many workers a cluster wants now."""
        raise NotImplementedError

    def grown_to(self, cluster_name: str, count: int) -> int:
        """Return how many workers a cluster may grow to, at least those it wants now."""
        return max(count, self._grown.get(cluster_name, 0))

    # a new cluster

    async def get_cluster_options(self, user: models.User) -> Options:
        """Return what the server that asks may choose."""
        try:
            _, grant = await self._grant_for(user)
            return make_options(grant.rule)
        except PublicException as error:
            # the stock route for options knows no refusal of a backend
            raise web.HTTPForbidden(reason=str(error)) from None

    async def start_cluster(self, user: models.User, cluster_options: Any) -> str:
        """Start a cluster for a server, one at a time for each person."""
        server_name = getattr(user, "server_name", None) or ""
        async with self._in_turn[user.name]:
            try:
                name: str = await super().start_cluster(user, cluster_options)
            except PublicException as error:
                self.ledger.note_refusal(user.name, server_name, str(error))
                raise
        self.ledger.note_start(user.name, server_name, name)
        self.note_change()
        return name

    async def process_cluster_options(
        self, user: models.User, request: Any
    ) -> tuple[dict[str, Any], FacilityClusterConfig]:
        """Return the choice as it counts and the settings it makes, or refuse in words."""
        plan, grant = await self._grant_for(user)
        options = make_options(grant.rule)
        try:
            check_keys(request, options)
            chosen = options.parse_options(request)
        except ValueError as error:
            raise PublicException(str(error)) from None
        size = to_size(chosen)
        reason = refuse_cluster(grant.rule, size, self.uses_of(user.name))
        if reason is not None:
            raise _refusal(reason)
        return {**chosen, "server": plan.server_name}, self.make_config(
            plan, grant, size
        )

    def make_config(
        self, plan: ServerPlan, grant: Grant, size: WorkerSize
    ) -> FacilityClusterConfig:
        """Return the settings of a new cluster."""
        config: FacilityClusterConfig = self.cluster_config_class(
            parent=self,
            worker_cores=size.cores,
            worker_memory=size.memory_bytes,
            idle_timeout=grant.rule.idle_timeout,
            server_name=plan.server_name,
            start_id=plan.start_id,
            dask=grant.entry,
            plan=plan_to_json(plan).decode(),
        )
        return config

    async def _grant_for(self, user: models.User) -> tuple[ServerPlan, Grant]:
        """Return the plan of the server that asks and what it is granted today."""
        if not isinstance(user, ServerUser):
            raise PublicException("Clusters are for people, not for services.")
        if user.server_name is None:
            raise PublicException(
                "This token belongs to no server. A Dask cluster belongs to a running "
                "server: start one at the hub and ask from a notebook in it."
            )
        plan = await self._plan_of(user.name, user.server_name)
        return plan, await self._grant(user, plan)

    async def _grant(self, user: models.User, plan: ServerPlan) -> Grant:
        facility = (await asyncio.to_thread(self.catalogue.current)).facility
        access = resolve_access(facility, make_identity(user.name, user.groups))
        found = grant_clusters(access, plan)
        if isinstance(found, Sentence):
            raise _refusal(found)
        return found

    async def check_growth(self, user: models.User, cluster_name: str) -> None:
        """Refuse in words more workers of a server that would get no cluster today."""
        cluster = await self.get_cluster(cluster_name)
        if cluster is not None and user.has_permissions(cluster):
            await self._grant(user, parse_plan(cluster.config.plan.encode()))

    async def _plan_of(self, user: str, server_name: str) -> ServerPlan:
        path = f"/internal/plans?user={quote(user, safe='')}&server={quote(server_name, safe='')}"
        try:
            return parse_plan(await self._service().call("GET", path))
        except PeerRefusedError as error:
            raise PublicException(str(error)) from None
        except (PeerAwayError, ValidationError) as error:
            self.log.error("Could not read the plan of %s: %s", user, error)
            raise PublicException(
                "The service of this facility does not answer, so no new cluster can "
                "be started; what runs goes on. Try again in a minute."
            ) from None

    def _service(self) -> Peer:
        return Peer("service", self.service_url, self.service_secret_file)

    # the ceilings of what runs

    async def forward_message_to_scheduler(
        self, cluster: models.Cluster, msg: Mapping[str, Any]
    ) -> None:
        """Tell a scheduler how many workers it may have, if they fit."""
        async with self._in_turn[cluster.username]:
            wish = self._check_wish(cluster, dict(msg))
            await super().forward_message_to_scheduler(cluster, wish)
            self._grown[cluster.name] = int(
                wish.get("count") or wish.get("maximum") or 0
            )
        self.note_change()

    def _check_wish(
        self, cluster: models.Cluster, msg: dict[str, Any]
    ) -> dict[str, Any]:
        """Return a message to a scheduler whose numbers fit, or refuse in words."""
        is_adapt = msg["op"] == "adapt"
        if is_adapt and not msg.get("active", True):
            return {"op": "adapt", "active": False}
        rule, others = self._rule_of(cluster), self._others(cluster)
        if rule is None:
            raise _refusal(say("These Dask clusters are not offered any more."))
        if is_adapt and msg.get("maximum") is None:
            msg["maximum"] = most_workers(rule, size_of(cluster), others)
        wanted = (msg.get(key) for key in ("count", "minimum", "maximum"))
        counts = [_read_count(count) for count in wanted if count is not None]
        if is_adapt and (msg.get("minimum") or 0) > msg["maximum"]:
            raise PublicException("The minimum of workers is more than the maximum.")
        reason = refuse_workers(
            rule, size_of(cluster), count=max(counts, default=0), others=others
        )
        if reason is not None:
            raise _refusal(reason)
        return msg

    def _others(self, cluster: models.Cluster) -> tuple[ClusterUse, ...]:
        uses = self.uses_of(cluster.username)
        return tuple(use for use in uses if use.name != cluster.name)

    def _most_for(self, cluster: models.Cluster) -> int:
        """Return how many workers fit; none where the entry left the facility file."""
        rule = self._rule_of(cluster)
        return (
            most_workers(rule, size_of(cluster), self._others(cluster)) if rule else 0
        )

    def _rule_of(self, cluster: models.Cluster) -> DaskRule | None:
        return self.catalogue.last.facility.dask.get(cluster.config.dask)

    async def on_cluster_heartbeat(self, cluster_name: str, msg: Any) -> None:
        """Take a scheduler's news, with its wishes cut to what fits."""
        cluster = await self.get_cluster(cluster_name)
        if cluster is None:
            return
        news = read_heartbeat(msg, host=self.dashboard_host)
        self._dashboards[cluster_name] = news.dashboard_address
        most = max(self._most_for(cluster), 0)
        wanted = self.wanted_workers(cluster_name)
        if news.count > wanted and await self.endings.ends(
            cluster.username, cluster.config.server_name
        ):
            most = min(most, wanted)
        msg = self._clamp(cluster, news, most)
        await super().on_cluster_heartbeat(cluster_name, msg)
        self.note_change()

    def _clamp(
        self, cluster: models.Cluster, news: Heartbeat, most: int
    ) -> dict[str, Any]:
        if news.count > most:
            self.log.warning(
                "Cluster %s of %s asks for %d workers and gets %d",
                *(cluster.name, cluster.username, news.count, most),
            )
        return clamp(news, most)

    # what others see

    async def get_cluster(
        self, cluster_name: str, wait: bool = False
    ) -> models.Cluster | None:
        """Return a cluster with its dashboard, which only our own route shows."""
        cluster = await super().get_cluster(cluster_name, wait=wait)
        return None if cluster is None else self._with_dashboard(cluster)

    async def list_clusters(
        self, username: str | None = None, statuses: Iterable[Any] | None = None
    ) -> list[models.Cluster]:
        """Return clusters with their dashboards."""
        found = await super().list_clusters(username=username, statuses=statuses)
        return [self._with_dashboard(cluster) for cluster in found]

    def _with_dashboard(self, cluster: models.Cluster) -> models.Cluster:
        cluster.dashboard_address = self._dashboards.get(cluster.name, "")
        return cluster

    async def stop_cluster(self, cluster_name: str, failed: bool = False) -> None:
        """Stop a cluster and forget what it was granted."""
        await super().stop_cluster(cluster_name, failed=failed)
        self._grown.pop(cluster_name, None)
        self._dashboards.pop(cluster_name, None)
        self.note_change()

    async def states(self) -> Clusters:
        """Return every active cluster as the service sees it."""
        statuses = list(_STATUS)
        found = await self.list_clusters(statuses=statuses)
        return Clusters(clusters=tuple(self._to_state(cluster) for cluster in found))

    def _to_state(self, cluster: models.Cluster) -> ClusterState:
        size = size_of(cluster)
        return ClusterState.model_validate(
            {
                "name": cluster.name,
                "user": cluster.username,
                "server_name": cluster.config.server_name,
                "start_id": cluster.config.start_id,
                "status": _STATUS[cluster.status],
                "started_at": cluster.start_time / 1000,
                "worker_cores": size.cores,
                "worker_memory_bytes": size.memory_bytes,
                "wanted": self.wanted_workers(cluster.name),
                "ready": self.ready_workers(cluster.name),
            }
        )

    def note_change(self) -> None:
        """Have the service told soon."""
        self._teller.note_change()


def size_of(cluster: Any) -> WorkerSize:
    """Return the size of a cluster's workers."""
    return WorkerSize(cluster.config.worker_cores, int(cluster.config.worker_memory))


def _refusal(reason: Sentence) -> PublicException:
    # a refusal travels in a line of HTTP
    return PublicException(re.sub(r"\s+", " ", str(reason)))


def _read_count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        msg = f"{str(value)[:40]!r} is no number of workers; write a whole number."
        raise PublicException(msg)
    return value
