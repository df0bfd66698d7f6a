from __future__ import annotations

import json
import os

import pytest

from jupyterlab_af.deleted import find_deleted
from jupyterlab_af.difference import LIMIT_BYTES, find_difference
from jupyterlab_af.generations import Shelf
from jupyterlab_af.saver import ATTRIBUTE, note_saver
from jupyterlab_af.tests.shelves import (
    GW,
    GW_BACKUPS,
    MIDDLE,
    NEW,
    OLD,
    World,
    in_child,
    write,
)
from jupyterlab_af.trouble import TroubleError
from jupyterlab_af.versions import list_versions

STUDENT = 64_001
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="other uids need root")


@pytest.fixture
def world(open_folder):
    return World(open_folder / "af")


def versions(world, path):
    return list_versions(world.shelf, world.shelf.find_spot(path))


def deleted(world, path, **options):
    found = find_deleted(world.shelf, world.shelf.find_spot(path), **options)
    return [(e.path, e.kind, e.generation) for e in found.entries], found.is_complete


def test_the_versions_of_a_file_are_told_newest_first(world):
    world.then(OLD, "a.txt", "one", at=100)
    world.then(MIDDLE, "a.txt", "three", at=200)
    world.then(NEW, "a.txt", "fourth", at=300)
    world.now(f"{GW}/a.txt", "fourth", at=300)
    found = versions(world, f"{GW}/a.txt")
    assert (found.kind, found.is_tree, found.generations) == ("file", False, 3)
    assert [
        (v.generation, v.size_bytes, v.modified_at, v.is_now) for v in found.versions
    ] == [(NEW, 6, 300, True), (MIDDLE, 5, 200, False), (OLD, 3, 100, False)]
    assert found.versions[0].path == f"{GW_BACKUPS}/{NEW}/a.txt"
    assert found.versions[2].at == 1_794_992_400


def test_what_did_not_change_is_told_once(world):
    first = world.then(OLD, "a.txt", "same", at=100)
    os.link(first, world.root / GW_BACKUPS / MIDDLE / "a.txt")
    world.then(NEW, "a.txt", "same", at=999)
    found = versions(world, f"{GW}/a.txt").versions
    assert [(v.generation, v.since) for v in found] == [(NEW, OLD)]


def test_same_size_is_not_the_same(world):
    world.then(OLD, "a.txt", "one", at=100)
    world.then(NEW, "a.txt", "two", at=200)
    assert len(versions(world, f"{GW}/a.txt").versions) == 2


def test_a_file_that_is_gone_has_its_versions_still(world):
    world.then(OLD, "week/a.txt", "one")
    found = versions(world, f"{GW}/week/a.txt")
    assert found.kind is None
    assert [v.kind for v in found.versions] == ["file"]


@pytest.mark.parametrize(
    ("path", "backups"),
    [
        ("private/a.txt", "backups/private"),
        ("shared/student1/a.txt", "backups/shared/student1"),
        ("collabspace/GW/a.txt", GW_BACKUPS),
    ],
)
def test_each_kind_of_area_has_its_own_place_of_backups(world, path, backups):
    write(world.root / backups / NEW / "a.txt", "x", 1)
    assert [v.path for v in versions(world, path).versions] == [
        f"{backups}/{NEW}/a.txt"
    ]


def test_a_teacher_sees_those_of_every_student(world):
    world.mounted = frozenset({world.root / "backups/shared"})
    write(world.root / "backups/shared/student1" / NEW / "a.txt", "x", 1)
    assert len(versions(world, "shared/student1/a.txt").versions) == 1


def test_a_folder_named_like_a_generation_is_a_folder(world):
    write(world.root / "backups/private" / NEW / NEW / "a.txt", "x", 1)
    assert len(versions(world, f"private/{NEW}/a.txt").versions) == 1


@pytest.mark.parametrize(
    "path", ["shared/student2/a.txt", "nowhere/a.txt", "", "collabspace", "a.txt"]
)
def test_where_nothing_is_kept_it_is_said(world, path):
    with pytest.raises(TroubleError) as told:
        versions(world, path)
    assert (told.value.code, told.value.status) == ("not-kept", 404)


