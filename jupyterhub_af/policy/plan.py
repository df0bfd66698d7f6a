"""The plan of one start: everything a server is made of, decided before it exists.

A ``ServerPlan`` is what every spawner and the Dask backend obey, what the service
records and what the agent prepares directories for. It holds no secret. ``start_id``
names this start for ever, while the server name is used again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .access import Access
from .errors import SelectionError
from .facility import ActiveWhile, Facility, Profile, facility_digest
from .facility_rules import MAX_SERVER_GROUPS
from .names import make_slug
from .selection import Selection
from .sentence import say
from .storage import AREAS_ROOT, STRICT, Mount
from .token import TOKEN_FILE, VARIABLE, TokenWish, wish_of

USER_PACKAGES = ".packages"
RESCUE_HOME = "/tmp"


@dataclass(frozen=True, slots=True)
class Ids:
    """Numbers from the service's register: stable for ever, never given twice.

    ``gids`` has every group that some directory or mount of the plan needs.
    """

    uid: int
    gid: int
    gids: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An area the server does not have, and why."""

    __pydantic_config__ = STRICT

    area: str
    reason: str


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """What one server is made of. Memory in bytes, times in seconds.

    ``uid``, ``gid`` and the values of ``gids`` are None only where nobody asked the
    register (the command line's ``plan``); such a plan cannot start.
    """

    __pydantic_config__ = STRICT

    start_id: str
    user: str
    server_name: str
    person: str
    profile: str
    profile_display_name: str
    size: str
    gpu: str | None
    image: str
    cores: float
    memory_bytes: int
    gpu_resource: str | None
    gpu_count: int
    uid: int | None
    gid: int | None
    gids: Mapping[str, int | None]
    mounts: tuple[Mount, ...]
    left_out: tuple[LeftOut, ...]
    home: str
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    dask: str | None
    idle_seconds: int | None
    longest_seconds: int | None
    node_selector: Mapping[str, str]
    facility_digest: str
    # plans recorded before this was known had what a file has that says nothing
    active_while: tuple[ActiveWhile, ...] = ("kernels",)
    # a server to clean up with: its home is not on an area, because that one is full
    is_rescue: bool = False
    # what the access token in it is to be; None: it gets none
    token: TokenWish | None = None

    @property
    def supplemental_gids(self) -> tuple[int, ...]:
        """Return the gids of the mounted folders' groups, in the order of the mounts."""
        gids = (self.gids.get(mount.group) for mount in self.mounts if mount.group)
        return tuple(dict.fromkeys(gid for gid in gids if gid is not None))


def mounts_of(
    facility: Facility, access: Access, profile: Profile
) -> tuple[Mount, ...]:
    """Return what a server of this profile shows of the person's areas, outer paths first."""
    names = {area.name for area in facility.areas_of(profile)}
    return tuple(
        mount
        for found in access.storage
        if found.area.name in names
        for mount in found.mounts
    )


def groups_of(mounts: tuple[Mount, ...]) -> tuple[str, ...]:
    """Return the groups whose gid a plan with these mounts needs, each once, sorted."""
    needed = {g for mount in mounts for g in (mount.group, mount.owner_group) if g}
    return tuple(sorted(needed))


def make_plan(
    facility: Facility,
    access: Access,
    selection: Selection,
    *,
    start_id: str,
    server_name: str,
    ids: Ids | None,
    is_rescue: bool = False,
) -> ServerPlan:
    """Return the plan of a selection; pure, so that it can be shown without a start.

    Raises
    ------
    SelectionError
        If the server would carry more groups than a file system passes on.
    """
    profile = selection.profile
    mounts = mounts_of(facility, access, profile)
    _check_group_count(mounts)
    gids = dict(ids.gids) if ids else dict.fromkeys(groups_of(mounts))
    home = next(m.path for m in mounts if m.kind == "private")
    if is_rescue:
        home = RESCUE_HOME
    gpu = selection.gpu
    # a server to clean up with reads no data from elsewhere
    token = None if is_rescue else wish_of(facility, profile)
    return ServerPlan(
        start_id=start_id,
        user=access.identity.user,
        server_name=server_name,
        person=make_slug(access.identity.user),
        profile=profile.slug,
        profile_display_name=profile.title,
        size=selection.size.slug,
        gpu=gpu.slug if gpu else None,
        image=selection.image,
        cores=float(selection.size.cores),
        memory_bytes=selection.size.memory,
        gpu_resource=gpu.resource if gpu else None,
        gpu_count=(gpu.count or 0) if gpu else 0,
        uid=ids.uid if ids else None,
        gid=ids.gid if ids else None,
        gids=gids,
        mounts=mounts,
        left_out=_left_out(facility, access, profile),
        home=home,
        environment=_environment(access.identity.user, home, profile, token),
        labels=_labels(access.identity.user, profile),
        # workers would write into what is full
        dask=None if is_rescue else profile.dask,
        idle_seconds=profile.lifetime.idle,
        longest_seconds=profile.lifetime.longest,
        node_selector=dict(profile.placement.node_selector),
        facility_digest=facility_digest(facility),
        active_while=profile.lifetime.active_while,
        is_rescue=is_rescue,
        token=token,
    )


def _check_group_count(mounts: tuple[Mount, ...]) -> None:
    groups = {mount.group for mount in mounts if mount.group}
    if len(groups) > MAX_SERVER_GROUPS:
        message = say(
            "Your folders belong to {count} groups and a server can carry {most}; "
            "choose a profile with fewer areas.",
            count=len(groups),
            most=MAX_SERVER_GROUPS,
        )
        raise SelectionError(message, rule="too-many-groups")


def _left_out(
    facility: Facility, access: Access, profile: Profile
) -> tuple[LeftOut, ...]:
    """Return the areas the profile has and the person has not, with the reason."""
    names = {area.name for area in facility.areas_of(profile)}
    return tuple(
        LeftOut(found.area.name, str(found.reason))
        for found in access.storage
        if found.area.name in names and not found.allowed
    )


def _environment(
    user: str, home: str, profile: Profile, token: TokenWish | None
) -> dict[str, str]:
    """Return the variables of the server; nothing in it is secret.

    What a kernel writes while it runs, and databases that lock, go to /tmp: areas may
    be on a network file system. Packages a person installs go to a folder of the
    profile, so that one image's packages never break another's.
    """
    return {
        "HOME": home,
        "USER": user,
        "LOGNAME": user,
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "PYTHONUSERBASE": f"{home}/{USER_PACKAGES}/{profile.slug}",
        "JUPYTER_RUNTIME_DIR": "/tmp/jupyter",
        "IPYTHONDIR": "/tmp/ipython",
        "MPLCONFIGDIR": "/tmp/matplotlib",
        "AF_PROFILE": profile.slug,
        "AF_AREAS": AREAS_ROOT,
        # the file's name, never the token
        **({VARIABLE: TOKEN_FILE} if token is not None else {}),
    }


def _labels(user: str, profile: Profile) -> dict[str, str]:
    return {
        "app.kubernetes.io/part-of": "jupyterhub-af",
        "jupyterhub-af/person": make_slug(user),
        "jupyterhub-af/profile": profile.slug,
    }
