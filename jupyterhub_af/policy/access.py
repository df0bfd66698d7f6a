"""What a person may use, and why not the rest: the one place that compares groups.

``resolve_access`` is asked at login, for the form, at every start, when mounts are
made, in the service and by the command line; nobody else decides. Words: a thing is
*allowed* or *withheld*, and what is withheld has a *reason* that a student understands.

Nothing is allowed by being unknown: every answer falls through to "no", and being an
administrator opens no profile, area or folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from .facility import ClassRoom, DaskRule, Facility, Gpu, Profile, Size
from .identity import Identity
from .storage import AreaAccess, resolve_storage

Role = Literal["student", "teacher"]


@dataclass(frozen=True, slots=True)
class SizeAccess:
    """A size, and whether it may be chosen."""

    size: Size
    allowed: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class GpuAccess:
    """A choice of accelerators, and whether it may be chosen."""

    gpu: Gpu
    allowed: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class ProfileAccess:
    """A profile, whether it may be chosen, and the same of its sizes and GPUs."""

    profile: Profile
    allowed: bool
    reason: str | None
    sizes: tuple[SizeAccess, ...]
    gpus: tuple[GpuAccess, ...]

    @property
    def is_shown(self) -> bool:
        """Tell whether the form shows it: hidden ones only to those who may have them."""
        return self.allowed or not self.profile.hidden


@dataclass(frozen=True, slots=True)
class DaskAccess:
    """The ceilings of one Dask entry, cut to a person's groups."""

    name: str
    rule: DaskRule
    group_cores: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class ClassAccess:
    """A class and what the person is in it."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Access:
    """Everything a person may use; ``reason`` says why they may not log in."""

    identity: Identity
    admin: bool
    may_log_in: bool
    reason: str | None
    wanted_groups: tuple[str, ...]
    profiles: tuple[ProfileAccess, ...]
    storage: tuple[AreaAccess, ...]
    dask: tuple[DaskAccess, ...]
    classes: tuple[ClassAccess, ...]

    def profile(self, slug: str) -> ProfileAccess | None:
        """Return the profile of that slug."""
        return next((p for p in self.profiles if p.profile.slug == slug), None)

    def role_in(self, class_name: str) -> Role | None:
        """Return what the person is in a class."""
        return next((c.role for c in self.classes if c.name == class_name), None)


def resolve_access(facility: Facility, identity: Identity) -> Access:
    """Return what a person may use in a facility, with a reason for all the rest.

    Every profile, size, GPU and area of the file is in the answer, in file order.
    """
    admin = _is_any_member(identity, facility.access.admin_groups or ())
    may_log_in = admin or _may_use(identity, facility.access.allowed_groups)
    reason = None if may_log_in else _login_reason(facility, identity)
    classes = tuple(
        c for room in facility.classes for c in _class_access(room, identity)
    )
    return Access(
        identity=identity,
        admin=admin,
        may_log_in=may_log_in,
        reason=reason,
        wanted_groups=facility.access.allowed_groups or (),
        profiles=tuple(_profile_access(p, identity, reason) for p in facility.profiles),
        storage=resolve_storage(
            facility,
            user=identity.user,
            roles={c.name: c.role for c in classes},
            is_member=lambda group: _is_any_member(identity, (group,)),
            login_reason=reason,
        ),
        dask=_dask_access(facility, identity) if may_log_in else (),
        classes=classes if may_log_in else (),
    )


def _is_any_member(identity: Identity, groups: Iterable[str]) -> bool:
    """Compare groups: exactly, as full paths, case-sensitively."""
    return any(group in identity.groups for group in groups)


def _may_use(identity: Identity, allowed_groups: tuple[str, ...] | None) -> bool:
    """Apply an ``allowed_groups`` key: absent opens to everybody who may log in."""
    if allowed_groups is None:
        return True
    return _is_any_member(identity, allowed_groups)


def _login_reason(facility: Facility, identity: Identity) -> str:
    groups = facility.access.allowed_groups or ()
    return (
        f"The account {identity.user} may not use {facility.name}: it is for members of "
        f"{_any_of(groups)}. Ask {facility.contact}."
    )


def _any_of(groups: tuple[str, ...]) -> str:
    """Return groups as a student reads them: ``the group a``, ``one of the groups a, b``."""
    if len(groups) == 1:
        return f"the group {groups[0]}"
    return f"one of the groups {', '.join(groups)}"


def _withheld(title: str, allowed_groups: tuple[str, ...] | None) -> str:
    return f"{title} is for members of {_any_of(allowed_groups or ())}."


def _profile_access(
    profile: Profile, identity: Identity, login_reason: str | None
) -> ProfileAccess:
    reason = login_reason
    if reason is None and not _may_use(identity, profile.allowed_groups):
        reason = _withheld(profile.title, profile.allowed_groups)
    sizes = tuple(
        _size_access(size, identity, reason) for size in profile.offered_sizes
    )
    gpus = tuple(_gpu_access(gpu, identity, reason) for gpu in profile.gpus or ())
    if reason is None:
        reason = _nothing_left(profile, sizes, gpus)
    return ProfileAccess(profile, reason is None, reason, sizes, gpus)


def _nothing_left(
    profile: Profile, sizes: tuple[SizeAccess, ...], gpus: tuple[GpuAccess, ...]
) -> str | None:
    """Return why a profile whose every size or GPU is withheld cannot start at all."""
    if not any(size.allowed for size in sizes):
        return f"No size of {profile.title} is open to your groups."
    if gpus and not any(gpu.allowed for gpu in gpus):
        return f"No GPU choice of {profile.title} is open to your groups."
    return None


def _size_access(size: Size, identity: Identity, reason: str | None) -> SizeAccess:
    if reason is None and not _may_use(identity, size.allowed_groups):
        reason = _withheld(
            f"The size {size.display_name or size.slug}", size.allowed_groups
        )
    return SizeAccess(size, reason is None, reason)


def _gpu_access(gpu: Gpu, identity: Identity, reason: str | None) -> GpuAccess:
    if reason is None and not _may_use(identity, gpu.allowed_groups):
        reason = _withheld(
            f"The GPU choice {gpu.display_name or gpu.slug}", gpu.allowed_groups
        )
    return GpuAccess(gpu, reason is None, reason)


def _class_access(room: ClassRoom, identity: Identity) -> tuple[ClassAccess, ...]:
    """Return the person's role in a class; who is in both groups is a teacher."""
    if _is_any_member(identity, (room.teachers,)):
        return (ClassAccess(room.name, "teacher"),)
    if _is_any_member(identity, (room.students,)):
        return (ClassAccess(room.name, "student"),)
    return ()