def test_a_folder_that_a_person_calls_backups_is_no_backup(world):
    write(world.root / "shared/backups/student2" / NEW / "a.txt", "forged", 1)
    with pytest.raises(TroubleError):
        versions(world, "shared/student2/a.txt")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("../etc/passwd", id="up"),
        pytest.param("collabspace/GW/../../../etc/passwd", id="up later"),
        pytest.param("/etc/passwd", id="from the root"),
        pytest.param("collabspace/GW/a\0b", id="a zero byte"),
        pytest.param("collabspace//GW/a", id="an empty name"),
        pytest.param("collabspace/GW/./a", id="a dot"),
        pytest.param("collabspace/GW/", id="a slash at the end"),
        pytest.param(f"collabspace/GW/{'x' * 256}", id="too long a name"),
        pytest.param("collabspace/GW/" + "x/" * 4000 + "x", id="too long a path"),
        pytest.param("collabspace/GW/\ud800", id="half a character"),
    ],
)
def test_a_hostile_path_is_refused_in_words(world, path):
    with pytest.raises(TroubleError) as told:
        versions(world, path)
    assert (told.value.code, told.value.status) == ("unsafe-path", 400)
    assert "is no path of a file here" in str(told.value)
    assert "\0" not in str(told.value)


def test_a_link_in_a_generation_leads_nowhere(world, tmp_path):
    secret = tmp_path / "secret"
    write(secret / "a.txt", "secret", 1)
    (world.root / GW_BACKUPS / NEW / "out").symlink_to(secret)
    (world.root / GW_BACKUPS / NEW / "a.txt").symlink_to(secret / "a.txt")
    assert versions(world, f"{GW}/out/a.txt").versions == ()
    assert [v.kind for v in versions(world, f"{GW}/a.txt").versions] == ["link"]
    with pytest.raises(TroubleError) as told:
        find_difference(world.shelf, world.shelf.find_spot(f"{GW}/a.txt"), NEW)
    assert told.value.code == "in-the-way"


def test_only_whole_generations_count(world):
    for name in (".being-made", "2026-13-40T00-00-00Z", "notes", "2026-11-20"):
        write(world.root / GW_BACKUPS / name / "a.txt", "x", 1)
    (world.root / GW_BACKUPS / "2026-11-21T00-00-00Z").write_text("a file")
    (world.root / GW_BACKUPS / "2026-11-22T00-00-00Z").symlink_to(NEW)
    assert versions(world, f"{GW}/a.txt").versions == ()


@needs_root
def test_nobody_is_told_what_they_may_not_read(world):
    file = world.then(NEW, "a.txt", "of another")
    file.chmod(0o600)
    look = in_child(lambda: versions(world, f"{GW}/a.txt").versions, uid=STUDENT)
    assert look == ()
    file.chmod(0o644)
    assert len(in_child(lambda: versions(world, f"{GW}/a.txt").versions, uid=STUDENT))


