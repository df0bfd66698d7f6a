"""What a pass makes, mends and refuses, on a real file system as root."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from storage_world import (
    GIDS,
    STRANGER,
    STUDENT,
    TEACHER,
    changes,
    ensure,
    ensure_counting,
    layout,
    plan_for,
)

from jupyterhub_af.storage.beneath import open_step_by_step, open_with_openat2
from jupyterhub_af.storage.errors import AgentError

OPENERS = pytest.mark.parametrize("opener", [open_with_openat2, open_step_by_step])


@pytest.fixture
def volume(tmp_path):
    assert os.geteuid() == 0, "owners can be tested by root only"
    # other uids must be able to come here
    top = Path(tempfile.gettempdir())
    for parent in tmp_path.parents:
        if parent != top and parent.is_relative_to(top):
            parent.chmod(0o711)
    tmp_path.chmod(0o711)
    folder = tmp_path / "areas"
    folder.mkdir(mode=0o711)
    return folder


@OPENERS
def test_a_student_s_areas_have_these_owners_and_modes(volume, opener):
    reply = ensure(volume, plan_for("student1"), opener=opener)
    assert layout(volume) == {
        "backups": (0, 0, "0o711"),
        "backups/collabspace": (0, 0, "0o755"),
        "backups/collabspace/GW": (0, GIDS["hackathon/gw"], "0o550"),
        "collab": (0, 0, "0o711"),
        "collab/collabspace": (0, 0, "0o711"),
        "collab/collabspace/GW": (0, GIDS["hackathon/gw"], "0o2770"),
        "private": (0, 0, "0o711"),
        "private/student1": (STUDENT, STUDENT, "0o700"),
        "shared": (0, 0, "0o711"),
        "shared/shared": (0, 0, "0o755"),
        "shared/shared/student1": (STUDENT, GIDS["hackathon/teachers"], "0o2775"),
    }
    assert sorted(reply.made) == sorted(layout(volume))
    assert reply.mended == ()


def test_a_teacher_gets_an_own_directory_and_no_folder(volume):
    ensure(volume, plan_for("teacher1"))
    assert layout(volume) == {
        "private": (0, 0, "0o711"),
        "private/teacher1": (TEACHER, TEACHER, "0o700"),
        "shared": (0, 0, "0o711"),
        "shared/shared": (0, 0, "0o755"),
        "shared/shared/teacher1": (TEACHER, GIDS["hackathon/teachers"], "0o2775"),
    }


def test_a_second_pass_writes_nothing(volume):
    """Counted by the calls that could write, and seen in every inode."""
    first, calls = ensure_counting(volume, plan_for("student1"))
    # each is made and opened; the folder and the shared directory get a list; the
    # agent's own need no other owner
    assert Counter(calls) == {
        "mkdir": len(first.made),
        # what this file system answers: a plain directory will do
        "make_tree": 3,
        "fchmod": len(first.made),
        "fchown": 4,
        "setxattr": 2,
    }
    (volume / "private/student1/work.txt").write_text("kept")
    before = changes(volume)
    reply, calls = ensure_counting(volume, plan_for("student1"))
    assert (reply.made, reply.mended, calls) == ((), (), [])
    assert changes(volume) == before


def test_owners_and_modes_are_mended_and_what_is_below_is_left_alone(volume):
    ensure(volume, plan_for("student1"))
    wanted = layout(volume)
    inside = volume / "private/student1/mine"
    inside.mkdir(mode=0o750)
    for path in ("private/student1", "shared/shared/student1", "collab/collabspace/GW"):
        os.chown(volume / path, 65534, 65534)
        (volume / path).chmod(0o777)
    before = inside.stat().st_ctime_ns
    reply = ensure(volume, plan_for("student1"))
    assert set(reply.mended) == {
        *("private/student1", "shared/shared/student1", "collab/collabspace/GW"),
    }
    assert {k: v for k, v in layout(volume).items() if not k.endswith("mine")} == wanted
    assert inside.stat().st_ctime_ns == before


def test_what_a_crash_left_half_made_is_completed(volume):
    """Between making and giving away a directory is root's and closed."""
    (volume / "private").mkdir(mode=0o700)
    (volume / "private/student1").mkdir(mode=0o700)
    ensure(volume, plan_for("student1"))
    assert layout(volume)["private"] == (0, 0, "0o711")
    assert layout(volume)["private/student1"] == (STUDENT, STUDENT, "0o700")


@OPENERS
@pytest.mark.parametrize("kind", ["symlink", "dangling", "file", "fifo"])
@pytest.mark.parametrize(
    "path", ["private", "private/student1", "shared/shared", "collab/collabspace/GW"]
)
def test_something_in_the_way_is_refused_by_name_and_left_as_it_is(
    volume, opener, kind, path
):
    outside = volume.parent / "outside"
    outside.mkdir(mode=0o751)
    obstacle = volume / path
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    {
        "symlink": lambda: obstacle.symlink_to(outside),
        "dangling": lambda: obstacle.symlink_to(volume.parent / "nowhere"),
        "file": obstacle.touch,
        "fifo": lambda: os.mkfifo(obstacle),
    }[kind]()
    before = (outside.stat(), obstacle.lstat())
    with pytest.raises(AgentError, match=path) as refused:
        ensure(volume, plan_for("student1"), opener=opener)
    assert str(refused.value).endswith(".")
    assert (outside.stat(), obstacle.lstat()) == before
    assert not (volume.parent / "nowhere").exists()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"uid": 0}, id="root's uid"),
        pytest.param({"gid": 0}, id="root's gid"),
        pytest.param({"uid": 1000}, id="a uid of the machine"),
        pytest.param({"uid": None}, id="no uid"),
        pytest.param(
            {"gids": {"hackathon/gw": 0, "hackathon/teachers": 2_000_003}}, id="gid 0"
        ),
        pytest.param({"gids": {}}, id="no gids"),
        pytest.param({"person": "student2"}, id="somebody else's directory"),
        pytest.param({"person": "../x"}, id="a path for a person"),
    ],
)
def test_a_plan_with_wrong_numbers_or_names_makes_nothing(volume, change):
    with pytest.raises(AgentError) as refused:
        ensure(volume, replace(plan_for("student1"), **change))
    assert refused.value.status == 400
    assert layout(volume) == {}


@pytest.mark.parametrize(
    "source",
    [
        "private/../../etc",
        "/etc",
        "private/student2",
        "..",
        "private",
        "private/student1/x",
        "",
    ],
)
def test_a_source_that_lies_elsewhere_makes_nothing(volume, source):
    plan = plan_for("student1")
    mounts = (replace(plan.mounts[0], source=source), *plan.mounts[1:])
    with pytest.raises(AgentError) as refused:
        ensure(volume, replace(plan, mounts=mounts))
    assert refused.value.status == 400
    assert layout(volume) == {}


@pytest.mark.parametrize("path", ["private/student1", "shared/shared/student1"])
def test_a_directory_of_another_person_is_never_given_away(volume, path):
    """As after a lost register: the name is free again, the files are not."""
    ensure(volume, plan_for("student1"))
    os.chown(volume / path, STRANGER, STRANGER)
    before = changes(volume)
    with pytest.raises(AgentError, match=path) as refused:
        ensure(volume, plan_for("student1"))
    assert (refused.value.status, refused.value.rule) == (409, "somebody-else")
    assert str(STRANGER) in str(refused.value)
    assert changes(volume) == before
