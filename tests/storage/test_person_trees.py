"""All trees of one person: moved, removed and copied out, and nobody else's."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from storage_world import FELLOW, STUDENT, ensure, plan_for

from jupyterhub_af.policy.errors import UnsafeNameError
from jupyterhub_af.storage.agent import Agent
from jupyterhub_af.storage.beneath import open_step_by_step, open_with_openat2
from jupyterhub_af.storage.ensure import Volume
from jupyterhub_af.storage.errors import AgentError
from jupyterhub_af.storage.export import export_trees
from jupyterhub_af.storage.person_trees import (
    Whose,
    find_trees,
    move_trees,
    remove_trees,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs real uids")
ANNA = Whose("student1", STUDENT)
THEIRS = (
    "private/student1",
    "shared/shared/student1",
    "backups/.records/shared/student1",
    "backups/shared/student1",
)


@pytest.fixture(params=[open_with_openat2, open_step_by_step], ids=["openat2", "steps"])
def volume(request, tmp_path):
    """A volume with two people, and a group's folder called like one of them."""
    for name in ("student1", "student2"):
        ensure(tmp_path, plan_for(name))
    for path, uid, gid in (
        ("backups", 0, 0),
        ("backups/shared", 0, 0),
        ("backups/shared/student1", STUDENT, STUDENT),
        ("backups/shared/student1/2026-11-20T10-00-00Z", STUDENT, STUDENT),
        ("backups/.records", 0, 0),
        ("backups/.records/shared", 0, 0),
        ("backups/.records/shared/student1", 0, 0),
        ("backups/.records/collabspace", 0, 0),
        ("backups/.records/collabspace/student1", 0, 0),
        ("backups/collabspace", 0, 0),
        ("backups/collabspace/student1", 0, 2_000_001),
    ):
        (tmp_path / path).mkdir(exist_ok=True)
        os.chown(tmp_path / path, uid, gid)
    (tmp_path / "private/student1/thesis.ipynb").write_text("{}")
    (tmp_path / "private/student2/other.ipynb").write_text("{}")
    root_fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield Volume(root_fd, request.param)
    os.close(root_fd)


def test_a_person_s_trees_are_found_and_no_folder_of_their_name(volume):
    assert find_trees(volume, ANNA) == THEIRS


def test_moved_trees_keep_all_and_a_second_call_changes_nothing(volume, tmp_path):
    before = (tmp_path / "private/student1/thesis.ipynb").stat()
    for _ in range(2):
        reply = move_trees(volume, ANNA, "anna")
        assert reply.is_done
        assert set(reply.trees) <= {
            path.replace("student1", name)
            for path in THEIRS
            for name in ("student1", "anna")
        }
    after = (tmp_path / "private/anna/thesis.ipynb").stat()
    assert (after.st_ino, after.st_uid) == (before.st_ino, before.st_uid)
    assert (tmp_path / "backups/shared/anna/2026-11-20T10-00-00Z").is_dir()
    assert not (tmp_path / "private/student1").exists()
    assert (tmp_path / "backups/collabspace/student1").is_dir()


def test_a_move_that_was_cut_off_is_completed(volume, tmp_path):
    (tmp_path / "private/student1").rename(tmp_path / "private/anna")
    move_trees(volume, ANNA, "anna")
    assert find_trees(volume, Whose("anna", STUDENT)) == tuple(
        path.replace("student1", "anna") for path in THEIRS
    )


_KILLED = """
import os, sys
from jupyterhub_af.storage import person_trees
from jupyterhub_af.storage.beneath import choose_opener
from jupyterhub_af.storage.ensure import Volume
step, left = sys.argv[2], int(sys.argv[3])
real = getattr(person_trees, step)
def counted(*given):
    global left
    if left == 0:
        print("here", flush=True)
        sys.stdin.read()
    left -= 1
    return real(*given)
setattr(person_trees, step, counted)
volume = Volume(os.open(sys.argv[1], os.O_RDONLY), choose_opener())
whose = person_trees.Whose("student1", 1_000_001)
if step == "_remove":
    person_trees.remove_trees(volume, whose)
else:
    person_trees.move_trees(volume, whose, "anna")
"""


@pytest.mark.parametrize("count", range(4))
@pytest.mark.parametrize("step", ["_move", "_remove"])
def test_an_agent_killed_at_any_step_is_followed_by_one_that_completes(
    volume, tmp_path, step, count
):
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(tmp_path), step, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"here\n"
    process.kill()
    process.communicate()
    if step == "_remove":
        remove_trees(volume, ANNA)
        assert find_trees(volume, ANNA) == ()
    else:
        move_trees(volume, ANNA, "anna")
        assert find_trees(volume, Whose("anna", STUDENT)) == tuple(
            path.replace("student1", "anna") for path in THEIRS
        )
    assert (tmp_path / "private/student2/other.ipynb").exists()
    assert (tmp_path / "backups/collabspace/student1").is_dir()


@pytest.mark.parametrize("path", ["private/anna", "shared/shared/anna"])
def test_nothing_is_moved_to_where_something_is(volume, tmp_path, path):
    (tmp_path / path).mkdir()
    os.chown(tmp_path / path, FELLOW, FELLOW)
    with pytest.raises(AgentError, match="is there already") as caught:
        move_trees(volume, ANNA, "anna")
    assert caught.value.rule == "trees-in-the-way"
    assert find_trees(volume, ANNA) == THEIRS


