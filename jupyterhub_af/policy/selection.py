"""A person's choice against their access: a ``Selection``, or a refusal in words.

The choice is exactly what the spawn API takes as ``user_options``: ``profile``,
``size``, ``gpu``, ``image``. An absent part takes the default if the person may have
it, else the first they may have, in file order. Null, empty and unknown are not
absent: they are refused. A hidden profile is refused with the words of an unknown one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .access import Access, GpuAccess, ProfileAccess, SizeAccess
from .errors import SelectionError
from .facility import Gpu, Profile, Size
from .values import MAX_IMAGE_LENGTH, is_image, matches_pattern

OPTION_KEYS = ("profile", "size", "gpu", "image")
MAX_OPTION_LENGTH = MAX_IMAGE_LENGTH
_A = TypeVar("_A", ProfileAccess, SizeAccess, GpuAccess)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a server will be: every part chosen and allowed."""

    profile: Profile
    size: Size
    gpu: Gpu | None
    image: str


def select(access: Access, choice: Mapping[str, object]) -> Selection:
    """Return the selection a choice stands for.

    Raises
    ------
    SelectionError
        If the person may not log in, or a part is unknown, malformed or withheld.
    """
    if not access.may_log_in:
        raise SelectionError(access.reason or "", rule="login")
    options = _check_options(choice)
    found = _select_profile(access, options.get("profile"))
    size = _select_size(found, options.get("size"))
    gpu = _select_gpu(found, options.get("gpu"))
    return Selection(
        found.profile, size, gpu, _select_image(found.profile, options.get("image"))
    )


def _check_options(choice: Mapping[str, object]) -> dict[str, str]:
    """Return the options as text, or refuse keys and values that cannot be one."""
    if not isinstance(choice, Mapping):
        msg = f"The choice must be an object with {', '.join(OPTION_KEYS)}."
        raise SelectionError(msg, rule="option-malformed")
    options = {}
    for key, value in choice.items():
        if key not in OPTION_KEYS:
            msg = f"{str(key)[:80]!r} is not an option; the options are {', '.join(OPTION_KEYS)}."
            raise SelectionError(msg, rule="option-unknown")
        if not isinstance(value, str) or not value or len(value) > MAX_OPTION_LENGTH:
            msg = f"The option {key} must be a text of 1 to {MAX_OPTION_LENGTH} characters."
            raise SelectionError(msg, rule="option-malformed")
        options[key] = value
    return options


def _first_allowed(items: Sequence[_A], is_default: Sequence[bool]) -> _A | None:
    """Return the default if it is allowed, else the first that is."""
    allowed = [
        (item, default)
        for item, default in zip(items, is_default, strict=True)
        if item.allowed
    ]
    return next(
        (item for item, default in allowed if default),
        allowed[0][0] if allowed else None,
    )


def _select_profile(access: Access, slug: str | None) -> ProfileAccess:
    if slug is None:
        defaults = [p.profile.default for p in access.profiles]
        found = _first_allowed(access.profiles, defaults)
        if found is None:
            msg = "No profile of this facility is open to your groups."
            raise SelectionError(msg, rule="nothing-entitled")
        return found
    found = access.profile(slug)
    if found is None or not found.is_shown:
        shown = (
            ", ".join(p.profile.slug for p in access.profiles if p.allowed) or "none"
        )
        msg = f"There is no profile {slug[:80]!r}; you may choose: {shown}."
        raise SelectionError(msg, rule="profile-unknown")
    if not found.allowed:
        raise SelectionError(found.reason or "", rule="profile-withheld")
    return found


def _select_size(found: ProfileAccess, slug: str | None) -> Size:
    if slug is None:
        size = _first_allowed(found.sizes, [s.size.default for s in found.sizes])
    else:
        size = next((s for s in found.sizes if s.size.slug == slug), None)
    if size is None:
        known = ", ".join(s.size.slug for s in found.sizes if s.allowed)
        msg = f"{found.profile.title} has no size {str(slug)[:80]!r}; you may choose: {known}."
        raise SelectionError(msg, rule="size-unknown")
    if not size.allowed:
        raise SelectionError(size.reason or "", rule="size-withheld")
    return size.size


def _select_gpu(found: ProfileAccess, slug: str | None) -> Gpu | None:
    if not found.gpus and slug is None:
        return None
    if slug is None:
        gpu = _first_allowed(found.gpus, [g.gpu.default for g in found.gpus])
    else:
        gpu = next((g for g in found.gpus if g.gpu.slug == slug), None)
    if gpu is None:
        known = ", ".join(g.gpu.slug for g in found.gpus if g.allowed) or "nothing"
        msg = f"{found.profile.title} has no GPU choice {str(slug)[:80]!r}; you may choose: {known}."
        raise SelectionError(msg, rule="gpu-unknown")
    if not gpu.allowed:
        raise SelectionError(gpu.reason or "", rule="gpu-withheld")
    return gpu.gpu


def _select_image(profile: Profile, image: str | None) -> str:
    if profile.image is not None:
        if image is not None:
            msg = f"{profile.title} has an image of its own; leave the image out."
            raise SelectionError(msg, rule="image-not-chosen-here")
        return profile.image
    if image is None:
        msg = f"{profile.title} needs the image you want to run."
        raise SelectionError(msg, rule="image-missing")
    if not is_image(image) or not matches_pattern(profile.image_pattern or "", image):
        msg = (
            f"The image {image[:120]!r} is not one that {profile.title} may run; "
            f"it must match {profile.image_pattern}."
        )
        raise SelectionError(msg, rule="image-withheld")
    return image
