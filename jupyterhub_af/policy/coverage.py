"""Whether a server that runs could still be started with what its person may use today.

Asked of a recorded plan. It is about what a person may use and about nothing else: a
newer image, another number of cores or a longer list of areas is for the next start.
"""

from __future__ import annotations

from collections.abc import Iterable

from .access import Access, ProfileAccess
from .plan import ServerPlan, mounts_of
from .sentence import Sentence, say
from .storage import Mount
from .values import matches_pattern


def refuse_running(access: Access, plan: ServerPlan) -> Sentence | None:
    """Return why this plan could not be made today; None: it could, or more could.

    What the person may have beside it is never a reason.
    """
    if access.reason is not None:
        return access.reason
    found = access.profile(plan.profile)
    if found is None:
        return _gone(plan.profile_display_name)
    return (
        found.reason
        or _refuse_size(found, plan)
        or _refuse_gpu(found, plan)
        or _refuse_image(found, plan)
        or _refuse_mounts(access, found, plan)
    )


def _gone(title: str) -> Sentence:
    return say("{title} is not offered any more.", title=title)


def _refuse_size(found: ProfileAccess, plan: ServerPlan) -> Sentence | None:
    size = next((s for s in found.sizes if s.size.slug == plan.size), None)
    return _gone(plan.size) if size is None else size.reason


def _refuse_gpu(found: ProfileAccess, plan: ServerPlan) -> Sentence | None:
    if plan.gpu is None:
        return None
    gpu = next((g for g in found.gpus if g.gpu.slug == plan.gpu), None)
    return _gone(plan.gpu) if gpu is None else gpu.reason


def _refuse_image(found: ProfileAccess, plan: ServerPlan) -> Sentence | None:
    """Look at images that people type; one that the file names may be another by now."""
    pattern = found.profile.image_pattern
    if pattern is None or matches_pattern(pattern, plan.image):
        return None
    return say(
        "The image {image} is not one that {title} may run; it must match {pattern}.",
        image=repr(plan.image[:120]),
        title=found.profile.title,
        pattern=pattern,
    )


def _refuse_mounts(
    access: Access, found: ProfileAccess, plan: ServerPlan
) -> Sentence | None:
    today = mounts_of(access.facility, access, found.profile)
    lost = [mount for mount in plan.mounts if not _is_covered(mount, today)]
    if not lost:
        return None
    area = next((a for a in access.storage if a.area.name == lost[0].area), None)
    if area is not None and area.reason is not None:
        return area.reason
    return say(
        "Your groups no longer open {path} as this server has it.", path=lost[0].path
    )


def _is_covered(mount: Mount, today: Iterable[Mount]) -> bool:
    """Tell whether a mount of today shows as much of the volume, as writable.

    Backups need no look: they go with the tree that a mount beside them shows, and end
    where the facility keeps none any more.
    """
    return mount.kind == "backup" or any(_shows(now, mount) for now in today)


def _shows(now: Mount, mount: Mount) -> bool:
    is_there = f"{mount.source}/".startswith(f"{now.source}/")
    is_writable = mount.read_only or not now.read_only
    # the gid in the server is the folder's group's of when it was started
    is_same_group = mount.group in (None, now.group)
    return now.kind == mount.kind and is_there and is_writable and is_same_group
