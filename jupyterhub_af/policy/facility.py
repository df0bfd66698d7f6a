"""The facility file's model: what is on offer, to whom, by which IAM, in which bounds.

Every class is frozen and refuses unknown keys, so that a misspelt ``allowed_groups``
stops the facility instead of opening a profile to everybody. Rules between keys are
in ``facility_rules``; reading YAML with line numbers is in ``facility_text``.

An absent ``allowed_groups`` means everybody who may log in; an empty one is an error.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)

from . import values
from .facility_types import (
    AccessMode,
    ActiveWhile,
    Cores,
    Count,
    Duration,
    Filled,
    Folder,
    Group,
    Groups,
    Image,
    ImagePattern,
    Memory,
    Scope,
    Slug,
    Text,
)


class _Model(BaseModel):
    """Be frozen and refuse unknown keys."""

    # built when a first file is read: importing is not the moment to pay for it
    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, defer_build=True
    )


class Iam(_Model):
    """The INDIGO IAM that people log in through, and how old its word may be."""

    issuer: Annotated[
        StrictStr,
        BeforeValidator(values.check_issuer),
        WithJsonSchema(values.ISSUER_SCHEMA),
    ] = Field(description="The IAM's address, https (http only on the loopback).")
    groups_claim: Literal["auto", "groups", "wlcg.groups", "roles", "entitlements"] = (
        "auto"
    )
    recheck_seconds: Annotated[StrictInt, Field(ge=5, le=86400)] = Field(
        300,
        description="The oldest a group list may be, for anybody with a running server.",
    )
    grace_seconds: Annotated[StrictInt, Field(ge=0, le=7 * 86400)] = Field(
        28800,
        description="How long running servers survive an IAM that cannot be reached.",
    )
    courtesy_seconds: Annotated[StrictInt, Field(ge=0, le=86400)] = Field(
        300, description="Time to save between losing access and the server's end."
    )
    server_tokens: StrictBool = Field(
        True,
        description="Whether servers hold their person's access token, always fresh.",
    )
    recheck_by: Literal["grant", "introspection"] = Field(
        "grant",
        description="How groups are looked at again: by a refresh grant, or by "
        "introspection where the IAM's client ends old access tokens at a refresh.",
    )


class LoginRule(_Model):
    """Who may log in at all, and who administers."""

    allowed_groups: Groups | None = Field(
        None, description="Absent: everybody the IAM knows."
    )
    admin_groups: Groups | None = Field(
        None,
        description="Administrators; they may log in, and this opens nothing else.",
    )


class ClassRoom(_Model):
    """A class: one group of students, one of teachers."""

    name: Slug
    students: Group
    teachers: Group


class _Titled(_Model):
    """Be called by a slug, and otherwise by people."""

    slug: Slug
    display_name: Text | None = None

    @property
    def title(self) -> str:
        """Return what people read: the display name, else the slug."""
        return self.display_name or self.slug


class Size(_Titled):
    """How much of the machine a server gets."""

    cores: Cores
    memory: Memory
    default: StrictBool = False
    allowed_groups: Groups | None = None


class Gpu(_Titled):
    """A choice of accelerators: a Kubernetes resource name and a count, or neither."""

    resource: (
        Annotated[
            StrictStr,
            BeforeValidator(values.check_resource),
            WithJsonSchema(values.RESOURCE_SCHEMA),
        ]
        | None
    ) = None
    count: Count | None = None
    default: StrictBool = False
    queue: StrictBool = Field(False, description="Wait in line when all are taken.")
    allowed_groups: Groups | None = None


class Toleration(_Model):
    """A Kubernetes toleration, spelt as Kubernetes does in snake case."""

    key: Text
    operator: Literal["Exists", "Equal"] = "Equal"
    value: StrictStr | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class Placement(_Model):
    """Where on Kubernetes the servers of a profile run."""

    node_selector: dict[StrictStr, StrictStr] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()


class Token(_Model):
    """What the access token in the server is for, as the IAM's client may have it."""

    audience: Scope | None = Field(
        None, description="The one service that may accept it. Absent: as the IAM says."
    )
    scopes: Annotated[tuple[Scope, ...], BeforeValidator(values.check_not_text)] = (
        Field((), description="All that it opens. Empty: what the login got.")
    )


class Lifetime(_Model):
    """How long a server may idle, and live at all."""

    idle: Duration | None = Field(
        None, description="Stopped after this long without activity. Absent: never."
    )
    longest: Duration | None = Field(
        None, description="Stopped after this long whatever happens. Absent: never."
    )
    active_while: Annotated[
        tuple[ActiveWhile, ...], BeforeValidator(values.check_not_text)
    ] = Field(
        ("kernels",),
        description="Work that counts as activity beside the person's own; `[]`: none.",
    )


