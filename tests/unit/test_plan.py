from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import (
    FACILITY_TEXT,
    FIRST_GROUP_GID,
    PEOPLE,
    UID,
    access_of,
    demo_facility,
    edited,
    plan_of,
)

from jupyterhub_af.policy.access import resolve_access
from jupyterhub_af.policy.errors import SelectionError
from jupyterhub_af.policy.facility import facility_digest
from jupyterhub_af.policy.facility_text import parse_facility
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.messages import parse_plan, plan_to_json
from jupyterhub_af.policy.plan import (
    Ids,
    LeftOut,
    ServerPlan,
    groups_of,
    make_plan,
    mounts_of,
)
from jupyterhub_af.policy.selection import select
from jupyterhub_af.policy.storage import Mount
from jupyterhub_af.policy.token import TokenWish

TEACHERS = "hackathon/teachers"
CVMFS = Mount("cvmfs", "cvmfs", "cvmfs", "/cvmfs", read_only=True, optional=True)
STUDENT1 = ServerPlan(
    start_id="start-1",
    user="student1",
    server_name="",
    person="student1",
    profile="dodas-v5",
    profile_display_name="DODAS V5",
    size="small",
    gpu=None,
    image="registry.example.org/af/dodas:5",
    cores=1.0,
    memory_bytes=2 * 1024**3,
    gpu_resource=None,
    gpu_count=0,
    uid=UID,
    gid=UID,
    gids={"hackathon/gw": FIRST_GROUP_GID, TEACHERS: FIRST_GROUP_GID + 1},
    mounts=(
        Mount("private", "private", "private/student1", "/af/private", False),
        Mount("shared", "shared", "shared/shared", "/af/shared", True),
        Mount(
            "shared",
            "shared",
            "shared/shared/student1",
            "/af/shared/student1",
            False,
            owner_group=TEACHERS,
        ),
        Mount(
            "collabspace",
            "collab",
            "collab/collabspace/GW",
            "/af/collabspace/GW",
            False,
            group="hackathon/gw",
            owner_group="hackathon/gw",
        ),
        Mount(
            "collabspace",
            "backup",
            "backups/collabspace/GW",
            "/af/collabspace/backups/GW",
            True,
            group="hackathon/gw",
            owner_group="hackathon/gw",
        ),
        CVMFS,
    ),
    left_out=(),
    home="/af/private",
    environment={
        "HOME": "/af/private",
        "USER": "student1",
        "LOGNAME": "student1",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "PYTHONUSERBASE": "/af/private/.packages/dodas-v5",
        "JUPYTER_RUNTIME_DIR": "/tmp/jupyter",
        "IPYTHONDIR": "/tmp/ipython",
        "MPLCONFIGDIR": "/tmp/matplotlib",
        "AF_PROFILE": "dodas-v5",
        "AF_AREAS": "/af",
        "BEARER_TOKEN_FILE": "/run/af/token/token",
    },
    labels={
        "app.kubernetes.io/part-of": "jupyterhub-af",
        "jupyterhub-af/person": "student1",
        "jupyterhub-af/profile": "dodas-v5",
    },
    dask="standard",
    idle_seconds=3600,
    longest_seconds=12 * 3600,
    node_selector={},
    facility_digest=facility_digest(demo_facility()),
    active_while=("kernels",),
    token=TokenWish(),
)
TEACHER1 = replace(
    STUDENT1,
    user="teacher1",
    person="teacher1",
    gids={TEACHERS: FIRST_GROUP_GID},
    mounts=(
        Mount("private", "private", "private/teacher1", "/af/private", False),
        Mount("shared", "shared", "shared/shared", "/af/shared", False, group=TEACHERS),
        Mount(
            "shared",
            "shared",
            "shared/shared/teacher1",
            "/af/shared/teacher1",
            False,
            owner_group=TEACHERS,
        ),
        CVMFS,
    ),
    left_out=(
        LeftOut(
            "collabspace",
            "The area collabspace has folders for members of hackathon/fismed,"
            " hackathon/gw, hackathon/hep only.",
        ),
    ),
    environment=STUDENT1.environment | {"USER": "teacher1", "LOGNAME": "teacher1"},
    labels=STUDENT1.labels | {"jupyterhub-af/person": "teacher1"},
)


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        pytest.param("student1", STUDENT1, id="student1 with a small server"),
        pytest.param("teacher1", TEACHER1, id="teacher1 with the class's tree"),
    ],
)
def test_the_whole_plan(person, expected):
    assert plan_of(person) == expected


