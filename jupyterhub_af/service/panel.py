"""What the panel of one person says now: each kind of event, made from what is known.

A *view* is a person and the server that asks, if one does. Nothing in a view's events is
about other people.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from jupyterhub_af.policy.access import Access, resolve_access
from jupyterhub_af.policy.caller import Caller, server_of
from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.messages import ClusterState
from jupyterhub_af.policy.panel import (
    AccessEvent,
    AreaOfMine,
    ClusterOfMine,
    ClustersEvent,
    DaskOfMine,
    FacilityOfMine,
    HistoryEvent,
    HistoryLine,
    LeftOutOfMine,
    LifetimeEvent,
    Me,
    MeEvent,
    ServerOfMine,
    StorageEvent,
)
from jupyterhub_af.policy.plan import ServerPlan
from jupyterhub_af.policy.storage import trees_of

from .changes import Kind
from .desk import Desk
from .endings import Ending
from .plans import Start
from .refusal import RefusedError
from .storage import make_storage, to_name

NEWEST_LINES = 50

Event = (
    MeEvent | LifetimeEvent | ClustersEvent | StorageEvent | AccessEvent | HistoryEvent
)


@dataclass(frozen=True, slots=True)
class View:
    """Who looks: a person with the groups the hub says, and the server that asks."""

    user: str
    groups: frozenset[str]
    server_name: str | None


def make_view(caller: Caller) -> View:
    """Return the view of a caller, or refuse one that is no person."""
    if caller.kind != "user":
        message = "This address is for people, and the token is a service's."
        raise RefusedError(403, "not-a-person", message)
    return View(caller.name, frozenset(caller.groups), server_of(caller))


async def find_start_of(desk: Desk, view: View) -> Start | None:
    """Return the last start of the server that asks."""
    if view.server_name is None:
        return None
    return await desk.find_start(view.user, view.server_name)


async def make_me(desk: Desk, view: View) -> Me:
    """Return who somebody is here, or refuse who may not log in any more.

    Who still has a server that ends reads on until it does.
    """
    facility = (await desk.facility()).facility
    access = resolve_access(facility, make_identity(view.user, view.groups))
    if not access.may_log_in and find_ending_of(desk, view) is None:
        raise RefusedError(403, "login-withheld", str(access.reason))
    start = await find_start_of(desk, view)
    return _to_me(facility, access, start)


def find_ending_of(desk: Desk, view: View) -> Ending | None:
    """Return the ending of the server that asks, None if it goes on."""
    if view.server_name is None:
        return None
    return desk.endings.find((view.user, view.server_name))


def make_access(desk: Desk, view: View) -> AccessEvent:
    """Return whether the server that asks has to end."""
    ending = find_ending_of(desk, view)
    return AccessEvent(end=None if ending is None else ending.to_message())


async def make_events(
    desk: Desk, view: View, kinds: Collection[Kind]
) -> dict[Kind, Event]:
    """Return what these kinds of events say now; history: the newest lines.

    Raises
    ------
    RefusedError
        If the person may not log in any more.
    """
    found: dict[Kind, Event] = {}
    start = await find_start_of(desk, view)
    if "me" in kinds:
        found["me"] = MeEvent(me=await make_me(desk, view))
    if "lifetime" in kinds:
        now = desk.clock()
        lifetime = desk.running.lifetime_of(start, now) if start else None
        found["lifetime"] = LifetimeEvent(lifetime=lifetime)
    if "clusters" in kinds:
        facility = (await desk.facility()).facility
        mine = desk.running.clusters_of(view.user)
        found["clusters"] = make_clusters(facility, mine, start)
    if "storage" in kinds:
        found["storage"] = make_storage(desk.disks, start.plan if start else None)
    if "access" in kinds:
        found["access"] = make_access(desk, view)
    if "history" in kinds:
        found["history"] = HistoryEvent(lines=await _find_lines(desk, view))
    return found


async def _find_lines(desk: Desk, view: View) -> tuple[HistoryLine, ...]:
    """Return the newest lines about a person and the folders that their groups give."""
    facility = (await desk.facility()).facility
    access = resolve_access(facility, make_identity(view.user, view.groups))
    folders = [
        tree.audit_target()
        for area in access.storage
        for tree in map(to_name, trees_of(area.mounts, person=""))
    ]
    return await desk.store.run(desk.audit.about, view.user, NEWEST_LINES, folders)


def make_clusters(
    facility: Facility, mine: tuple[ClusterState, ...], start: Start | None
) -> ClustersEvent:
    """Return a person's clusters, and what of the ceilings of a server they use."""
    start_id = start.plan.start_id if start else None
    clusters = tuple(
        ClusterOfMine(
            name=cluster.name,
            server_name=cluster.server_name,
            is_of_this_server=cluster.start_id == start_id,
            status=cluster.status,
            started_at=cluster.started_at,
            worker_cores=cluster.worker_cores,
            worker_memory_bytes=cluster.worker_memory_bytes,
            wanted=cluster.wanted,
            ready=cluster.ready,
        )
        for cluster in mine
    )
    entry = start.plan.dask if start else None
    return ClustersEvent(clusters=clusters, dask=_to_dask(facility, entry, mine))


def _to_dask(
    facility: Facility, entry: str | None, mine: tuple[ClusterState, ...]
) -> DaskOfMine | None:
    """Return the ceilings in force today; None where there are no clusters to be had."""
    rule = facility.dask.get(entry) if entry else None
    if rule is None:
        return None
    return DaskOfMine(
        max_clusters=rule.max_clusters,
        worker_cores=rule.worker_cores,
        worker_memory_bytes=rule.worker_memory,
        user_cores=rule.user_cores,
        user_memory_bytes=rule.user_memory,
        used_cores=sum(c.wanted * c.worker_cores for c in mine),
        used_memory_bytes=sum(c.wanted * c.worker_memory_bytes for c in mine),
        idle_seconds=rule.idle_timeout,
    )


def _to_me(facility: Facility, access: Access, start: Start | None) -> Me:
    return Me(
        user=access.identity.user,
        groups=tuple(sorted(access.identity.groups)),
        admin=access.admin,
        facility=FacilityOfMine(name=facility.name, contact=facility.contact),
        server=to_server(start.plan) if start else None,
    )


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