class Profile(_Titled):
    """A thing on the spawn form: an image, and what goes with it."""

    display_name: Text | None = Field(None, description="Default: the slug.")
    description: Text | None = None
    experiment: Text | None = Field(
        None, description="Cards of one experiment stand together under its name."
    )
    image: Image | None = None
    image_pattern: ImagePattern | None = Field(
        None, description="People type their own image; it must match as a whole."
    )
    default: StrictBool = False
    hidden: StrictBool = Field(
        False, description="Not shown to those who may not have it."
    )
    allowed_groups: Groups | None = None
    sizes: Filled[Size] | None = Field(
        None, description="Absent: one, `default`, with 1 core and 2G."
    )
    gpus: Filled[Gpu] | None = None
    storage: Filled[Slug] | None = Field(
        None, description="Names of areas. Absent: every area."
    )
    dask: Slug | None = Field(
        None, description="An entry of `dask`. Absent: no clusters."
    )
    lifetime: Lifetime = Lifetime.model_construct()
    placement: Placement = Placement.model_construct()
    token: Token | None = None

    @property
    def offered_sizes(self) -> tuple[Size, ...]:
        """Return the sizes, or the one that a profile without sizes has."""
        return self.sizes or (DEFAULT_SIZE,)


class Backup(_Model):
    """How often generations are made of each tree of an area, and which are kept.

    Kept are the newest ``keep``, then the last of each hour and of each day, as many as
    ``hourly`` and ``daily`` say. ``budget`` is the space that all generations of the
    area may take: above it the oldest go first, the newest of a tree never.
    """

    every: Duration
    keep: Annotated[StrictInt, Field(ge=1, le=10000)]
    hourly: Annotated[StrictInt, Field(ge=0, le=10000)] = Field(
        24, description="How many hours have their last generation kept."
    )
    daily: Annotated[StrictInt, Field(ge=0, le=10000)] = Field(
        14, description="How many days (UTC) have their last generation kept."
    )
    budget: Memory | None = Field(
        None, description="Space of all generations of the area. Absent: no bound."
    )


class StorageArea(_Model):
    """A tree that outlives the server, at ``/af/<name>`` (kind cvmfs: ``/cvmfs``)."""

    name: Slug
    kind: Literal["private", "shared", "collab", "cvmfs"]
    claim: Text | None = Field(None, description="Kubernetes only: the volume claim.")
    access_mode: AccessMode = Field(
        "ReadWriteMany",
        description="Kubernetes only: how many nodes can mount the claim.",
    )
    quota: Memory | None = Field(
        None, description="Of each person's own tree, and of each collab folder."
    )
    class_name: Slug | None = Field(None, alias="class", description="Shared only.")
    folders: dict[Folder, Group] | None = Field(
        None, description="Collab only: folder name to the group that works in it."
    )
    lease_seconds: Annotated[StrictInt, Field(ge=5, le=3600)] | None = None
    backup: Backup | None = None
    optional: StrictBool = Field(
        False, description="Start also where the volume is absent."
    )


class DaskRule(_Model):
    """Ceilings of Dask clusters."""

    max_clusters: Annotated[StrictInt, Field(ge=1, le=1000)] = 1
    worker_cores: tuple[Cores, Cores] = (1.0, 1.0)
    worker_memory: tuple[Memory, Memory] = (1024**3, 1024**3)
    user_cores: Cores
    user_memory: Memory
    group_cores: dict[Group, Cores] = Field(default_factory=dict)
    idle_timeout: Duration
    detach: Duration = 0


class AuditRule(_Model):
    """How long the audit keeps what it knows, and what of people who are deleted."""

    keep: Duration = Field(
        400 * 86400, description="Older lines are removed; at least 1d."
    )
    on_delete: Literal["anonymise", "erase", "keep"] = Field(
        "anonymise",
        description="Lines about a deleted account: without the name, gone, or kept.",
    )


class Facility(_Model):
    """The whole facility, as its file says."""

    version: Annotated[Literal[1], BeforeValidator(values.check_version)]
    name: Text
    contact: Text = Field(description="Shown wherever something is refused.")
    iam: Iam
    access: LoginRule = LoginRule.model_construct()
    classes: tuple[ClassRoom, ...] = ()
    profiles: Filled[Profile]
    storage: Filled[StorageArea]
    dask: dict[Slug, DaskRule] = Field(default_factory=dict)
    audit: AuditRule = AuditRule.model_construct()

    def areas_of(self, profile: Profile) -> tuple[StorageArea, ...]:
        """Return the areas a profile names, in the file's order; without names, all."""
        if profile.storage is None:
            return self.storage
        return tuple(area for area in self.storage if area.name in profile.storage)

    def profile(self, slug: str) -> Profile | None:
        """Return the profile of that slug."""
        return self._profiles_by_slug.get(slug)

    @cached_property
    def _profiles_by_slug(self) -> dict[str, Profile]:
        return {profile.slug: profile for profile in self.profiles}

    @cached_property
    def _digest(self) -> str:
        text = self.model_dump_json(by_alias=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def class_room(self, name: str | None) -> ClassRoom | None:
        """Return the class of that name."""
        return next((room for room in self.classes if room.name == name), None)


DEFAULT_SIZE = Size.model_construct(
    slug="default", cores=1.0, memory=values.DEFAULT_MEMORY_BYTES, default=True
)


def replace_issuer(facility: Facility, issuer: str) -> Facility:
    """Return the facility with another issuer: `up` puts its demo IAM's there."""
    iam = facility.iam.model_copy(update={"issuer": issuer})
    # made anew and not copied: a copy would keep the digest of the first
    parts = {name: getattr(facility, name) for name in Facility.model_fields}
    return Facility.model_construct(**parts | {"iam": iam})


def facility_digest(facility: Facility) -> str:
    """Return 16 hexadecimal digits: equal where the facility is, in any process.

    The order of lists and maps counts: it is what people see.
    """
    return facility._digest