def test_who_saved_last_is_told_while_nothing_else_wrote(world, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_USER", "student9")
    file = world.then(NEW, "a.txt", "x", at=700)
    note_saver(file, "student2")
    assert os.getxattr(file, ATTRIBUTE) == b"student2 700"
    assert versions(world, f"{GW}/a.txt").versions[0].saved_by == "student2"
    # a program wrote it since: then it is whose file it is
    os.utime(file, (800, 800))
    assert versions(world, f"{GW}/a.txt").versions[0].saved_by == "student9"


@needs_root
def test_who_is_not_known_is_not_guessed(world):
    file = world.then(NEW, "a.txt", "x")
    os.chown(file, 64_777, 64_777)
    assert versions(world, f"{GW}/a.txt").versions[0].saved_by is None


@pytest.mark.parametrize("note", [b"", b"x", b"\xff\xfe 500", b"bad\nname 500", b" 5"])
def test_a_note_that_is_none_is_left_aside(world, note):
    file = world.then(NEW, "a.txt", "x", at=500)
    os.setxattr(file, ATTRIBUTE, note)
    assert versions(world, f"{GW}/a.txt").versions[0].saved_by not in {"", "bad\nname"}


def test_no_note_fails_nothing(tmp_path):
    note_saver(tmp_path / "absent", "student1")
    note_saver(tmp_path, "student1")
    (tmp_path / "fifo").touch()
    note_saver(tmp_path / "fifo", "x\ud800")


def test_deleted_files_are_found_where_they_were_last(world):
    world.then(OLD, "old.txt", "1")
    world.then(OLD, "notes/b.txt", "1")
    world.then(MIDDLE, "notes/b.txt", "2")
    world.then(OLD, "notes/kept.txt", "k")
    world.then(NEW, "week/day/c.txt", "3")
    world.then(NEW, ".ipynb_checkpoints/x.ipynb", "3")
    world.now(f"{GW}/notes/kept.txt", "k")
    assert deleted(world, GW) == (
        [
            (f"{GW}/week", "folder", NEW),
            (f"{GW}/notes/b.txt", "file", MIDDLE),
            (f"{GW}/old.txt", "file", OLD),
        ],
        True,
    )
    assert deleted(world, f"{GW}/notes")[0] == [(f"{GW}/notes/b.txt", "file", MIDDLE)]


def test_a_folder_that_is_gone_as_a_whole_can_be_looked_into(world):
    world.then(OLD, "week/a.txt", "1")
    assert deleted(world, f"{GW}/week")[0] == [(f"{GW}/week/a.txt", "file", OLD)]


def test_a_look_that_takes_long_says_that_it_is_not_all(world):
    world.then(OLD, "a.txt", "1")
    assert deleted(world, GW, look_seconds=-1) == ([], False)


def test_a_name_that_is_no_text_harms_no_look(world):
    (world.root / GW_BACKUPS / NEW / os.fsdecode(b"\xff.txt")).touch()
    world.then(NEW, "a.txt", "1")
    assert [path for path, *_ in deleted(world, GW)[0]] == [f"{GW}/a.txt"]


def difference(world, path, generation=NEW):
    spot = world.shelf.find_spot(path)
    return [
        [(p.kind, p.before_at, p.before, p.after_at, p.after) for p in group]
        for group in find_difference(world.shelf, spot, generation).groups
    ]


def test_the_difference_is_told_line_by_line(world):
    world.then(NEW, "a.txt", "1\n2\n3\n")
    world.now(f"{GW}/a.txt", "1\nzwei\n3\n4\n")
    assert difference(world, f"{GW}/a.txt") == [
        [
            ("equal", 1, ("1",), 1, ("1",)),
            ("replace", 2, ("2",), 2, ("zwei",)),
            ("equal", 3, ("3",), 3, ("3",)),
            ("insert", 4, (), 4, ("4",)),
        ]
    ]
    world.now(f"{GW}/a.txt", "1\n2\n3\n")
    assert difference(world, f"{GW}/a.txt") == []


def test_of_a_file_that_is_gone_everything_is(world):
    world.then(NEW, "week/a.txt", "1\n")
    assert difference(world, f"{GW}/week/a.txt") == [[("delete", 1, ("1",), 1, ())]]


def test_of_a_notebook_the_cells_are_compared(world):
    book = {"cells": [{"source": ["a = 1\n", "b"]}, {"source": "c"}], "nbformat": 4}
    world.then(NEW, "a.ipynb", json.dumps(book))
    world.now(f"{GW}/a.ipynb", "broken {")
    group = difference(world, f"{GW}/a.ipynb")[0]
    assert group == [("replace", 1, ("a = 1", "b", "", "c"), 1, ("broken {",))]


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"\xff\xfe", "not-text"), (b"a\0b", "not-text"), (b"x" * (LIMIT_BYTES + 1), "too-large"), (b"\n" * 20_000, "too-large")],
    ids=["no text", "a zero byte", "too many bytes", "too many lines"],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_in_words(world, content, code):
    world.then(NEW, "a.txt", content)
    with pytest.raises(TroubleError) as told:
        difference(world, f"{GW}/a.txt")
    assert told.value.code == code


def test_a_folder_is_not_compared(world):
    world.then(NEW, "week/a.txt", "x")
    with pytest.raises(TroubleError) as told:
        difference(world, f"{GW}/week")
    assert told.value.code == "not-text"


@pytest.mark.parametrize(
    "generation", ["", "..", "../..", OLD.lower(), ".being-made", "x" * 999]
)
def test_a_generation_that_is_none_is_refused(world, generation):  # fmt: skip
    world.then(NEW, "a.txt", "x")
    with pytest.raises(TroubleError) as told:
        difference(world, f"{GW}/a.txt", generation)
    assert told.value.code == "gone"


def test_the_root_may_be_reached_by_a_link(world, tmp_path):
    """Where the server's root is, is not the person's to say."""
    (tmp_path / "link").symlink_to(world.root)
    world.then(NEW, "a.txt", "x")
    shelf = Shelf(
        tmp_path / "link", lambda: frozenset({tmp_path / "link" / GW_BACKUPS})
    )
    assert len(list_versions(shelf, shelf.find_spot(f"{GW}/a.txt")).versions) == 1
