from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import PEOPLE, access_of, edited, plan_of

from jupyterhub_af.policy.errors import UnsafeNameError
from jupyterhub_af.policy.facility_text import parse_facility
from jupyterhub_af.policy.names import check_relative
from jupyterhub_af.policy.storage import (
    Directory,
    Mount,
    directories_of,
    is_tree,
    make_tree,
    path_of,
    trees_of,
)

PRIVATE = Mount("private", "private", "private/u", "/af/private", read_only=False)
SHARED = Mount("shared", "shared", "shared/shared", "/af/shared", read_only=True)
OWN = Mount("shared", "shared", "shared/shared/u", "/af/shared/u", read_only=False)
GW = Mount("collab", "collab", "collab/collab/GW", "/af/collab/GW", read_only=False)
CVMFS = Mount("cvmfs", "cvmfs", "cvmfs", "/cvmfs", read_only=True)
OLD = Mount("private", "backup", "backups/private/u", "/af/backups/private", True)
STUDENT1 = (
    Directory("private", "agent", None, 0o711),
    Directory("private/student1", "person", None, 0o700),
    Directory("shared", "agent", None, 0o711),
    Directory("shared/shared", "agent", None, 0o755),
    Directory("shared/shared/student1", "person", "hackathon/teachers", 0o2775),
    Directory("collab", "agent", None, 0o711),
    Directory("collab/collabspace", "agent", None, 0o711),
    Directory("collab/collabspace/GW", "agent", "hackathon/gw", 0o2770),
    Directory("backups", "agent", None, 0o711),
    Directory("backups/collabspace", "agent", None, 0o755),
    Directory("backups/collabspace/GW", "agent", "hackathon/gw", 0o550),
)


def test_a_students_directories_parents_first():
    plan = plan_of("student1")
    assert directories_of(plan.mounts, person=plan.person) == STUDENT1


def test_a_teachers_directories():
    plan = plan_of("teacher1")
    own = Directory("shared/shared/teacher1", "person", "hackathon/teachers", 0o2775)
    assert directories_of(plan.mounts, person=plan.person) == (
        STUDENT1[0],
        Directory("private/teacher1", "person", None, 0o700),
        *STUDENT1[2:4],
        own,
    )


def test_a_shared_area_without_a_class_belongs_to_its_people():
    facility = parse_facility(edited((", class: hackathon", "")))
    plan = plan_of("researcher1", facility)
    own = Directory("shared/shared/researcher1", "person", None, 0o2775)
    assert own in directories_of(plan.mounts, person=plan.person)


def test_cvmfs_needs_no_directory():
    assert directories_of([CVMFS], person="u") == ()


@pytest.mark.parametrize("person", PEOPLE)
def test_no_directory_is_open_to_the_whole_machine_for_writing(person):
    mounts = [m for area in access_of(person).storage for m in area.mounts]
    found = directories_of(mounts, person=person)
    assert [d for d in found if d.mode & 0o002] == []
    # only the sharing tree is read by others, and people's names are not listed; of the
    # backups only a class's teachers have the folder of all mounted
    tops = {d.path.partition("/")[0] for d in found if d.mode & 0o004}
    assert tops <= {"shared", "backups"}


@pytest.mark.parametrize(
    "mount",
    [
        pytest.param(replace(PRIVATE, source="private/v"), id="another's private one"),
        pytest.param(replace(PRIVATE, source="private"), id="everybody's private one"),
        pytest.param(replace(PRIVATE, source="private/../x"), id="private, and up"),
        pytest.param(replace(PRIVATE, source="/etc"), id="an absolute path"),
        pytest.param(replace(PRIVATE, source="private/u/"), id="a slash more"),
        pytest.param(replace(PRIVATE, source="shared/shared/u"), id="another kind's"),
        pytest.param(replace(OWN, source="shared/shared/v"), id="another's shared one"),
        pytest.param(replace(OWN, source="shared/other/u"), id="another area"),
        pytest.param(replace(OWN, source="shared/shared/u/x"), id="a folder below"),
        pytest.param(replace(SHARED, area="../private"), id="an area with a path"),
        pytest.param(replace(SHARED, area=""), id="an area without a name"),
        pytest.param(replace(GW, source="collab/collab"), id="the whole collab area"),
        pytest.param(replace(GW, source="collab/collab/.."), id="collab, and up"),
        pytest.param(replace(GW, source="collab/other/GW"), id="another collab area"),
        pytest.param(replace(GW, source="collab/collab/a/b"), id="a deeper folder"),
        pytest.param(replace(GW, source=""), id="no source"),
        pytest.param(replace(GW, source="collab/collab/GW\n"), id="a line's end"),
        pytest.param(replace(OLD, source="backups/private/v"), id="another's backups"),
        pytest.param(replace(OLD, source="backups"), id="everybody's backups"),
        pytest.param(replace(OLD, source="backups/x/u"), id="another area's backups"),
        pytest.param(replace(OLD, source="backups/private/.work"), id="what is copied"),
        pytest.param(
            replace(OLD, source="backups/private/..", group="g"), id="backups, and up"
        ),
    ],
)
def test_a_source_somebody_tampered_with_is_refused(mount):
    with pytest.raises(UnsafeNameError):
        directories_of([PRIVATE, mount], person="u")