def test_somebody_else_s_directory_is_never_touched(volume, tmp_path):
    os.chown(tmp_path / "private/student1", FELLOW, FELLOW)
    for act in (remove_trees, find_trees):
        with pytest.raises(AgentError, match="belongs to another person"):
            act(volume, ANNA)
    assert (tmp_path / "private/student1/thesis.ipynb").exists()
    assert (tmp_path / "shared/shared/student1").exists()


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc", "student2\n", "-rf"])
def test_a_name_that_is_none_is_refused(volume, name):
    with pytest.raises(UnsafeNameError):
        find_trees(volume, Whose(name, STUDENT))
    with pytest.raises(UnsafeNameError):
        move_trees(volume, ANNA, name)


def test_removed_is_all_of_one_person_and_nothing_that_links_lead_to(volume, tmp_path):
    mine, theirs = tmp_path / "private/student1", tmp_path / "private/student2"
    (mine / "way out").symlink_to(theirs)
    (mine / "all").symlink_to("/")
    os.mkfifo(mine / "pipe")
    deep = mine
    for _ in range(300):
        deep = deep / ("d" * 20)
    subprocess.run(["mkdir", "-p", str(deep.relative_to(mine))], cwd=mine, check=True)
    (mine / "closed").mkdir(mode=0)
    assert remove_trees(volume, ANNA).trees == THEIRS
    assert remove_trees(volume, ANNA).trees == ()
    assert (theirs / "other.ipynb").read_text() == "{}"
    assert (tmp_path / "backups/collabspace/student1").is_dir()


@pytest.mark.parametrize("act", [remove_trees, lambda v, w: move_trees(v, w, "anna")])
def test_what_was_counted_under_the_name_is_forgotten(volume, tmp_path, act):
    for name in ("student1", "student2", "student11"):
        (tmp_path / ".usage/private").mkdir(parents=True, exist_ok=True)
        (tmp_path / f".usage/private/{name}.sqlite").write_text("names of files")
    act(volume, ANNA)
    left = {path.name for path in (tmp_path / ".usage/private").iterdir()}
    assert left == {"student2.sqlite", "student11.sqlite"}


def test_a_link_in_the_tree_s_own_place_is_left(volume, tmp_path):
    subprocess.run(["rm", "-r", tmp_path / "private/student1"], check=True)
    (tmp_path / "private/student1").symlink_to("student2")
    assert "private/student1" not in remove_trees(volume, ANNA).trees
    assert (tmp_path / "private/student2/other.ipynb").exists()


_RACE = """
import os, sys
os.setgid({uid}); os.setuid({uid})
os.chdir(sys.argv[1])
while True:
    try:
        os.rename("dir", "aside"); os.symlink(sys.argv[2], "dir")
        os.unlink("dir"); os.rename("aside", "dir")
    except OSError:
        if not os.path.exists("."): break
"""


def test_a_raced_directory_leads_neither_removal_nor_export_outside(volume, tmp_path):
    mine, theirs = tmp_path / "private/student1", tmp_path / "private/student2"
    tmp_path.chmod(0o755)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    (mine / "dir").mkdir()
    for n in range(50):
        (mine / "dir" / f"f{n}").write_text("mine")
    os.chown(mine / "dir", STUDENT, STUDENT)
    racer = subprocess.Popen(
        [sys.executable, "-c", _RACE.format(uid=STUDENT), str(mine), str(theirs)]
    )
    try:
        deadline = time.monotonic() + 20
        while not (mine / "dir").is_symlink() and time.monotonic() < deadline:
            pass
        assert time.monotonic() < deadline
        for _ in range(20):
            names = members(tmp_path, ANNA)
            assert not any("other.ipynb" in name for name in names)
        for _ in range(20):
            try:
                remove_trees(volume, ANNA)
                break
            except AgentError:
                # what is made anew while it is removed is no whole removal
                continue
    finally:
        racer.kill()
        racer.wait()
    remove_trees(volume, ANNA)
    assert (theirs / "other.ipynb").exists()
    assert not mine.exists()


def members(volume: Path, whose: Whose) -> dict[str, tarfile.TarInfo]:
    async def read() -> bytes:
        return b"".join([part async for part in export_trees(Agent(volume), whose)])

    with tarfile.open(fileobj=io.BytesIO(asyncio.run(read()))) as tar:
        return {entry.name: entry for entry in tar}


def test_an_export_has_a_person_s_files_and_what_they_are(volume, tmp_path):
    mine = tmp_path / "private/student1"
    (mine / "out").symlink_to("../student2/other.ipynb")
    os.chown(mine / "thesis.ipynb", STUDENT, STUDENT)
    found = members(tmp_path, ANNA)
    assert set(found) == {
        "private/student1",
        "private/student1/thesis.ipynb",
        "private/student1/out",
        "shared/shared/student1",
    }
    assert found["private/student1/thesis.ipynb"].uid == STUDENT
    assert found["private/student1/out"].linkname == "../student2/other.ipynb"


def test_an_export_of_somebody_without_files_is_an_empty_archive(volume, tmp_path):
    assert members(tmp_path, Whose("nobody-yet", 1_000_009)) == {}
