"""What the service tells the Lab of a person and their server: the panel's own words.

One stream carries it: a ``PanelEvent`` of each kind when the Lab first listens, then
one whenever something of that kind changed. ``panel_schema`` is what the browser's
types are generated from. Times are seconds since 1970 (UTC), memory is in bytes,
durations are in seconds. Nothing here is secret and nothing is about other people.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from .facility_types import ActiveWhile
from .messages import Message
from .quota import Fullness
from .recheck import EndRule
from .storage import AreaKind, Kind
from .storage_messages import Enforcement


class AreaOfMine(Message):
    """A mount as its person sees it in the server.

    ``survives`` says whether what is written there outlives the server; ``group`` is
    whose it is where it belongs to a group.
    """

    name: str
    kind: Kind
    path: str
    read_only: bool
    survives: bool
    group: str | None


class LeftOutOfMine(Message):
    """An area that the server does not have, and why."""

    name: str
    reason: str


class ServerOfMine(Message):
    """The server that asks, as its recorded plan says."""

    name: str
    profile: str
    profile_display_name: str
    size: str
    gpu: str | None
    cores: float
    memory_bytes: int
    start_id: str
    home: str
    areas: tuple[AreaOfMine, ...]
    left_out: tuple[LeftOutOfMine, ...]


class FacilityOfMine(Message):
    """The facility's name and whom to ask."""

    name: str
    contact: str


class Me(Message):
    """Who I am here. ``server`` is None where no server asks."""

    user: str
    groups: tuple[str, ...]
    admin: bool
    facility: FacilityOfMine
    server: ServerOfMine | None


class Lifetime(Message):
    """When the server will be stopped, and by which rule; None: never by that rule.

    ``idle_stop_at`` moves with the person's activity, ``longest_stop_at`` does not.
    ``stop_at`` is the earlier of the two; the Lab warns ``warn_seconds`` before it.
    ``active_while`` is what counts as activity beside the person's own.
    """

    started_at: float
    last_active_at: float
    idle_seconds: int | None
    longest_seconds: int | None
    active_while: tuple[ActiveWhile, ...]
    idle_stop_at: float | None
    longest_stop_at: float | None
    stop_at: float | None
    warn_seconds: int


class ClusterOfMine(Message):
    """One of the person's Dask clusters. ``wanted`` and ``ready`` count its workers."""

    name: str
    server_name: str
    is_of_this_server: bool
    status: Literal["pending", "running", "stopping"]
    started_at: float
    worker_cores: float
    worker_memory_bytes: int
    wanted: int
    ready: int


class DaskOfMine(Message):
    """The ceilings of the profile's clusters, and what all of mine use of them."""

    max_clusters: int
    worker_cores: tuple[float, float]
    worker_memory_bytes: tuple[int, int]
    user_cores: float
    user_memory_bytes: int
    used_cores: float
    used_memory_bytes: int
    idle_seconds: int


class TreeOfMine(Message):
    """What the server's person, or a folder's group, has of an area, and how full it is.

    ``path`` is where it is in the server. ``used_bytes``, ``files`` and ``counted_at``
    are None until it was counted; ``quota_bytes`` and ``enforced_by`` where the facility
    gives none: ``accounting`` only warns, a file system's quota refuses writes.
    """

    area: str
    kind: AreaKind
    owner: str
    path: str
    used_bytes: int | None
    files: int | None
    counted_at: float | None
    quota_bytes: int | None
    enforced_by: Enforcement | None
    fullness: Fullness


class AccessEnd(Message):
    """That a server ends because its person lost access, or what it was started with.

    ``ends_at`` is when it is stopped; until then work can be saved. ``reason`` is for
    the person.
    """

    rule: EndRule
    reason: str
    since: float
    ends_at: float


class TokenOfMine(Message):
    """The access token in the server: until when it is good, and how long it was at first.

    ``expires_at`` is None where there is no token. ``problem`` says in words why it
    cannot be renewed, or why there is none; empty: all is well.
    """

    expires_at: float | None
    lifetime_seconds: float | None
    problem: str


class HistoryLine(Message):
    """A line of the audit about the person: who did what to whom, with which result."""

    id: int
    at: float
    actor: str
    action: str
    target: str
    rule: str
    result: str


class MeEvent(Message):
    """Who I am changed: always the first event."""

    kind: Literal["me"] = "me"
    me: Me


class LifetimeEvent(Message):
    """When the server stops changed; None where no server asks."""

    kind: Literal["lifetime"] = "lifetime"
    lifetime: Lifetime | None


class ClustersEvent(Message):
    """My clusters, all of them; ``dask`` is None where the profile has none."""

    kind: Literal["clusters"] = "clusters"
    clusters: tuple[ClusterOfMine, ...]
    dask: DaskOfMine | None


class StorageEvent(Message):
    """How full my trees are. ``is_rescue``: this server's home is not on an area.

    ``volume_is_full``: the disk that the areas lie on has no room for anybody.
    """

    kind: Literal["storage"] = "storage"
    trees: tuple[TreeOfMine, ...]
    is_rescue: bool
    volume_is_full: bool


class AccessEvent(Message):
    """Whether my server has to end for access that I lost; None: it has not."""

    kind: Literal["access"] = "access"
    end: AccessEnd | None


class TokenEvent(Message):
    """How the token in my server is; None where the facility gives none.

    The server's own extension says this: it sees the token's folder, the service not.
    """

    kind: Literal["token"] = "token"
    token: TokenOfMine | None


class HistoryEvent(Message):
    """The newest lines about me, oldest first; later events carry only new lines."""

    kind: Literal["history"] = "history"
    lines: tuple[HistoryLine, ...]


PanelEvent = Annotated[
    MeEvent
    | LifetimeEvent
    | ClustersEvent
    | StorageEvent
    | AccessEvent
    | TokenEvent
    | HistoryEvent,
    Field(discriminator="kind"),
]


class Busy(Message):
    """Lab's server → service: what works in it, and how long its person did nothing.

    ``quiet_seconds`` is None where the server cannot tell; then the hub's word counts.
    """

    kernels: Annotated[int, Field(ge=0, le=10_000)]
    terminals: Annotated[int, Field(ge=0, le=10_000)] = 0
    quiet_seconds: Annotated[float, Field(ge=0, le=1e9)] | None = None


class Restored(Message):
    """Lab's server → service: its person brought an earlier version back.

    ``path`` is where it was, below the server's root, and ``generation`` of when it is.
    ``telling`` is its own: what is told again, because nobody answered, is kept once.
    """

    path: Annotated[str, Field(min_length=1, max_length=4096)]
    generation: Annotated[str, Field(pattern=r"^[0-9T:Z-]{1,32}$")]
    how: Literal["in-place", "copy"]
    telling: Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")] = ""


class Purge(Message):
    """Lab's server → service: its person wants all versions of something gone.

    ``path`` is where it is, below the server's root.
    """

    path: Annotated[str, Field(min_length=1, max_length=4096)]


def panel_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``PanelEvent`` with all it is made of."""
    return TypeAdapter(PanelEvent).json_schema()
