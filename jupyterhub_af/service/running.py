"""What is known of running servers and clusters, in memory: activity, work, clusters.

Nothing here is kept on disk. After a restart it begins anew: the hub's next word says
what runs, the gateway's which clusters, and until people or their servers were heard, a
server counts as active from the moment it was first seen. Times are in seconds since
1970 (UTC); the clock is handed in.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace

from jupyterhub_af.line.audit import telling_of_stop
from jupyterhub_af.policy.lifetime import Activity, refuse_keep, resolve_lifetime
from jupyterhub_af.policy.messages import Clusters, ClusterState
from jupyterhub_af.policy.panel import Busy, Lifetime

from .plans import Start
from .refusal import RefusedError

# How long a server's word that it works is believed after its stream ended.
BUSY_SECONDS = 300
# How long a server is remembered that the hub does not list.
FORGET_SECONDS = 600
MOST_ENDED = 10_000

Place = tuple[str, str]


@dataclass(slots=True)
class _Server:
    """What is known of one start of a server."""

    start_id: str
    known_since: float
    seen_at: float
    hub_person_at: float | None = None
    own_person_at: float | None = None
    kept_at: float | None = None
    kernels_at: float | None = None
    clusters_at: float | None = None
    busy_until: float | None = None
    is_ending: bool = False
    start: Start | None = None

    @property
    def person_at(self) -> float | None:
        """When its person was active: by its own word, else by the hub's.

        The hub counts every request, also Lab's own, which come all the time while it
        is seen; the server's extension tells them apart from what the person does.
        """
        return self.hub_person_at if self.own_person_at is None else self.own_person_at


class Running:
    """Remember what runs. ``lag_seconds``: how late the hub may learn of activity."""

    def __init__(self, *, lag_seconds: float = 0) -> None:
        self._lag_seconds = lag_seconds
        self._servers: dict[Place, _Server] = {}
        self._streams: Counter[Place] = Counter()
        self._ended: OrderedDict[str, None] = OrderedDict()
        # of stops that were asked for, by what the audit is told of them by
        self.rules: OrderedDict[str, str] = OrderedDict()
        self.clusters: tuple[ClusterState, ...] = ()
        self.times_told = 0

    # servers

    def lifetime_of(self, start: Start, now: float) -> Lifetime:
        """Return when a running server will be stopped, by what is known now."""
        return resolve_lifetime(start.plan, self._activity(start, now))

    def keep(self, start: Start, now: float) -> Lifetime:
        """Count the person's "keep me" as activity, or refuse it with words."""
        if self.is_ending(start, now):
            message = "This server is being stopped: start it again."
            raise RefusedError(409, "server-ending", message)
        activity = self._activity(start, now)
        before = resolve_lifetime(start.plan, activity)
        after = resolve_lifetime(start.plan, replace(activity, kept_at=now))
        words = refuse_keep(before, after)
        if words is not None:
            raise RefusedError(409, "keep-changes-nothing", words)
        self._server(start, now).kept_at = now
        return after

    def see(self, start: Start, now: float, *, person_at: float | None) -> None:
        """Take the hub's word that a server runs, and when its person was active."""
        server = self._server(start, now)
        server.seen_at = now
        if person_at is not None:
            server.hub_person_at = max(person_at, server.hub_person_at or 0)

    def see_busy(self, start: Start, now: float, busy: Busy) -> None:
        """Take a server's word on what works in it, and on its person."""
        server = self._server(start, now)
        if busy.quiet_seconds is not None:
            at = now - busy.quiet_seconds
            server.own_person_at = max(at, server.own_person_at or 0)
        self._refresh_work(start, server, now)
        is_busy = busy.kernels + busy.terminals > 0
        server.busy_until = now + BUSY_SECONDS if is_busy else None
        if is_busy:
            server.kernels_at = now

    @property
    def places(self) -> tuple[Place, ...]:
        """Return the servers that run, as far as anybody said so."""
        return tuple(self._servers)

    def start_of(self, place: Place) -> Start | None:
        """Return the start of what runs in a place, for while the database is away."""
        server = self._servers.get(place)
        return server.start if server else None

    def forget_start(self, place: Place) -> None:
        """Take it that another start is recorded."""
        if place in self._servers:
            self._servers[place].start = None

    def open_stream(self, place: Place) -> None:
        """Note that a server listens: it will say when its work ends."""
        self._streams[place] += 1

    def close_stream(self, place: Place, now: float) -> None:
        """Note that a server listens no more; its word is believed a while longer."""
        self._streams[place] -= 1
        server = self._servers.get(place)
        if server is not None and server.busy_until is not None:
            server.busy_until = now + BUSY_SECONDS
        if self._streams[place] <= 0:
            del self._streams[place]

    def mark_ending(
        self, place: Place, start_id: str, now: float, *, rule: str | None
    ) -> None:
        """Note by which rule a server is being stopped: nothing keeps it; None: it is not.

        The rule is remembered: the stop may come true long after the question for it.
        """
        self._server_at(place, start_id, now).is_ending = rule is not None
        if rule is not None:
            self.rules[telling_of_stop(start_id)] = rule
        while len(self.rules) > MOST_ENDED:
            self.rules.popitem(last=False)

    def is_ending(self, start: Start, now: float) -> bool:
        """Tell whether a server is being stopped."""
        return self._server(start, now).is_ending

    def restart_clocks(self, now: float) -> None:
        """Count idle times from now: for a while nobody could see activity."""
        for server in self._servers.values():
            server.known_since = now

    def forget_others(self, live: Collection[Place], now: float) -> None:
        """Forget servers that the hub has not listed for a while."""
        self._servers = {
            place: server
            for place, server in self._servers.items()
            if place in live or now - server.seen_at < FORGET_SECONDS
        }

    def end(self, place: Place, start_id: str) -> None:
        """Take the hub's word that a start is over; it never runs again."""
        self._ended[start_id] = None
        while len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)
        server = self._servers.get(place)
        if server is not None and server.start_id == start_id:
            del self._servers[place]

    def has_ended(self, start_id: str) -> bool:
        """Tell whether the hub said that a start is over."""
        return start_id in self._ended

    # clusters

    def put_clusters(self, clusters: Clusters) -> frozenset[str]:
        """Take the gateway's list; return whose clusters are other than before."""
        self.times_told += 1
        before, self.clusters = set(self.clusters), clusters.clusters
        return frozenset(cluster.user for cluster in before ^ set(self.clusters))

    def clusters_of(self, user: str) -> tuple[ClusterState, ...]:
        """Return a person's clusters, the oldest first."""
        mine = (cluster for cluster in self.clusters if cluster.user == user)
        return tuple(sorted(mine, key=lambda c: (c.started_at, c.name)))

    # inside

    def _server(self, start: Start, now: float) -> _Server:
        """Return what is known of a start; a new one is known from now on."""
        server = self._server_at(start.place, start.plan.start_id, now)
        server.start = start
        return server

    def _server_at(self, place: Place, start_id: str, now: float) -> _Server:
        server = self._servers.get(place)
        if server is None or server.start_id != start_id:
            server = _Server(start_id, known_since=now, seen_at=now)
            self._servers[place] = server
        return server

    def _refresh_work(self, start: Start, server: _Server, now: float) -> None:
        """Move forward when work was last seen, as far as it is believed to run."""
        if server.busy_until is not None:
            if self._streams[start.place]:
                server.busy_until = now + BUSY_SECONDS
            server.kernels_at = min(now, server.busy_until)
            if now > server.busy_until:
                server.busy_until = None
        mine = (c for c in self.clusters if c.start_id == start.plan.start_id)
        if any(cluster.ready and cluster.status == "running" for cluster in mine):
            server.clusters_at = now

    def _activity(self, start: Start, now: float) -> Activity:
        server = self._server(start, now)
        self._refresh_work(start, server, now)
        return Activity(
            started_at=start.recorded_at,
            known_since=server.known_since,
            person_at=server.person_at,
            kept_at=server.kept_at,
            kernels_at=server.kernels_at,
            clusters_at=server.clusters_at,
            lag_seconds=self._lag_seconds,
        )