@pytest.mark.parametrize("person", ["", "..", "a/b", "/", "v\n", "u/.."])
def test_a_person_somebody_tampered_with_is_refused(person):
    with pytest.raises(UnsafeNameError):
        directories_of([replace(PRIVATE, source=f"private/{person}")], person=person)


def test_a_refusal_names_the_source_and_the_kind():
    with pytest.raises(UnsafeNameError) as refusal:
        directories_of([replace(PRIVATE, source="private/v")], person="u")
    expected = "The source 'private/v' is not where a private area lies."
    assert str(refusal.value) == expected


paths = st.text(alphabet="ab/.\0\n", max_size=12) | st.text(max_size=12)
sources = paths | st.sampled_from(
    ["private/u", "shared/a/u", "backups/a/u", "collab/a/b"]
)


@given(
    st.sampled_from(["private", "shared", "collab", "cvmfs", "backup"]),
    sources,
    paths | st.just("a"),
    paths | st.just("u"),
)
def test_no_text_leads_outside_the_top_of_its_kind(kind, source, area, person):
    mount = Mount(area, kind, source, "/af/x", read_only=False)
    try:
        found = directories_of([mount], person=person)
    except UnsafeNameError:
        return
    for directory in found:
        assert check_relative(directory.path)[0] == {"backup": "backups"}.get(
            kind, kind
        )
    owned = [d.path for d in found if d.owner == "person"]
    tops = (f"private/{person}", f"shared/{area}/{person}", f"backups/{area}/{person}")
    assert set(owned) <= set(tops)


BACKED_UP = edited(
    ("quota: 20G}", "quota: 20G, backup: {every: 1h, keep: 2}}"),
    ("class: hackathon}", "class: hackathon, backup: {every: 1h, keep: 2}}"),
)


def backups_of(person):
    facility = parse_facility(BACKED_UP)
    plan = plan_of(person, facility)
    return [m for m in plan.mounts if m.kind == "backup"], plan


def test_a_student_sees_the_generations_of_what_they_write():
    mounts, plan = backups_of("student1")
    assert [(m.source, m.path, m.read_only, m.group) for m in mounts] == [
        ("backups/private/student1", "/af/backups/private", True, None),
        ("backups/shared/student1", "/af/backups/shared/student1", True, None),
        (
            "backups/collabspace/GW",
            "/af/collabspace/backups/GW",
            True,
            "hackathon/gw",
        ),
    ]
    found = directories_of(plan.mounts, person=plan.person)
    assert [
        d for d in found if d.path.startswith("backups/") and d.path.count("/") > 1
    ] == [
        Directory("backups/private/student1", "person", None, 0o500),
        Directory("backups/shared/student1", "person", "hackathon/teachers", 0o550),
        Directory("backups/collabspace/GW", "agent", "hackathon/gw", 0o550),
    ]


def test_a_teacher_sees_the_generations_of_the_whole_class():
    mounts, _ = backups_of("teacher1")
    shared = [(m.source, m.path) for m in mounts if m.area == "shared"]
    assert shared == [("backups/shared", "/af/backups/shared")]


def test_trees_are_what_a_person_may_write():
    plan = plan_of("student1")
    assert [t.source for t in trees_of(plan.mounts, person=plan.person)] == [
        "private/student1",
        "shared/shared/student1",
        "collab/collabspace/GW",
    ]


@pytest.mark.parametrize("owner", ["", "..", "a/b", ".work", "v\n"])
def test_a_tree_of_no_name_is_refused(owner):
    with pytest.raises(UnsafeNameError):
        make_tree("private", "private", owner)


def test_where_a_tree_is_in_the_server():
    plan = plan_of("student1")
    trees = trees_of(plan.mounts, person=plan.person)
    assert [path_of(tree, plan.mounts) for tree in trees] == [
        "/af/private",
        "/af/shared/student1",
        "/af/collabspace/GW",
    ]
    assert path_of(make_tree("private", "private", "bob"), plan.mounts) == ""


def test_which_paths_of_the_volume_are_trees():
    plan = plan_of("student1")
    sources = {tree.source for tree in trees_of(plan.mounts, person=plan.person)}
    directories = directories_of(plan.mounts, person=plan.person)
    assert {d.path for d in directories if is_tree(d.path)} == sources
