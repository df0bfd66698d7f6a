"""A path taken out of all generations: gone from sight at once, from the disk after."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from backup_world import STUDENT, BackupWorld

from jupyterhub_af.storage.backup.purge import purge_path
from jupyterhub_af.storage.errors import AgentError


@pytest.fixture
def world(tmp_path: Path) -> BackupWorld:
    world = BackupWorld(tmp_path / "areas")
    folder = world.source / "folder"
    folder.mkdir()
    (world.source / "way").symlink_to("folder")
    for number in range(3):
        (folder / "secret").write_text("token" * number)
        (folder / "kept").write_text("kept")
        world.back_up()
    return world


def texts(world: BackupWorld, name: str) -> list[str]:
    return [path.read_text() for path in sorted(world.generations.glob(f"*Z/{name}"))]


def test_a_file_is_gone_from_every_generation_and_the_rest_stays(world):
    before = [path.stat().st_mtime_ns for path in world.generations.glob("*Z/folder")]
    assert purge_path(world.place, "folder/secret") == 3
    assert texts(world, "folder/secret") == []
    assert texts(world, "folder/kept") == ["kept"] * 3
    after = [path.stat().st_mtime_ns for path in world.generations.glob("*Z/folder")]
    assert after == before
    assert len(list(world.place.work.iterdir())) == 3
    world.back_up()
    assert not world.place.work.exists()


def test_a_folder_goes_with_all_below_it_and_again_is_nothing(world):
    assert purge_path(world.place, "folder") == 3
    assert texts(world, "folder/kept") == []
    assert purge_path(world.place, "folder") == 0
    assert (world.source / "folder" / "kept").read_text() == "kept"


def test_a_link_goes_itself_and_is_never_followed(world):
    assert purge_path(world.place, "way/kept") == 0
    assert purge_path(world.place, "way") == 3
    assert texts(world, "folder/kept") == ["kept"] * 3


@pytest.mark.parametrize(
    "path",
    [
        "../HEP/x",
        "folder/../../x",
        "/etc/passwd",
        "folder//kept",
        ".",
        "folder/",
        "a\0b",
    ],
)
def test_what_is_no_path_of_a_tree_is_refused(world, path):
    outside = world.generations.parent / "HEP"
    outside.mkdir()
    (outside / "x").write_text("of others")
    with pytest.raises(AgentError, match="is no path of a tree"):
        purge_path(world.place, path)
    assert [path.name for path in outside.iterdir()] == ["x"]


def give(path: Path, uid: int) -> None:
    for one in (path, *path.rglob("*")):
        os.chown(one, uid, -1, follow_symlinks=False)


def test_a_person_removes_what_is_all_theirs_and_nothing_else(world):
    give(world.source / "folder", STUDENT)
    (world.source / "folder" / "of another").touch()
    os.chown(world.source / "folder" / "of another", STUDENT + 1, -1)
    world.back_up()
    before = texts(world, "folder/kept")
    for path in ("folder", "folder/of another"):
        with pytest.raises(AgentError, match=r"Not all of .* is yours") as refused:
            purge_path(world.place, path, STUDENT)
        assert (refused.value.status, refused.value.rule) == (409, "not-yours")
    # the first generations were root's
    with pytest.raises(AgentError, match="Nothing was removed"):
        purge_path(world.place, "folder/secret", STUDENT)
    assert texts(world, "folder/kept") == before
    assert len(texts(world, "folder/secret")) == 4


def test_a_person_s_own_file_goes_from_every_generation_that_has_it(world):
    for number in range(2):
        (world.source / "folder" / "-mine").write_text("token" * number)
        give(world.source / "folder" / "-mine", STUDENT)
        world.back_up()
    assert purge_path(world.place, "folder/-mine", STUDENT) == 2
    assert texts(world, "folder/-mine") == []
    assert purge_path(world.place, "folder/-mine", STUDENT) == 0
