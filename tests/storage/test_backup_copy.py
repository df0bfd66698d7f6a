"""One generation after the other: what they hold, share, leave out and say of themselves."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from backup_world import GW, STUDENT, BackupWorld
from storage_world import ensure, plan_for

from jupyterhub_af.policy.generations import Keeping

ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BackupWorld]:
    world = BackupWorld(tmp_path / "areas")
    yield world
    # pytest removes what is left by Python's own means, which fail below 1000 folders
    subprocess.run(["rm", "-rf", world.volume], check=True)


def facts(path: Path) -> tuple[int, ...]:
    found = path.lstat()
    mode = stat.S_IMODE(found.st_mode)
    return found.st_uid, found.st_gid, mode, found.st_mtime_ns, found.st_size


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_owners_modes_times_links_and_acls_are_kept(world):
    folder = world.source / "results"
    folder.mkdir()
    folder.chmod(0o2770)
    file = folder / "täble\nof 'all' #1.csv"
    file.write_text("a,b\n")
    os.chown(file, STUDENT, GW)
    file.chmod(0o640)
    os.utime(file, ns=(10**18, 10**18 + 123_456_789))
    os.link(file, folder / "again.csv")
    (folder / "link").symlink_to("/etc/passwd")
    os.setxattr(file, "user.origin", b"run 7")
    command = ["setfacl", "-m", f"u:{STUDENT}:rx,d:g:{GW}:rwx", str(folder)]
    subprocess.run(command, check=True)
    found = world.back_up() / "results"
    assert names_in(found) == names_in(folder)
    for name in names_in(folder):
        assert facts(found / name) == facts(folder / name), name
    assert facts(found) == facts(folder)
    assert (found / file.name).stat().st_ino == (found / "again.csv").stat().st_ino
    assert (found / "link").readlink() == Path("/etc/passwd")
    assert os.getxattr(found / file.name, "user.origin") == b"run 7"
    for name in (ACCESS, DEFAULT):
        assert os.getxattr(found, name) == os.getxattr(folder, name)


def test_what_runs_with_power_and_what_is_no_file_stays_behind(world):
    program = world.source / "program"
    program.write_bytes(b"#!/bin/true\n")
    program.chmod(0o6755)
    os.setxattr(program, "trusted.secret", b"1")
    os.setxattr(program, "security.other", b"1")
    os.mkfifo(world.source / "fifo")
    os.mknod(world.source / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(world.source / "s"))
        found = world.back_up()
    assert names_in(found) == ["program"]
    assert stat.S_IMODE((found / "program").stat().st_mode) == 0o755
    assert os.listxattr(found / "program") == []
    assert stat.S_IMODE(found.stat().st_mode) == 0o2770


def test_a_file_that_did_not_change_is_kept_once_and_never_shared_with_the_live_one(
    world,
):
    same, other = world.source / "same", world.source / "other"
    same.write_text("same")
    other.write_text("one")
    first = world.back_up()
    other.write_text("two, longer")
    second = world.back_up()
    assert (first / "same").stat().st_ino == (second / "same").stat().st_ino
    assert (first / "same").stat().st_ino != same.stat().st_ino
    assert (first / "other").read_text() == "one"
    assert (second / "other").read_text() == "two, longer"


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.chmod(0o600),
        lambda file: os.chown(file, STUDENT, GW),
        lambda file: os.utime(file, (1, 1)),
    ],
    ids=["its mode", "its owner", "its time"],
)
def test_an_older_generation_keeps_what_a_file_was(world, change):
    file = world.source / "file"
    file.write_text("text")
    first = world.back_up()
    before = facts(first / "file")
    change(file)
    second = world.back_up()
    assert facts(first / "file") == before
    assert facts(second / "file") == facts(file) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a").unlink(),
        lambda folder: (folder / "a").rename(folder / "b"),
        lambda folder: (folder / "sub").rmdir(),
        lambda folder: folder.chmod(0o2700),
        lambda folder: (folder / "link").symlink_to("a"),
        lambda folder: (folder / "empty").touch(),
    ],
    ids=["a removal", "a renaming", "a folder's removal", "a mode", "a link", "a file"],
)
def test_every_change_of_a_tree_makes_a_generation(world, change):
    folder = world.source / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_text("x")
    world.back_up()
    change(folder)
    assert world.run().is_new
    assert len(world.names()) == 2


def test_two_saves_of_one_size_within_a_second_are_two_versions(world):
    file = world.source / "file"
    file.write_text("one")
    os.utime(file, ns=(0, 10**18 + 1))
    first = world.back_up()
    file.write_text("two")
    os.utime(file, ns=(0, 10**18 + 2))
    second = world.back_up()
    assert [(path / "file").read_text() for path in (first, second)] == ["one", "two"]


def test_a_tree_that_did_not_change_has_its_newest_generation_confirmed(world):
    (world.source / "a").write_text("x")
    first = world.run()
    again = world.run()
    assert not again.is_new
    assert len(world.names()) == 1
    assert again.record.name == first.record.name
    assert again.record.seen_at == world.clock.now > first.record.seen_at
    assert world.place.load_record(world.place.times()[0]) == again.record


def test_the_record_counts_and_marks_notebooks_that_are_no_json(world):
    (world.source / "good.ipynb").write_text('{"cells": []}')
    (world.source / "half.ipynb").write_text('{"cells": [')
    (world.source / "deep.ipynb").write_text("[" * 100_000)
    record = world.run().record
    assert record.unparsable_count == 2
    assert set(record.unparsable) == {"half.ipynb", "deep.ipynb"}
    assert (record.files, record.new_files, record.new_bytes) == (4, 3, 100_024)
    (world.source / "new").write_text("12345")
    record = world.run().record
    assert (record.unparsable_count, record.new_files, record.new_bytes) == (0, 1, 5)


def test_a_file_that_changes_while_it_is_copied_is_copied_again(world):
    moving, still = world.source / "moving", world.source / "still"
    moving.write_text("one")
    still.write_text("still")

    def change_once(name: str) -> None:
        if name == "copied":
            moving.write_text("two, whole")

    record = world.run(step=change_once).record
    assert record.passes == 3
    assert record.unstable == ()
    generation = world.generations / record.name
    assert (generation / "moving").read_text() == "two, whole"


def test_a_file_that_never_rests_is_named(world):
    moving = world.source / "moving"
    moving.write_text("x")

    def change(name: str) -> None:
        if name.startswith("copied"):
            moving.write_text(moving.read_text() + "x")

    record = world.run(step=change).record
    assert record.unstable == ("moving",)
    assert record.passes == 3


def test_a_copy_made_again_changes_nothing_of_the_generation_before(world):
    moving = world.source / "moving"
    moving.write_text("first")
    first = world.back_up()

    def change(name: str) -> None:
        if name.startswith("copied"):
            moving.write_text(f"at {name}")
            moving.chmod(0o600)

    moving.write_text("second")
    world.run(step=change)
    assert (first / "moving").read_text() == "first"
    assert stat.S_IMODE((first / "moving").stat().st_mode) != 0o600


def test_who_sees_generations_is_who_works_in_the_tree(world):
    world.back_up()
    found = world.generations.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (0, GW, 0o550)
    areas = world.volume / "backups"
    assert {
        str(path.relative_to(areas)): oct(path.stat().st_mode & 0o7777)
        for path in (areas, areas / "collabspace", areas / ".records")
    } == {".": "0o711", "collabspace": "0o755", ".records": "0o700"}


def test_a_start_finds_nothing_to_mend_after_a_backup_that_came_before_it(world):
    world.back_up()
    reply = ensure(world.volume, plan_for("student1"))
    ours = {path for path in (*reply.made, *reply.mended) if "backups" in path}
    assert ours == set()
    ensure(world.volume, plan_for("student1"))
    (world.source / "new").touch()
    world.back_up()
    assert ensure(world.volume, plan_for("student1")).mended == ()


def test_times_stay_unique_and_sorted_when_the_clock_is_set_back(world):
    file = world.source / "file"
    for number, ahead in enumerate([0, 0, -7200, -60, 86400, -90000]):
        file.write_text("x" * number)
        world.clock.now += ahead
        world.back_up()
    names = world.names()
    sizes = [(world.generations / name / "file").stat().st_size for name in names]
    assert sizes == [0, 1, 2, 3, 4, 5]


def test_rules_let_generations_go_and_what_is_left_is_whole(world):
    world.keeping = Keeping(2)
    file = world.source / "file"
    (world.source / "same").write_text("same")
    for number in range(5):
        file.write_text("x" * number)
        world.back_up()
    kept = [world.generations / name for name in world.names()]
    assert [(path / "file").stat().st_size for path in kept] == [3, 4]
    assert [(path / "same").read_text() for path in kept] == ["same", "same"]
    assert names_in(world.place.records) == [f"{path.name}.json" for path in kept]


@pytest.mark.parametrize(
    ("depth", "unread"), [(1020, 0), (1500, 1)], ids=["deep", "too deep for rsync"]
)
def test_a_very_deep_folder_is_copied_or_named_and_removed(world, depth, unread):
    world.keeping = Keeping(1)
    folder = os.open(world.source, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    first = world.run().record
    assert first.unread_count == unread
    assert first.files > 1000
    (world.source / "new").write_text("x")
    second = world.run().record
    assert world.names() == [second.name]


def test_what_the_area_takes_is_counted_and_held_to_its_budget(world):
    block = 1024**2
    for number in range(4):
        (world.source / "file").write_bytes(os.urandom(block))
        (world.source / "file").touch()
        world.back_up()
        assert len(world.names()) == number + 1
    space = world.volume / "backups" / ".records" / "collabspace" / ".space"
    told = int(space.read_text())
    command = ["du", "-sB1", str(world.volume / "backups" / "collabspace")]
    counted = int(subprocess.run(command, capture_output=True).stdout.split()[0])
    assert abs(told - counted) <= 64 * 1024
    world.budget_bytes = 2 * block + block // 2
    newest = world.names()[-2:]
    world.run()
    assert world.names() == newest
    world.budget_bytes = 1
    world.run()
    assert world.names() == newest[-1:]
