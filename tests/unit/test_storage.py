from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import PEOPLE, access_of, edited, plan_of

from jupyterhub_af.policy.errors import UnsafeNameError
from jupyterhub_af.policy.facility_text import parse_facility
from jupyterhub_af.policy.names import check_relative
from jupyterhub_af.policy.storage import Directory, Mount, directories_of

PRIVATE = Mount("private", "private", "private/u", "/af/private", read_only=False)
SHARED = Mount("shared", "shared", "shared/shared", "/af/shared", read_only=True)
OWN = Mount("shared", "shared", "shared/shared/u", "/af/shared/u", read_only=False)
GW = Mount("collab", "collab", "collab/collab/GW", "/af/collab/GW", read_only=False)
CVMFS = Mount("cvmfs", "cvmfs", "cvmfs", "/cvmfs", read_only=True)
STUDENT1 = (
    Directory("private", "agent", None, 0o711),
    Directory("private/student1", "person", None, 0o700),
    Directory("shared", "agent", None, 0o711),
    Directory("shared/shared", "agent", None, 0o755),
    Directory("shared/shared/student1", "person", "hackathon/teachers", 0o2775),
    Directory("collab", "agent", None, 0o711),
    Directory("collab/collabspace", "agent", None, 0o711),
    Directory("collab/collabspace/GW", "agent", "hackathon/gw", 0o2770),
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
    # only the sharing tree is read by others, and people's names are not listed
    assert {d.path.partition("/")[0] for d in found if d.mode & 0o004} <= {"shared"}


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
sources = paths | st.sampled_from(["private/u", "shared/a/u", "shared/a", "collab/a/b"])


@given(
    st.sampled_from(["private", "shared", "collab", "cvmfs"]),
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
        assert check_relative(directory.path)[0] == kind
    owned = [d.path for d in found if d.owner == "person"]
    assert set(owned) <= {f"private/{person}", f"shared/{area}/{person}"}
