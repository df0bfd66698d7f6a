"""What a person may use, and why not the rest: the one place that compares groups.

``resolve_access`` is asked at login, for the form, at every start, when mounts are
made, in the service and by the command line; nobody else decides. Words: a thing is
*allowed* or *withheld*, and what is withheld has a *reason* that a student understands.

Nothing is allowed by being unknown: every answer falls through to "no", and being an
administrator opens no profile, area or folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from .facility import ClassRoom, DaskRule, Facility, Gpu, Profile, Size
from .identity import Identity
from .sentence import Sentence, say
from .storage import AreaAccess, resolve_storage

Role = Literal["student", "teacher"]
_FOR_ONE = {
    "login": "The account {user} may not use {facility}: it is for members of the group "
    "{groups}. Ask {contact}.",
    "profile": "{title} is for members of the group {groups}.",
    "size": "The size {title} is for members of the group {groups}.",
    "gpu": "The GPU choice {title} is for members of the group {groups}.",
}
_FOR_SEVERAL = {
    "login": "The account {user} may not use {facility}: it is for members of one of "
    "the groups {groups}. Ask {contact}.",
    "profile": "{title} is for members of one of the groups {groups}.",
    "size": "The size {title} is for members of one of the groups {groups}.",
    "gpu": "The GPU choice {title} is for members of one of the groups {groups}.",
}


@dataclass(frozen=True, slots=True)
class SizeAccess:
    """A size, and whether it may be chosen."""

    size: Size
    allowed: bool
    reason: Sentence | None


@dataclass(frozen=True, slots=True)
class GpuAccess:
    """A choice of accelerators, and whether it may be chosen."""

    gpu: Gpu
    allowed: bool
    reason: Sentence | None


@dataclass(frozen=True, slots=True)
class ProfileAccess:
    """A profile, whether it may be chosen, and the same of its sizes and GPUs."""

    profile: Profile
    allowed: bool
    reason: Sentence | None
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
    allowed: bool
    reason: Sentence | None
    group_cores: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class ClassAccess:
    """A class and what the person is in it, or why nothing."""

    name: str
    role: Role | None
    reason: Sentence | None

    @property
    def allowed(self) -> bool:
        """Tell whether the person is in the class at all."""
        return self.role is not None


@dataclass(frozen=True, slots=True)
class Place:
    """What a kind of spawner cannot start here, and why: asked of one thing at a time."""

    profile: Callable[[Profile], Sentence | None]
    gpu: Callable[[Gpu], Sentence | None]


@dataclass(frozen=True)
class Access:
    """Everything a person may use; ``reason`` says why they may not log in.

    Each part is worked out when it is first asked for, so that one start does not pay
    for five hundred profiles; the answers are those of one moment all the same, since
    facility and identity are frozen.
    """

    facility: Facility
    identity: Identity
    admin: bool
    reason: Sentence | None
    place: Place | None = None

    @property
    def may_log_in(self) -> bool:
        """Tell whether the person may log in at all."""
        return self.reason is None

    @property
    def wanted_groups(self) -> tuple[str, ...]:
        """Return the groups that let people in; empty: everybody the IAM knows."""
        return self.facility.access.allowed_groups or ()

    @cached_property
    def profiles(self) -> tuple[ProfileAccess, ...]:
        """Return every profile of the file, in file order."""
        return tuple(self._look_at(p) for p in self.facility.profiles)

    @cached_property
    def shown_profiles(self) -> tuple[ProfileAccess, ...]:
        """Return those that the form shows, without a look into the hidden rest."""
        may_show = (p for p in self.facility.profiles if self._may_show(p))
        looked_at = (self._look_at(p) for p in may_show)
        return tuple(found for found in looked_at if found.is_shown)

    def profile(self, slug: str) -> ProfileAccess | None:
        """Return the profile of that slug, without looking at any other."""
        profile = self.facility.profile(slug)
        return None if profile is None else self._look_at(profile)

    def first_profile(self) -> ProfileAccess | None:
        """Return the default if it is allowed, else the first that is, in file order."""
        in_turn = sorted(self.facility.profiles, key=lambda p: not p.default)
        looked_at = (self._look_at(p) for p in in_turn)
        return next((found for found in looked_at if found.allowed), None)

    @cached_property
    def storage(self) -> tuple[AreaAccess, ...]:
        """Return every area of the file, in file order."""
        return resolve_storage(
            self.facility,
            user=self.identity.user,
            role_in=self.role_in,
            is_member=lambda group: _is_any_member(self.identity, (group,)),
            login_reason=self.reason,
        )

    @cached_property
    def dask(self) -> tuple[DaskAccess, ...]:
        """Return every Dask entry of the file, in file order."""
        entries = self.facility.dask.items()
        return tuple(self._look_at_dask(name, rule) for name, rule in entries)

    @cached_property
    def classes(self) -> tuple[ClassAccess, ...]:
        """Return every class of the file, in file order."""
        return tuple(self._look_at_class(room) for room in self.facility.classes)

    def role_in(self, class_name: str) -> Role | None:
        """Return what the person is in a class."""
        return next((c.role for c in self.classes if c.name == class_name), None)

    def _may_show(self, profile: Profile) -> bool:
        """Tell what can be told of a profile before its sizes are looked at."""
        if not profile.hidden:
            return True
        return self.may_log_in and _may_use(self.identity, profile.allowed_groups)

    def _look_at(self, profile: Profile) -> ProfileAccess:
        found = _profile_access(profile, self.identity, self.reason)
        return found if self.place is None else _limit_profile(found, self.place)

    def _look_at_dask(self, name: str, rule: DaskRule) -> DaskAccess:
        reason = self.reason
        if reason is None and not any(
            found.allowed for found in self.profiles if found.profile.dask == name
        ):
            reason = say(
                "No profile that is open to your groups has the Dask clusters {name}.",
                name=name,
            )
        cores = tuple(
            (group, float(cores))
            for group, cores in rule.group_cores.items()
            if _is_any_member(self.identity, (group,))
        )
        return DaskAccess(name, rule, reason is None, reason, cores)

    def _look_at_class(self, room: ClassRoom) -> ClassAccess:
        role = None if self.reason else _role_in(room, self.identity)
        reason = self.reason
        if reason is None and role is None:
            reason = say(
                "The class {name} is for members of {students} (students) and "
                "{teachers} (teachers).",
                name=room.name,
                students=room.students,
                teachers=room.teachers,
            )
        return ClassAccess(room.name, role, reason)


def resolve_access(facility: Facility, identity: Identity) -> Access:
    """Return what a person may use in a facility, with a reason for all the rest.

    Every profile, size, GPU and area of the file is in the answer, in file order.
    """
    admin = _is_any_member(identity, facility.access.admin_groups or ())
    may_log_in = admin or _may_use(identity, facility.access.allowed_groups)
    reason = None if may_log_in else _login_reason(facility, identity)
    return Access(facility, identity, admin, reason)


def limit_access(access: Access, place: Place) -> Access:
    """Return the access without what a place cannot start, with the place's reasons.

    A reason that is there already stays: whom a thing is for comes before where it runs.
    """
    return replace(access, place=place)


def _is_any_member(identity: Identity, groups: Iterable[str]) -> bool:
    """Compare groups: exactly, as full paths, case-sensitively."""
    return not identity.groups.isdisjoint(groups)


def _may_use(identity: Identity, allowed_groups: tuple[str, ...] | None) -> bool:
    """Apply an ``allowed_groups`` key: absent opens to everybody who may log in."""
    if allowed_groups is None:
        return True
    return _is_any_member(identity, allowed_groups)


def _login_reason(facility: Facility, identity: Identity) -> Sentence:
    groups = facility.access.allowed_groups or ()
    template = (_FOR_ONE if len(groups) == 1 else _FOR_SEVERAL)["login"]
    return say(
        template,
        user=identity.user,
        facility=facility.name,
        groups=", ".join(groups),
        contact=facility.contact,
    )


def _withheld(
    kind: str, title: str, allowed_groups: tuple[str, ...] | None
) -> Sentence:
    groups = allowed_groups or ()
    template = (_FOR_ONE if len(groups) == 1 else _FOR_SEVERAL)[kind]
    return say(template, title=title, groups=", ".join(groups))


def _profile_access(
    profile: Profile, identity: Identity, login_reason: Sentence | None
) -> ProfileAccess:
    reason = login_reason
    if reason is None and not _may_use(identity, profile.allowed_groups):
        reason = _withheld("profile", profile.title, profile.allowed_groups)
    sizes = tuple(
        _size_access(size, identity, reason) for size in profile.offered_sizes
    )
    gpus = tuple(_gpu_access(gpu, identity, reason) for gpu in profile.gpus or ())
    if reason is None:
        reason = _nothing_left(profile, sizes, gpus)
    return ProfileAccess(profile, reason is None, reason, sizes, gpus)


def _nothing_left(
    profile: Profile, sizes: tuple[SizeAccess, ...], gpus: tuple[GpuAccess, ...]
) -> Sentence | None:
    """Return why a profile whose every size or GPU is withheld cannot start at all."""
    if not any(size.allowed for size in sizes):
        return say("No size of {title} is open to your groups.", title=profile.title)
    if gpus and not any(gpu.allowed for gpu in gpus):
        return say(
            "No GPU choice of {title} is open to your groups.", title=profile.title
        )
    return None


def _size_access(size: Size, identity: Identity, reason: Sentence | None) -> SizeAccess:
    if reason is None and not _may_use(identity, size.allowed_groups):
        reason = _withheld("size", size.title, size.allowed_groups)
    return SizeAccess(size, reason is None, reason)


def _gpu_access(gpu: Gpu, identity: Identity, reason: Sentence | None) -> GpuAccess:
    if reason is None and not _may_use(identity, gpu.allowed_groups):
        reason = _withheld("gpu", gpu.title, gpu.allowed_groups)
    return GpuAccess(gpu, reason is None, reason)


def _role_in(room: ClassRoom, identity: Identity) -> Role | None:
    """Return the person's role in a class; who is in both groups is a teacher."""
    if _is_any_member(identity, (room.teachers,)):
        return "teacher"
    if _is_any_member(identity, (room.students,)):
        return "student"
    return None


def _limit_profile(found: ProfileAccess, place: Place) -> ProfileAccess:
    gpus = tuple(_limit_gpu(item, place) for item in found.gpus)
    reason = found.reason or place.profile(found.profile)
    if reason is None and gpus and not any(item.allowed for item in gpus):
        # some choice is open to the person's groups, so it is the place that has none
        open_here = zip(found.gpus, gpus, strict=True)
        reason = next(now.reason for before, now in open_here if before.allowed)
    return replace(found, allowed=reason is None, reason=reason, gpus=gpus)


def _limit_gpu(item: GpuAccess, place: Place) -> GpuAccess:
    reason = item.reason or place.gpu(item.gpu)
    return replace(item, allowed=reason is None, reason=reason)