def test_a_plan_with_a_gpu_and_a_place():
    plan = plan_of("researcher2", profile="ml-infn", gpu="whole")
    gpu = (plan.gpu, plan.gpu_resource, plan.gpu_count, plan.node_selector)
    assert gpu == ("whole", "nvidia.com/gpu", 1, {"gpu": "true"})
    assert (plan.dask, plan.idle_seconds, plan.longest_seconds) == (None, None, None)


def test_a_choice_of_no_gpu_asks_for_none():
    plan = plan_of("researcher2", profile="ml-infn")
    assert (plan.gpu, plan.gpu_resource, plan.gpu_count) == ("none", None, 0)


def test_only_the_profiles_areas_are_mounted_or_left_out():
    plan = plan_of("researcher1", profile="cygno")
    private = Mount("private", "private", "private/researcher1", "/af/private", False)
    assert (plan.mounts, plan.left_out) == ((private, CVMFS), ())


def test_a_nasty_name_is_a_slug_in_paths_and_labels():
    identity = make_identity("../Anna\n", {"cygno"})
    access = resolve_access(demo_facility(), identity)
    plan = make_plan(
        demo_facility(),
        access,
        select(access, {}),
        start_id="s",
        server_name="x",
        ids=None,
    )
    assert re.fullmatch("anna---[0-9a-f]{8}", plan.person)
    assert plan.mounts[0].source == f"private/{plan.person}"
    assert plan.labels["jupyterhub-af/person"] == plan.person
    assert plan.home == "/af/private"


def test_without_a_register_numbers_are_none():
    access = access_of("student1")
    plan = make_plan(
        demo_facility(),
        access,
        select(access, {}),
        start_id="start-1",
        server_name="",
        ids=None,
    )
    gids = {"hackathon/gw": None, TEACHERS: None}
    assert plan == replace(STUDENT1, uid=None, gid=None, gids=gids)
    assert plan.supplemental_gids == ()
    assert parse_plan(plan_to_json(plan)) == plan


def test_gids_are_those_of_mounted_folders_only():
    """Not the teachers' gid, which the student's own directory has."""
    assert plan_of("student1").supplemental_gids == (FIRST_GROUP_GID,)
    assert plan_of("teacher1").supplemental_gids == (FIRST_GROUP_GID,)
    assert plan_of("researcher1").supplemental_gids == ()


def with_folders(count: int) -> str:
    """Return the demo file with two areas of folders, a group each."""
    folders = [", ".join(f"f{n}: g{n}" for n in range(h, count, 2)) for h in (0, 1)]
    old = "folders: {GW: hackathon/gw, HEP: hackathon/hep, FisMed: hackathon/fismed}"
    second = f"  - {{name: more, kind: collab, folders: {{{folders[1]}}}}}\n"
    return edited((old, f"folders: {{{folders[0]}}}"), ("dask:\n", f"{second}dask:\n"))


def plan_with_groups(count: int) -> ServerPlan:
    facility = parse_facility(with_folders(count))
    groups = {"cygno", *(f"g{n}" for n in range(count))}
    access = resolve_access(facility, make_identity("u", groups))
    ids = Ids(UID, UID, {f"g{n}": FIRST_GROUP_GID + n for n in range(count)})
    selection = select(access, {})
    return make_plan(facility, access, selection, start_id="s", server_name="", ids=ids)


def test_sixteen_groups_are_carried():
    assert len(plan_with_groups(16).supplemental_gids) == 16


def test_seventeen_groups_are_refused_in_words():
    with pytest.raises(SelectionError) as refusal:
        plan_with_groups(17)
    assert (refusal.value.rule, str(refusal.value)) == (
        "too-many-groups",
        "Your folders belong to 17 groups and a server can carry 16; choose a profile"
        " with fewer areas.",
    )


