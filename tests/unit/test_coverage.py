"""What a server that runs is held to: the groups and the file of today."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import PEOPLE, demo_facility, edited, plan_of

from jupyterhub_af.policy.access import resolve_access
from jupyterhub_af.policy.coverage import refuse_running
from jupyterhub_af.policy.dask import grant_clusters
from jupyterhub_af.policy.errors import SelectionError
from jupyterhub_af.policy.facility_text import parse_facility
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.plan import ServerPlan, make_plan
from jupyterhub_af.policy.selection import select
from jupyterhub_af.policy.sentence import Sentence

ALL_GROUPS = sorted(frozenset().union(*PEOPLE.values()))
STUDENT = PEOPLE["student1"]
OWN_IMAGE = {"profile": "own-image", "image": "registry.example.org/users/a/b:1"}


def ask(plan: ServerPlan, groups, text: str = "") -> str | None:
    facility = parse_facility(text) if text else demo_facility()
    access = resolve_access(facility, make_identity(plan.user, groups))
    found = refuse_running(access, plan)
    if plan.dask is not None:
        # what ends a server gets no new workers either: they are made of the same plan
        grant = grant_clusters(access, plan)
        assert found is None or isinstance(grant, Sentence)
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("person", "choice", "groups", "words"),
    [
        pytest.param("student1", {}, STUDENT, None, id="nothing changed"),
        pytest.param(
            "student1", {}, STUDENT | {"cygno", "ml-infn"}, None, id="groups were added"
        ),
        pytest.param(
            "student1",
            {},
            STUDENT | {"hackathon/teachers"},
            None,
            id="a student became a teacher",
        ),
        pytest.param("student1", {}, (), "may not use", id="every group lost"),
        pytest.param(
            "student1",
            {},
            STUDENT - {"hackathon/gw"},
            "has folders for members of",
            id="the only folder's group lost",
        ),
        pytest.param(
            "student1",
            {},
            (STUDENT - {"hackathon/gw"}) | {"hackathon/hep"},
            "/af/collabspace/GW",
            id="one folder's group for another",
        ),
        pytest.param(
            "teacher1",
            {},
            {"hackathon", "hackathon/students"},
            "/af/shared as this server has it",
            id="a teacher became a student: the class is read-only",
        ),
        pytest.param(
            "teacher1", {}, {"hackathon"}, "is for the class", id="out of the class"
        ),
        pytest.param(
            "researcher1",
            {"size": "large"},
            {"ml-infn"},
            "is for members of the group cygno",
            id="a size's group lost, the profile open still",
        ),
        pytest.param(
            "researcher1",
            {"profile": "cygno"},
            {"ml-infn"},
            "is for members of the group cygno",
            id="a profile's group lost",
        ),
        pytest.param(
            "researcher2",
            {"profile": "ml-infn", "gpu": "whole"},
            STUDENT,
            "is for members of the group ml-infn",
            id="a GPU's group lost",
        ),
        pytest.param(
            "researcher2",
            {"profile": "ml-infn", "gpu": "slice"},
            STUDENT,
            None,
            id="another group opens the same",
        ),
        pytest.param(
            "researcher1", OWN_IMAGE, {"cygno"}, None, id="an image that was typed"
        ),
        pytest.param(
            "admin1",
            {},
            {"hackathon"},
            None,
            id="no administrator any more, but allowed",
        ),
    ],
)
def test_a_running_server_is_held_to_the_groups_of_today(person, choice, groups, words):
    found = ask(plan_of(person, **choice), groups)
    assert found is None if words is None else words in str(found)


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        pytest.param([("dodas:5", "dodas:6")], None, id="a newer image is for later"),
        pytest.param(
            [
                (
                    "slug: small, cores: 1, memory: 2G",
                    "slug: small, cores: 2, memory: 1G",
                )
            ],
            None,
            id="other numbers of a size are for later",
        ),
        pytest.param([("slug: small", "slug: tiny")], "small is not", id="a size gone"),
        pytest.param(
            [("slug: dodas-v5", "slug: dodas-v6")],
            "DODAS V5 is not offered any more.",
            id="a profile gone",
        ),
        pytest.param(
            [("GW: hackathon/gw", "GW: hackathon/students")],
            "/af/collabspace/GW",
            id="a folder is another group's",
        ),
        pytest.param(
            [(", backup: {every: 15m, keep: 48}", "")], None, id="backups switched off"
        ),
    ],
)
def test_an_edit_counts_as_far_as_it_is_about_access(edits, words):
    found = ask(plan_of("student1"), STUDENT, edited(*edits))
    assert found is None if words is None else words in str(found)


def test_an_image_that_the_pattern_no_longer_lets_in_is_refused():
    text = edited(
        (r"registry\.example\.org/users/", r"registry\.example\.org/checked/")
    )
    found = ask(plan_of("researcher1", **OWN_IMAGE), {"cygno"}, text)
    assert "registry.example.org/users/a/b:1" in found
    assert "must match" in found


def test_a_gpu_choice_that_is_gone_is_refused():
    plan = plan_of("researcher2", profile="ml-infn", gpu="slice")
    assert "gone is not offered" in ask(replace(plan, gpu="gone"), {"ml-infn"})


groups_of_people = st.frozensets(st.sampled_from(ALL_GROUPS))
choices = st.sampled_from(
    [
        {},
        {"size": "large"},
        {"profile": "cygno"},
        OWN_IMAGE,
        *({"profile": "ml-infn", "gpu": gpu} for gpu in ("none", "slice", "whole")),
    ]
)


def made(groups: frozenset[str], choice) -> ServerPlan | None:
    """Return the plan of somebody with these groups, None if they get none."""
    access = resolve_access(demo_facility(), make_identity("anna", groups))
    try:
        found = select(access, choice)
    except SelectionError:
        return None
    return make_plan(
        demo_facility(), access, found, start_id="s", server_name="", ids=None
    )


@settings(max_examples=300)
@given(at_start=groups_of_people, choice=choices)
def test_the_plan_just_made_is_covered(at_start, choice):
    plan = made(at_start, choice)
    assert plan is None or ask(plan, at_start) is None


@settings(max_examples=300)
@given(
    at_start=groups_of_people,
    now=groups_of_people,
    lost=groups_of_people,
    choice=choices,
)
def test_losing_a_group_never_opens_what_was_refused(at_start, now, lost, choice):
    plan = made(at_start, choice)
    if plan is not None and ask(plan, now) is not None:
        assert ask(plan, now - lost) is not None
