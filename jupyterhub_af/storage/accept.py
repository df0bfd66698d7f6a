"""Which plans the agent obeys: the last check before power over everybody's files.

The hub is trusted to say who somebody is, not to be free of faults: names are made
again, sources are compared with where they must lie, and numbers outside the ranges of
people and groups (root, system accounts, "no change") are refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from jupyterhub_af.policy.errors import UnsafeNameError
from jupyterhub_af.policy.names import check_component, check_relative, make_slug
from jupyterhub_af.policy.plan import ServerPlan
from jupyterhub_af.policy.storage import Directory, Mount, directories_of

from .errors import PlanError

_MOST_MOUNTS = 256
# uids and gids are 32 bits wide and the highest means "leave as it is"
_ABOVE_GIDS = 2**31


@dataclass(frozen=True, slots=True)
class IdRanges:
    """Where people's uids (and own gids) begin, and where groups' gids begin."""

    first_uid: int = 1_000_001
    first_gid: int = 2_000_001

    def is_person(self, number: int) -> bool:
        """Tell whether a number may be a person's uid or own gid."""
        return self.first_uid <= number < self.first_gid

    def is_group(self, number: int) -> bool:
        """Tell whether a number may be a group's gid."""
        return self.first_gid <= number < _ABOVE_GIDS


@dataclass(frozen=True, slots=True)
class Owners:
    """Who owns what the agent makes: numbers of the person, the agent and the groups.

    ``is_enforced`` is False where the agent is an ordinary user, who can give nothing
    away.
    """

    person: tuple[int, int]
    agent: tuple[int, int]
    gids: dict[str, int]
    is_enforced: bool
    ranges: IdRanges

    def of(self, directory: Directory) -> tuple[int, int]:
        """Return uid and gid of a directory."""
        uid, gid = self.person if directory.owner == "person" else self.agent
        return uid, gid if directory.group is None else self.gids[directory.group]

    def is_somebody_else(self, uid: int) -> bool:
        """Tell whether a uid is another person's than the plan's."""
        return self.ranges.is_person(uid) and uid != self.person[0]


@dataclass(frozen=True, slots=True)
class AreaWork:
    """The directories one area of a plan needs, parents first."""

    area: str
    directories: tuple[Directory, ...]


def accept_owners(
    plan: ServerPlan, ranges: IdRanges, *, agent: tuple[int, int]
) -> Owners:
    """Return the owners a plan asks for.

    Raises
    ------
    PlanError
        If a number is missing or outside its range.
    """
    uid = _check_person(plan.uid, "uid", ranges)
    gid = _check_person(plan.gid, "gid", ranges)
    gids = {
        group: _check_group(group, number, ranges)
        for group, number in plan.gids.items()
    }
    return Owners((uid, gid), agent, gids, is_enforced=agent[0] == 0, ranges=ranges)


def accept_work(plan: ServerPlan) -> tuple[AreaWork, ...]:
    """Return what must exist for a plan, area by area, in the order of its mounts.

    Raises
    ------
    PlanError
        If the plan's directory is not its person's, a source lies elsewhere, or a
        group has no number.
    """
    if plan.person != make_slug(plan.user):
        msg = f"The directory {plan.person[:80]!r} is not that of {plan.user[:80]!r}."
        raise PlanError(msg, rule="plan-person")
    if len(plan.mounts) > _MOST_MOUNTS:
        msg = f"The plan has {len(plan.mounts)} mounts; {_MOST_MOUNTS} are allowed."
        raise PlanError(msg)
    by_area: dict[str, list[Mount]] = {}
    for mount in plan.mounts:
        by_area.setdefault(mount.area, []).append(mount)
    try:
        return tuple(_area_work(area, mounts, plan) for area, mounts in by_area.items())
    except UnsafeNameError as error:
        raise PlanError(str(error), rule="plan-source") from error


def _area_work(area: str, mounts: list[Mount], plan: ServerPlan) -> AreaWork:
    directories = directories_of(mounts, person=plan.person)
    for directory in directories:
        check_relative(directory.path)
        if directory.group is not None and directory.group not in plan.gids:
            msg = f"The plan has no gid for the group {directory.group!r}."
            raise PlanError(msg, rule="plan-ids")
    return AreaWork(check_component(area), directories)


def _check_person(number: int | None, word: str, ranges: IdRanges) -> int:
    if number is None or not ranges.is_person(number):
        msg = (
            f"The plan's {word} is {number}; people have numbers from "
            f"{ranges.first_uid} to {ranges.first_gid - 1}."
        )
        raise PlanError(msg, rule="plan-ids")
    return number


def _check_group(group: str, number: int | None, ranges: IdRanges) -> int:
    if number is None or not ranges.is_group(number):
        msg = (
            f"The plan's gid of {group[:80]!r} is {number}; groups have numbers from "
            f"{ranges.first_gid} to {_ABOVE_GIDS - 1}."
        )
        raise PlanError(msg, rule="plan-ids")
    return number
