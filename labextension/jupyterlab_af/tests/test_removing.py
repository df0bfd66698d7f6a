from __future__ import annotations

import os

import pytest

from jupyterlab_af.removing import remove
from jupyterlab_af.tests.shelves import GW, World, in_child
from jupyterlab_af.trouble import TroubleError

STUDENT = 64_001


@pytest.fixture
def world(open_folder):
    world = World(open_folder / "af")
    areas = (GW, "private", "shared", "shared/student1")
    world.mounted |= {world.root / area for area in areas}
    return world


def code_of(world, path):
    with pytest.raises(TroubleError) as told:
        remove(world.shelf, path)
    return told.value.code


def test_a_file_and_a_folder_go_for_good(world):
    world.now("private/.cache/big.bin", "x")
    world.now("private/week/day/a.txt", "x")
    world.now("private/b.txt", "x")
    for path in ("private/.cache", "private/week/day", "private/b.txt"):
        remove(world.shelf, path)
    assert world.names("private") == ["week"]


def test_a_link_goes_and_what_it_leads_to_stays(world, tmp_path):
    (tmp_path / "a.txt").write_text("stays")
    (world.root / "private/link").symlink_to(tmp_path)
    (world.root / "private/week").mkdir()
    (world.root / "private/week/link").symlink_to(tmp_path)
    assert code_of(world, "private/link/a.txt") == "in-the-way"
    remove(world.shelf, "private/link")
    remove(world.shelf, "private/week")
    assert (tmp_path / "a.txt").read_text() == "stays"
    assert world.names("private") == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("", "mounted"),
        ("private", "mounted"),
        ("shared", "mounted"),
        ("shared/student1", "mounted"),
        ("collabspace", "mounted"),
        ("backups", "mounted"),
        ("elsewhere/a.txt", "outside"),
        ("private/../elsewhere", "unsafe-path"),
        ("/etc/passwd", "unsafe-path"),
        ("private/absent", "not-there"),
        ("private/absent/a", "not-there"),
    ],
)
def test_what_must_not_go_stays(world, path, code):
    world.now("elsewhere/a.txt", "x")
    world.now("shared/student1/a.txt", "x")
    assert code_of(world, path) == code
    assert (world.root / "elsewhere/a.txt").exists()
    assert (world.root / "shared/student1/a.txt").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="other uids need root")
def test_what_another_does_not_give_away_stays(world):
    theirs = world.now("shared/student2/a.txt", "theirs")
    (world.root / "private").chmod(0o777)
    locked = world.now("private/mine/locked/b.txt", "x")
    os.chown(world.root / "private/mine", STUDENT, STUDENT)
    world.now("private/mine/a.txt", "x")

    def as_student():
        said = [code_of(world, "shared/student2/a.txt"), code_of(world, "private/mine")]
        return [*said, world.names("private/mine")]

    assert in_child(as_student, uid=STUDENT) == ["not-yours", "in-part", ["locked"]]
    assert theirs.exists()
    assert locked.exists()