def test_groups_of_are_those_of_mounts_and_of_owners_each_once():
    mounts = mounts_of(
        demo_facility(), access_of("student1"), demo_facility().profiles[0]
    )
    assert groups_of(mounts) == ("hackathon/gw", TEACHERS)


@pytest.mark.parametrize("person", [p for p in PEOPLE if p != "outsider1"])
def test_nothing_in_the_environment_is_secret(person):
    environment = dict(plan_of(person).environment)
    secret = re.compile("token|secret|password|key|credential|cookie|auth", re.I)
    # the name of a file, which the plan does not hold
    assert environment.pop("BEARER_TOKEN_FILE") == "/run/af/token/token"
    assert [name for name in environment if secret.search(name)] == []
    assert {*environment, "BEARER_TOKEN_FILE"} == set(STUDENT1.environment)


groups = st.frozensets(st.sampled_from(sorted({g for p in PEOPLE.values() for g in p})))
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(max_examples=100)
@given(names, groups, names, st.sampled_from([None, "dodas-v5", "ml-infn", "cygno"]))
def test_a_plan_survives_its_way_as_json(user, groups, server_name, profile):
    facility = demo_facility()
    access = resolve_access(
        facility, make_identity(user, groups | {"cygno", "ml-infn"})
    )
    selection = select(access, {"profile": profile} if profile else {})
    mounts = mounts_of(facility, access, selection.profile)
    gids = {g: FIRST_GROUP_GID + n for n, g in enumerate(groups_of(mounts))}
    plan = make_plan(
        facility,
        access,
        selection,
        start_id="s",
        server_name=server_name,
        ids=Ids(UID, UID, gids),
    )
    assert parse_plan(plan_to_json(plan)) == plan
    assert plan.supplemental_gids == tuple(
        dict.fromkeys(gids[m.group] for m in mounts if m.group)
    )
    # outer paths first: no mount hides an earlier one
    paths = [mount.path for mount in plan.mounts]
    later = ((a, b) for n, a in enumerate(paths) for b in paths[n + 1 :])
    assert not [(a, b) for a, b in later if f"{a}/".startswith(f"{b}/")]


def test_a_plan_says_which_file_it_was_made_with():
    other = parse_facility(FACILITY_TEXT.replace("keep: 48", "keep: 47"))
    assert plan_of("student1", other).facility_digest != STUDENT1.facility_digest


def test_a_rescue_differs_in_its_home_and_has_no_clusters_and_no_token():
    """Everything else is as chosen: the areas are there, or nobody could clean up."""
    facility, access = demo_facility(), access_of("student1")
    usual, rescue = (
        make_plan(
            facility,
            access,
            select(access, {"profile": "dodas-v5"}),
            start_id="s",
            server_name="",
            ids=None,
            is_rescue=is_rescue,
        )
        for is_rescue in (False, True)
    )
    assert usual.dask == "standard"
    environment = {
        **usual.environment,
        "HOME": "/tmp",
        "PYTHONUSERBASE": "/tmp/.packages/dodas-v5",
    }
    del environment["BEARER_TOKEN_FILE"]
    assert rescue == replace(
        usual,
        is_rescue=True,
        home="/tmp",
        dask=None,
        environment=environment,
        token=None,
    )


def test_a_facility_without_tokens_plans_none():
    facility = parse_facility(
        edited(
            ("iam:\n", "iam:\n  server_tokens: false\n"),
            ("    token: {audience", "    # token: {audience"),
        )
    )
    plan = plan_of("student1", facility)
    assert plan.token is None
    assert "BEARER_TOKEN_FILE" not in plan.environment


def test_a_profile_says_what_the_token_is_for():
    token = (
        "token: {audience: 'https://se.example.org', scopes: ['storage.read:/cygno']}"
    )
    facility = parse_facility(
        edited(("slug: dodas-v5", f"slug: dodas-v5\n    {token}"))
    )
    assert plan_of("student1", facility).token == TokenWish(
        "https://se.example.org", ("storage.read:/cygno",)
    )


def test_a_plan_of_before_there_were_tokens_has_none():
    recorded = json.loads(plan_to_json(plan_of("student1")))
    del recorded["token"]
    assert parse_plan(json.dumps(recorded)) == replace(plan_of("student1"), token=None)
