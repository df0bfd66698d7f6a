"""Which images of a facility one machine stands in for: it builds their environments.

An environment takes up to a minute and more than a gigabyte, and most people want one of
them: so it is the default profile's alone unless whoever starts the facility names more.
The profiles of the others say on the form that their image was not built here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jupyterhub_af.policy.facility import Facility

from .environments import cache_dir, ensure_environment, find_images_dir, image_name
from .layout import LocalError

ALL = "all"


@dataclass(frozen=True, slots=True)
class Offer:
    """Image reference to folder of images/, for what is built; titles of the rest."""

    images: dict[str, str]
    left_out: tuple[str, ...]


def choose_images(facility: Facility, images: Path, wanted: Sequence[str]) -> Offer:
    """Return what this machine offers of a facility: the default's image and the wanted.

    Raises
    ------
    LocalError
        If a wanted image is none that a profile of the facility has here.
    """
    here = {
        p.image: name
        for p in sorted(facility.profiles, key=lambda p: not p.default)
        if p.image and (name := image_name(p.image)) and (images / name).is_dir()
    }
    names = list(dict.fromkeys(here.values()))
    for unknown in (name for name in wanted if name not in (ALL, *names)):
        known = ", ".join([*names, ALL])
        msg = f"--images: no profile here has the image {unknown!r}; known: {known}."
        raise LocalError(msg)
    chosen = names if ALL in wanted else [*names[:1], *wanted]
    return Offer(
        {reference: name for reference, name in here.items() if name in chosen},
        tuple(
            p.title
            for p in facility.profiles
            if p.image in here and here[p.image] not in chosen
        ),
    )


def ensure_environments(
    facility: Facility, wanted: Sequence[str], say: Callable[[str], None]
) -> dict[str, str]:
    """Return image reference to environment, and say which profiles have none here."""
    wheels = sorted((Path(sys.prefix) / "share/jupyterhub-af/wheels").glob("*.whl"))
    if not wheels:
        msg = "The Lab extension (jupyterlab-af) is not built yet: make setup"
        raise LocalError(msg)
    images = find_images_dir()
    offer = choose_images(facility, images, wanted)
    built = {
        name: str(
            ensure_environment(
                images / name, cache=cache_dir(), wheels=wheels, uv=_find_uv(), say=say
            )
        )
        for name in sorted(set(offer.images.values()))
    }
    if offer.left_out:
        say(
            f"Not built here: {', '.join(offer.left_out)}. With --images all they are "
            "too: up to a minute and 2 GB each, only once."
        )
    return {reference: built[name] for reference, name in offer.images.items()}


def _find_uv() -> Path | None:
    """Return the installer that set-up left beside this Python, if it did."""
    path = Path(sys.prefix) / "share/jupyterhub-af/tools/bin/uv"
    return path if os.access(path, os.X_OK) else None
