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
from .sentence import Sentence, say
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
    if access.reason is not None:
        raise SelectionError(access.reason, rule="login")
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
        sentence = say(
            "The choice must be an object with {keys}.", keys=", ".join(OPTION_KEYS)
        )
        raise SelectionError(sentence, rule="option-malformed")
    options = {}
    for key, value in choice.items():
        if key not in OPTION_KEYS:
            raise SelectionError(unknown_option(key), rule="option-unknown")
        if not isinstance(value, str) or not value or len(value) > MAX_OPTION_LENGTH:
            sentence = say(
                "The option {key} must be a text of 1 to {most} characters.",
                key=key,
                most=MAX_OPTION_LENGTH,
            )
            raise SelectionError(sentence, rule="option-malformed")
        options[key] = value
    return options


def unknown_option(key: object) -> Sentence:
    """Return the words against a key that is no option."""
    return say(
        "{key} is not an option; the options are {keys}.",
        key=_shown(str(key)),
        keys=", ".join(OPTION_KEYS),
    )


def _shown(text: str, longest: int = 80) -> str:
    """Return a text that somebody sent, quoted, short, without control characters."""
    return repr(text[:longest])


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
        found = access.first_profile()
        if found is None:
            sentence = say("No profile of this facility is open to your groups.")
            raise SelectionError(sentence, rule="nothing-entitled")
        return found
    found = access.profile(slug)
    if found is None or not found.is_shown:
        raise SelectionError(_unknown_profile(access, slug), rule="profile-unknown")
    if found.reason is not None:
        raise SelectionError(found.reason, rule="profile-withheld")
    return found


def _unknown_profile(access: Access, slug: str) -> Sentence:
    """Return the words for a profile that is not there, or that nobody may know of."""
    slugs = [p.profile.slug for p in access.profiles if p.allowed]
    if not slugs:
        return say(
            "There is no profile {slug}, and none is open to your groups.",
            slug=_shown(slug),
        )
    return say(
        "There is no profile {slug}; you may choose: {slugs}.",
        slug=_shown(slug),
        slugs=", ".join(slugs),
    )


def _select_size(found: ProfileAccess, slug: str | None) -> Size:
    if slug is None:
        size = _first_allowed(found.sizes, [s.size.default for s in found.sizes])
    else:
        size = next((s for s in found.sizes if s.size.slug == slug), None)
    if size is None:
        sentence = say(
            "{title} has no size {slug}; you may choose: {slugs}.",
            title=found.profile.title,
            slug=_shown(str(slug)),
            slugs=", ".join(s.size.slug for s in found.sizes if s.allowed),
        )
        raise SelectionError(sentence, rule="size-unknown")
    if size.reason is not None:
        raise SelectionError(size.reason, rule="size-withheld")
    return size.size


def _select_gpu(found: ProfileAccess, slug: str | None) -> Gpu | None:
    if not found.gpus:
        if slug is None:
            return None
        sentence = say(
            "{title} has no GPU to choose; leave the option gpu out.",
            title=found.profile.title,
        )
        raise SelectionError(sentence, rule="gpu-unknown")
    if slug is None:
        gpu = _first_allowed(found.gpus, [g.gpu.default for g in found.gpus])
    else:
        gpu = next((g for g in found.gpus if g.gpu.slug == slug), None)
    if gpu is None:
        sentence = say(
            "{title} has no GPU choice {slug}; you may choose: {slugs}.",
            title=found.profile.title,
            slug=_shown(str(slug)),
            slugs=", ".join(g.gpu.slug for g in found.gpus if g.allowed),
        )
        raise SelectionError(sentence, rule="gpu-unknown")
    if gpu.reason is not None:
        raise SelectionError(gpu.reason, rule="gpu-withheld")
    return gpu.gpu


def _select_image(profile: Profile, image: str | None) -> str:
    if profile.image is not None:
        if image is not None:
            sentence = say(
                "{title} has an image of its own; leave the image out.",
                title=profile.title,
            )
            raise SelectionError(sentence, rule="image-not-chosen-here")
        return profile.image
    if image is None:
        sentence = say("{title} needs the image you want to run.", title=profile.title)
        raise SelectionError(sentence, rule="image-missing")
    if not is_image(image) or not matches_pattern(profile.image_pattern or "", image):
        sentence = say(
            "The image {image} is not one that {title} may run; it must match {pattern}.",
            image=_shown(image, 120),
            title=profile.title,
            pattern=profile.image_pattern,
        )
        raise SelectionError(sentence, rule="image-withheld")
    return image
