"""The frozen messages that processes exchange, and how they are written and read.

Every message is checked on arrival: a process trusts another's secret, not its shape.
A ``ServerPlan`` travels as it is; ``plan_to_json`` and ``parse_plan`` are its ends.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from .plan import ServerPlan

Name = Annotated[str, Field(min_length=1, max_length=255)]
Identifier = Annotated[str, Field(min_length=1, max_length=1024)]
Group = Annotated[str, Field(min_length=1, max_length=512)]
# 0 is root, and the highest of 32 bits means "leave as it is"
Number = Annotated[int, Field(ge=1, lt=2**31)]


@cache
def _plan_adapter() -> TypeAdapter[ServerPlan]:
    """Return what reads and writes plans, made when the first one comes."""
    return TypeAdapter(ServerPlan)


def plan_to_json(plan: ServerPlan) -> bytes:
    """Return a plan as JSON."""
    return _plan_adapter().dump_json(plan)


def parse_plan(text: bytes | str) -> ServerPlan:
    """Return the plan a JSON text describes; pydantic's ``ValidationError`` if none."""
    return _plan_adapter().validate_json(text)


class Message(BaseModel):
    """Be frozen and refuse unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class AccountRequest(Message):
    """hub → service at login: who is this? ``is_known_to_hub``: the name has a hub user."""

    issuer: Identifier
    subject: Identifier
    preferred_username: Name
    is_known_to_hub: bool = False


class Account(Message):
    """service → hub: the name bound to ``(issuer, subject)`` for ever."""

    name: Name
    uid: Number
    gid: Number


class IdsRequest(Message):
    """hub → service before a start: numbers for a person and for groups."""

    user: Name
    groups: tuple[Group, ...] = ()


class IdsReply(Message):
    """service → hub: the numbers, stable for ever."""

    uid: Number
    gid: Number
    gids: dict[Group, Number]


class AuditEvent(Message):
    """hub → service: who did what, by which rule, with which result. No token, no mail."""

    actor: Name
    action: Annotated[str, Field(pattern=r"^[a-z][a-z0-9.-]{0,63}$")]
    target: Annotated[str, Field(max_length=255)] = ""
    rule: Annotated[str, Field(max_length=64)] = ""
    result: Literal["allowed", "refused", "done", "failed"]
    detail: Annotated[str, Field(max_length=500)] = ""


class Refusal(Message):
    """The body of every 4xx and 5xx between processes: words, and the rule behind them."""

    message: str
    rule: str


class EnsureReply(Message):
    """agent → hub: paths that were made, and paths whose owner or mode was mended."""

    made: tuple[str, ...]
    mended: tuple[str, ...]


class Health(Message):
    """What each process says of itself; ``notes`` are to be known and no problem."""

    status: Literal["ok", "degraded"]
    process: Name
    version: str
    facility_digest: str
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class ServerEvent(Message):
    """hub → service: a server of a person runs now, or ended. ``start_id`` is its plan's."""

    user: Name
    server_name: Annotated[str, Field(max_length=255)]
    start_id: Identifier
    state: Literal["running", "stopped"]


class ClusterState(Message):
    """gateway → service: one active Dask cluster.

    It belongs to the start of a server, not to the server's name. ``wanted`` and
    ``ready`` count workers; ``started_at`` is in seconds since 1970 (UTC).
    """

    name: Name
    user: Name
    server_name: Annotated[str, Field(max_length=255)]
    start_id: Identifier
    status: Literal["pending", "running", "stopping"]
    started_at: float
    worker_cores: Annotated[float, Field(gt=0)]
    worker_memory_bytes: Annotated[int, Field(gt=0)]
    wanted: Annotated[int, Field(ge=0)]
    ready: Annotated[int, Field(ge=0)]


class Clusters(Message):
    """gateway → service: every active cluster; what is not in it has ended."""

    clusters: tuple[ClusterState, ...]
