from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest
from loop_world import mounted, needs_root
from usage_world import count_tree, index_of, largest, tree_on, used, write

from jupyterhub_af.storage.beneath import open_step_by_step, open_with_openat2
from jupyterhub_af.storage.usage import walk as walk_module
from jupyterhub_af.storage.usage.index import read_largest, read_totals
from jupyterhub_af.storage.usage.walk import Walk, open_deep


def everything(tree: Path) -> int:
    """Return what a tree uses, by another counter."""
    said = subprocess.run(
        ["du", "-sx", "--block-size=1", str(tree)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(said.stdout.split()[0])


def test_a_tree_is_counted_as_du_counts_it(tmp_path):
    tree = tree_on(tmp_path)
    for number in range(30):
        write(tree / f"a/{number % 3}/{number}", 5000 * number)
    os.link(tree / "a/0/3", tree / "again")
    (tree / "link").symlink_to("/usr")
    (tree / "sparse").touch()
    os.truncate(tree / "sparse", 10**9)
    os.mkfifo(tree / "pipe")
    totals = count_tree(tmp_path)
    assert totals.used_bytes == everything(tree)
    # the second name of a file is not a second file
    assert totals.files == 30 + 3
    assert read_totals(index_of(tmp_path)) == totals
    assert totals.is_whole


def test_what_fills_a_folder_is_told_largest_first(tmp_path):
    tree = tree_on(tmp_path)
    big = write(tree / "data/run/big.root", 400_000)
    small = write(tree / "data/small.txt", 5000)
    write(tree / "top.bin", 100_000)
    count_tree(tmp_path)
    entries, files = largest(tmp_path)
    assert list(entries) == ["data", "top.bin"]
    folders = used(tree / "data") + used(tree / "data/run")
    assert entries["data"] == big + small + folders
    assert files == ["data/run/big.root", "top.bin", "data/small.txt"]
    entries, files = largest(tmp_path, "data")
    assert list(entries) == ["data/run", "data/small.txt"]
    assert files == ["data/run/big.root", "data/small.txt"]
    assert largest(tmp_path, many=1)[1] == ["data/run/big.root"]


def test_the_largest_files_are_found_wherever_they_are(tmp_path):
    """The shortest way through the index finds what a look at every file finds."""
    tree = tree_on(tmp_path)
    sizes = {}
    for number in range(200):
        parts = [str(number % n) for n in (2, 3, 5, 7)[: number % 5]]
        path = Path(*parts, f"f{number}")
        sizes[str(path)] = write(tree / path, 4096 * (1 + number * 7919 % 200))
    count_tree(tmp_path)
    for folder in ("", "0", "1/2", "0/1/3"):
        below = {
            p: s for p, s in sizes.items() if not folder or p.startswith(f"{folder}/")
        }
        expected = sorted(below.values(), reverse=True)[:20]
        assert [sizes[path] for path in largest(tmp_path, folder)[1]] == expected


def test_names_that_are_no_text_are_shown_and_do_no_harm(tmp_path):
    tree = tree_on(tmp_path)
    for name in (b"\xff\xfe", b"new\nline", "ünï".encode(), b"' OR 1=1 --", b"%s"):
        write(tree / os.fsdecode(name), 5000)
    write(tree / os.fsdecode(b"\xffolder") / "in", 5000)
    count_tree(tmp_path)
    entries, files = largest(tmp_path)
    assert "\ufffd\ufffd" in entries
    assert {"new\nline", "ünï", "' OR 1=1 --", "%s", "\ufffdolder/in"} <= {
        *entries,
        *files,
    }
    assert read_largest(index_of(tmp_path), "\ufffdolder", 20) is None
    assert read_largest(index_of(tmp_path), "..", 20) is None


def test_links_lead_nowhere(tmp_path):
    tree = tree_on(tmp_path)
    outside = tmp_path / "private" / "somebody"
    write(outside / "secret", 100_000)
    (tree / "out").symlink_to(outside)
    (tree / "up").symlink_to("..")
    totals = count_tree(tmp_path)
    assert totals.used_bytes < 100_000
    assert "secret" not in str(largest(tmp_path))


def test_folders_exchanged_for_links_while_they_are_counted_lead_nowhere(tmp_path):
    tree, outside = tree_on(tmp_path), tmp_path / "outside"
    write(outside / "in" / "secret", 1_000_000)
    for number in range(50):
        (tree / f"d{number}" / "in").mkdir(parents=True)
    over = threading.Event()

    def exchange():
        while not over.is_set():
            for number in range(50):
                path, aside = tree / f"d{number}", tree / f"x{number}"
                path.rename(aside)
                path.symlink_to(outside)
                path.unlink()
                aside.rename(path)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        for _ in range(20):
            assert count_tree(tmp_path).used_bytes < 1_000_000
            assert "secret" not in str(largest(tmp_path, many=100))
    finally:
        over.set()
        thread.join()


def test_very_deep_folders_are_counted_and_not_told_apart(tmp_path):
    tree = tree_on(tmp_path)
    name = "d" * 200
    fd = os.open(tree, os.O_RDONLY)
    for _ in range(40):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    file = os.open("deep", os.O_WRONLY | os.O_CREAT, dir_fd=fd)
    os.write(file, b"x" * 500_000)
    os.fsync(file)
    os.close(file)
    os.close(fd)
    totals = count_tree(tmp_path)
    assert totals.used_bytes >= 500_000
    assert totals.is_whole
    assert largest(tmp_path)[1] == []
    assert max(len(path) for path in largest(tmp_path)[0]) < 4096


def test_what_is_deeper_than_anybody_works_is_left_out_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr(walk_module, "DEEPEST", 3)
    write(tree_on(tmp_path) / "1/2/3/4/5/file", 100_000)
    totals = count_tree(tmp_path)
    assert totals.used_bytes < 100_000
    assert not totals.is_whole


def test_a_folder_with_many_files_tells_the_largest_of_them(tmp_path):
    tree = tree_on(tmp_path)
    for number in range(150):
        write(tree / f"f{number:03}", 4096 * (number + 1))
    assert count_tree(tmp_path).files == 150
    entries, files = largest(tmp_path, many=100)
    assert files == list(entries) == [f"f{n:03}" for n in range(149, 49, -1)]


@needs_root
def test_a_folder_closed_to_the_group_is_one_number(tmp_path):
    """Who works in a folder of a group learns no name that the file system hides."""
    tree = tree_on(tmp_path)
    os.chown(tree, 0, 2_000_001)
    hidden, shown = tree / "mine" / "secret", tree / "ours" / "open"
    for path in (hidden, shown):
        write(path, 50_000)
    for path in (hidden.parent, shown.parent):
        os.chown(path, 1_000_001, 2_000_001)
    hidden.parent.chmod(0o700)
    shown.parent.chmod(0o750)
    count_tree(tmp_path)
    entries, files = largest(tmp_path)
    assert entries["mine"] > 50_000
    assert files == ["ours/open"]
    assert "secret" not in str(largest(tmp_path, "mine"))


@needs_root
def test_another_file_system_in_the_tree_is_not_counted(tmp_path):
    tree = tree_on(tmp_path)
    with mounted(tree, "ext4", 16 * 1024**2) as disk:
        write(disk / "file", 1_000_000)
        (tree / "ext4.img").rename(tmp_path / "ext4.img")
        totals = count_tree(tmp_path)
        (tmp_path / "ext4.img").rename(tree / "ext4.img")
    assert totals.files == 0


@pytest.mark.parametrize("opener", [open_with_openat2, open_step_by_step])
def test_a_path_longer_than_the_kernel_takes_is_opened(tmp_path, opener):
    name = "ü" * 100
    fd = os.open(tmp_path, os.O_RDONLY)
    root = os.dup(fd)
    for _ in range(30):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    found = open_deep(root, "/".join([name] * 30), opener)
    assert os.path.samestat(os.fstat(found), os.fstat(fd))
    for one in (fd, root, found):
        os.close(one)


def test_a_count_that_is_told_to_stop_leaves_nothing(tmp_path):
    tree = tree_on(tmp_path)
    (tree / "a").mkdir()

    class EnoughError(Exception):
        pass

    def look_up():
        raise EnoughError

    root = os.open(tree, os.O_RDONLY)
    with pytest.raises(EnoughError):
        Walk(root, open_with_openat2, lambda *_: None).run(look_up)
    os.close(root)
