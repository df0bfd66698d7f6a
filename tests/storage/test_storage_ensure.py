"""What a pass makes, mends and refuses, on a real file system as root."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from storage_world import (
    FELLOW,
    GIDS,
    STRANGER,
    STUDENT,
    TEACHER,
    as_person,
    changes,
    ensure,
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
    ensure(volume, plan_for("student1"))
    (volume / "private/student1/work.txt").write_text("kept")
    before = changes(volume)
    reply = ensure(volume, plan_for("student1"))
    assert (reply.made, reply.mended) == ((), ())
    assert changes(volume) == before


def test_owners_and_modes_are_mended_and_what_is_below_is_left_alone(volume):
    ensure(volume, plan_for("student1"))
    wanted = layout(volume)
    inside = volume / "private/student1/mine"
    inside.mkdir(mode=0o750)
    for path in ("private/student1", "shared/shared/student1", "collab/collabspace/GW"):
        os.chown(volume / path, STRANGER, STRANGER)
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


@OPENERS
def test_three_hundred_races_touch_nothing_outside(volume, opener):
    """A directory and a link to an outside tree change places while passes run."""
    outside = volume.parent / "outside"
    (outside / "student1").mkdir(parents=True, mode=0o751)
    os.chown(outside / "student1", STRANGER, STRANGER)
    ensure(volume, plan_for("student1"))
    link, real, spare = volume / "link", volume / "private", volume / "spare"
    link.symlink_to(outside)
    stop = threading.Event()

    swaps = []

    def swap() -> None:
        while not stop.is_set():
            # a pass may make the directory anew while it is away
            shutil.rmtree(spare, ignore_errors=True)
            with suppress(OSError):
                real.rename(spare)
                link.rename(real)
                swaps.append(1)
            if real.is_symlink():
                real.rename(link)
            with suppress(OSError):
                spare.rename(real)

    before = changes(outside)
    thread = threading.Thread(target=swap)
    thread.start()
    outcomes = set()
    try:
        for _ in range(300):
            try:
                ensure(volume, plan_for("student1"), opener=opener)
                outcomes.add("done")
            except AgentError:
                outcomes.add("refused")
    finally:
        stop.set()
        thread.join()
    assert changes(outside) == before
    assert len(swaps) > 10, "hardly any race took place"
    assert outcomes


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


def attempts(path: Path) -> dict:
    def write():
        (path / f"new-{os.getuid()}").write_text("x")

    def delete():
        (path / "old").unlink()
        (path / "old").write_text("x")

    return {
        "list": lambda: list(path.iterdir()) is not None,
        "read": lambda: (path / "old").read_text() is not None,
        "create": write,
        "overwrite": lambda: (path / "old").write_text("y"),
        "delete": delete,
        "chmod": lambda: path.chmod(path.stat().st_mode & 0o7777),
    }


def test_real_uids_can_do_exactly_this(volume):
    for person in ("student1", "student2", "teacher1"):
        ensure(volume, plan_for(person))
    gw, teachers = GIDS["hackathon/gw"], GIDS["hackathon/teachers"]
    for path, owner in (
        ("private/student1", STUDENT),
        ("shared/shared/student1", STUDENT),
        ("collab/collabspace/GW", STUDENT),
    ):
        as_person(owner, [gw], lambda p=path: (volume / p / "old").write_text("x"))
    people = {
        "owner": (STUDENT, [gw]),
        "fellow": (FELLOW, [GIDS["hackathon/hep"]]),
        "teacher": (TEACHER, [teachers]),
        "stranger": (STRANGER, []),
    }
    found = {}
    for path in ("private/student1", "shared/shared/student1", "shared/shared"):
        for name, (uid, groups) in people.items():
            done = {
                what: as_person(uid, groups, work)
                for what, work in attempts(volume / path).items()
            }
            found[path, name] = [
                what for what, answer in done.items() if answer == "yes"
            ]
    everything = ["list", "read", "create", "overwrite", "delete", "chmod"]
    assert found == {
        ("private/student1", "owner"): everything,
        ("private/student1", "fellow"): [],
        ("private/student1", "teacher"): [],
        ("private/student1", "stranger"): [],
        ("shared/shared/student1", "owner"): everything,
        ("shared/shared/student1", "fellow"): ["list", "read"],
        ("shared/shared/student1", "teacher"): everything[:-1],
        ("shared/shared/student1", "stranger"): ["list", "read"],
        ("shared/shared", "owner"): ["list"],
        ("shared/shared", "fellow"): ["list"],
        ("shared/shared", "teacher"): ["list"],
        ("shared/shared", "stranger"): ["list"],
    }


def test_a_folder_is_its_group_s_and_new_files_are_writable_by_the_group(volume):
    ensure(volume, plan_for("student1"))
    folder = volume / "collab/collabspace/GW"
    gw = GIDS["hackathon/gw"]
    assert as_person(STUDENT, [gw], lambda: (folder / "a").write_text("x")) == "yes"
    assert as_person(FELLOW, [gw], lambda: (folder / "a").write_text("y")) == "yes"
    assert as_person(STRANGER, [], lambda: list(folder.iterdir())) == "PermissionError"
    assert (folder / "a").stat().st_gid == gw
