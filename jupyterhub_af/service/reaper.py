"""Stops the Dask clusters that a killed notebook, server, hub or gateway left behind.

A cluster belongs to one start of one server. It is left behind when that server does not
run, or when it is a later start. This is decided only from whole answers, the gateway's
list first and the hub's after it: a cluster in the first is younger than its server, so
its server is in the second. It must stay so for a time to live, and there is a last look
at the one server before the stop. Where the hub itself said that the start is over, the
cluster goes at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Literal

from jupyterhub_af.policy.messages import AuditEvent, Clusters, ClusterState

from .asking import AskError
from .audit import PROCESS
from .changes import Changed, Ended, News
from .desk import Desk
from .gateway_api import GatewayApi
from .hub_api import HubApi
from .plans import Start

AT_ONCE = 4
# Several servers that stop together are one question to the gateway.
GATHER_SECONDS = 0.2

Place = tuple[str, str]
Reason = Literal["server-stopped", "server-gone", "start-replaced"]


class Reaper:
    """Remember which clusters seem left behind, and since when."""

    def __init__(
        self, desk: Desk, hub: HubApi, gateway: GatewayApi, *, ttl_seconds: float
    ) -> None:
        self._desk = desk
        self._hub = hub
        self._gateway = gateway
        self._ttl_seconds = ttl_seconds
        self._left_since: dict[str, float] = {}
        self._stopped: frozenset[str] = frozenset()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._wake = asyncio.Event()
        desk.changes.subscribe(self._hear)

    async def close(self) -> None:
        """Let connections go."""
        await self._gateway.close()

    async def list_clusters(self) -> Clusters:
        """Return the gateway's list; the panel shows it unless it was told newer."""
        told = self._desk.running.times_told
        clusters = await self._gateway.active_clusters()
        if told == self._desk.running.times_told:
            self._desk.put_clusters(clusters)
        return clusters

    async def judge(
        self,
        clusters: Clusters,
        live: Collection[Place],
        starts: Mapping[Place, Start],
        now: float,
    ) -> None:
        """Stop what has been left behind for the time to live.

        ``live`` and ``starts`` must have been asked for after ``clusters``.
        """
        left = {
            cluster.name: cluster
            for cluster in clusters.clusters
            if cluster.status != "stopping" and self._why(cluster, live, starts)
        }
        since = {name: self._left_since.get(name, now) for name in left}
        self._left_since = since
        self._stopped &= {cluster.name for cluster in clusters.clusters}
        due = [
            cluster
            for name, cluster in left.items()
            if now - since[name] >= self._ttl_seconds
            or self._desk.running.has_ended(cluster.start_id)
        ]
        await asyncio.gather(*(self._stop(cluster) for cluster in due))

    async def reap_for_ever(self) -> None:
        """Stop the clusters of starts that ended, as soon as that is said."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._wake.clear()
            try:
                await self._reap_ended()
            except AskError as error:
                # the next sweep finds them
                self._desk.log.info("Left ended clusters to the next sweep: %s", error)

    async def _reap_ended(self) -> None:
        clusters = await self.list_clusters()
        ended = [c for c in clusters.clusters if self._has_ended(c)]
        await asyncio.gather(*(self._stop(cluster) for cluster in ended))

    def _hear(self, news: News) -> None:
        has_news = isinstance(news, Changed) and "clusters" in news.kinds
        clusters = self._desk.running.clusters if has_news else ()
        if isinstance(news, Ended) or any(map(self._has_ended, clusters)):
            self._wake.set()

    def _has_ended(self, cluster: ClusterState) -> bool:
        is_over = self._desk.running.has_ended(cluster.start_id)
        return is_over and cluster.status != "stopping"

    def _why(
        self,
        cluster: ClusterState,
        live: Collection[Place],
        starts: Mapping[Place, Start],
    ) -> Reason | None:
        """Return why a cluster is left behind, or None if its owner lives."""
        place = (cluster.user, cluster.server_name)
        if self._desk.running.has_ended(cluster.start_id):
            return "server-stopped"
        if place not in live:
            return "server-gone"
        start = starts.get(place)
        # a server that runs without a recorded start cannot be told from its owner
        if start is not None and start.plan.start_id != cluster.start_id:
            return "start-replaced"
        return None

    async def _stop(self, cluster: ClusterState) -> None:
        """Stop a cluster after a last look; what fails is tried at the next sweep."""
        async with self._turns:
            try:
                reason = await self._look_again(cluster)
                if reason is None:
                    self._left_since.pop(cluster.name, None)
                    return
                await self._gateway.stop_cluster(cluster.name)
            except AskError as error:
                self._desk.metrics.failed_stops.labels("cluster").inc()
                self._desk.log.warning(
                    "Could not stop cluster %s of %s: %s",
                    cluster.name,
                    cluster.user,
                    error,
                )
                return
            if cluster.name not in self._stopped:
                self._stopped |= {cluster.name}
                await self._record(cluster, reason)

    async def _look_again(self, cluster: ClusterState) -> Reason | None:
        """Return why a cluster is left behind, by a question about its server alone."""
        place = (cluster.user, cluster.server_name)
        if self._desk.running.has_ended(cluster.start_id):
            return "server-stopped"
        server = await self._hub.find_server(*place)
        start = await self._desk.find_start(*place)
        live = [place] if server is not None else []
        return self._why(cluster, live, {place: start} if start else {})

    async def _record(self, cluster: ClusterState, reason: Reason) -> None:
        self._desk.metrics.stopped_clusters.labels(reason).inc()
        self._desk.log.info(
            "Stopped cluster %s of %s/%s: %s",
            *(cluster.name, cluster.user, cluster.server_name, reason),
        )
        target = f"{cluster.user}/{cluster.server_name}/{cluster.name}"
        await self._desk.record(
            AuditEvent(
                actor=PROCESS,
                action="cluster.stop",
                target=target[:255],
                rule=reason,
                result="done",
            )
        )