def _dask_access(facility: Facility, identity: Identity) -> tuple[DaskAccess, ...]:
    return tuple(
        DaskAccess(
            name,
            rule,
            tuple(
                (group, float(cores))
                for group, cores in rule.group_cores.items()
                if _is_any_member(identity, (group,))
            ),
        )
        for name, rule in facility.dask.items()
    )


def limit_access(
    access: Access, *, profiles: Mapping[str, str], gpus: Mapping[tuple[str, str], str]
) -> Access:
    """Return the access without what this place cannot start, with the place's reasons.

    ``profiles`` has the reason by slug, ``gpus`` by profile and GPU slug. A reason that
    is there already stays: whom a thing is for comes before where it runs.
    """
    limited = tuple(_limit_profile(found, profiles, gpus) for found in access.profiles)
    return replace(access, profiles=limited)


def _limit_profile(
    found: ProfileAccess,
    profiles: Mapping[str, str],
    gpus: Mapping[tuple[str, str], str],
) -> ProfileAccess:
    slug = found.profile.slug
    limited = tuple(
        replace(item, allowed=False, reason=gpus[slug, item.gpu.slug])
        if item.allowed and (slug, item.gpu.slug) in gpus
        else item
        for item in found.gpus
    )
    reason = (
        found.reason
        or profiles.get(slug)
        or _nothing_left(found.profile, found.sizes, limited)
    )
    return replace(found, allowed=reason is None, reason=reason, gpus=limited)
