"""One offer of profiles, said twice: as a facility and as KubeSpawner's profile list.

Every profile has a mark, such as ``q0017``, that is in each of its texts: whoever finds
it on a page has found the profile. A person has ten profiles by ten groups of their
own; ``facility/all`` opens every one.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Collection
from typing import Any

from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.facility_text import parse_facility

PROFILES = 500
ENTITLED = 10
EVERYTHING = "facility/all"
GIB = 1024**3
SIZES = (("small", 1, 2), ("medium", 2, 4), ("large", 4, 8))
MARK = re.compile(r"q\d{4}")


def mark(number: int) -> str:
    return f"q{number:04}"


def group_of(number: int) -> str:
    return f"experiment/{mark(number)}"


def texts(number: int) -> dict[str, str]:
    """Return what both sides show of a profile."""
    word = mark(number)
    return {
        "slug": f"analysis-{word}",
        "display_name": f"Analysis {word}",
        "description": f"Notebooks, ROOT and Dask for the people of {word} & friends.",
        "image": f"registry.example.org/af/{word}:5",
    }


def make_facility(
    *, hidden: Collection[int] = range(PROFILES), count: int = PROFILES
) -> Facility:
    """Return the facility; ``hidden`` profiles are not shown to those who may not."""
    profiles = [
        {
            **texts(number),
            "hidden": number in hidden,
            "allowed_groups": [group_of(number), EVERYTHING],
            "sizes": [
                {
                    "slug": slug,
                    "display_name": slug.title(),
                    "cores": cores,
                    "memory": f"{gib}G",
                }
                for slug, cores, gib in SIZES
            ],
        }
        for number in range(count)
    ]
    folders = {"GW": "experiment/gw", "HEP": "experiment/hep"}
    whole = {
        "version": 1,
        "name": "Benchmark facility",
        "contact": "support@example.org",
        "iam": {"issuer": "https://iam.example.org/"},
        "access": {"allowed_groups": ["experiment"]},
        "classes": [
            {
                "name": "hackathon",
                "students": "experiment/gw",
                "teachers": "experiment/hep",
            }
        ],
        "profiles": profiles,
        "storage": [
            {"name": "private", "kind": "private"},
            {"name": "shared", "kind": "shared", "class": "hackathon"},
            {"name": "collabspace", "kind": "collab", "folders": folders},
        ],
    }
    return parse_facility(json.dumps(whole))


def make_profile_list(
    count: int = PROFILES,
) -> list[tuple[frozenset[str], dict[str, Any]]]:
    """Return KubeSpawner's entries, each with the groups that open it."""
    return [
        (frozenset({group_of(number), EVERYTHING}), make_entry(number))
        for number in range(count)
    ]


def make_entry(number: int) -> dict[str, Any]:
    shown = texts(number)
    choices = {
        slug: {
            "display_name": f"{slug.title()}: {describe(cores)}, {gib} GiB of memory",
            "kubespawner_override": {"cpu_limit": float(cores), "mem_limit": gib * GIB},
        }
        for slug, cores, gib in SIZES
    }
    return {
        "slug": shown["slug"],
        "display_name": shown["display_name"],
        "description": shown["description"],
        "kubespawner_override": {
            "image": shown["image"],
            "environment": {"AF_PROFILE": shown["slug"]},
            "extra_labels": {"jupyterhub-af/profile": shown["slug"]},
        },
        "profile_options": {"size": {"display_name": "Size", "choices": choices}},
    }


def describe(cores: int) -> str:
    return "1 core" if cores == 1 else f"{cores} cores"


def people(
    count: int, *, of: int = PROFILES, entitled: int = ENTITLED, seed: int = 1
) -> list[tuple[str, frozenset[str], tuple[int, ...]]]:
    """Return names, groups and entitled profiles of people who differ from each other."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    found = []
    for number in range(count):
        profiles = tuple(sorted(chance.sample(range(of), entitled)))
        groups = {"experiment", "experiment/gw", *map(group_of, profiles)}
        found.append((f"person{number}", frozenset(groups), profiles))
    return found
