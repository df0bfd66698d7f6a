"""A manifest has all that a copy can lose, and every difference is found."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from tree_world import make_one_of_everything

from jupyterhub_af.storage.beneath import open_step_by_step, open_with_openat2
from jupyterhub_af.storage.manifest import (
    Walk,
    read_manifest,
    sort_key,
    to_text,
    write_manifest,
)
from jupyterhub_af.storage.verify import find_differences

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs real uids")


@contextmanager
def walk(folder: Path, opener=open_with_openat2):
    root_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Walk(root_fd, opener)
    finally:
        os.close(root_fd)


def manifest(folder: Path, **options) -> bytes:
    with walk(folder, **options) as found:
        file = io.BytesIO()
        write_manifest(file, found, ("tree",), made_at=1.0)
    return file.getvalue()


def differences(wanted: bytes, folder: Path, **options) -> list[str]:
    _, entries = read_manifest(io.BytesIO(wanted))
    with walk(folder) as found:
        return [
            str(d)
            for d in find_differences(entries, found.entries(("tree",)), **options)
        ]


@pytest.fixture
def original(tmp_path) -> Path:
    make_one_of_everything(tmp_path / "one" / "tree")
    return tmp_path / "one"


@pytest.fixture
def copy(tmp_path, original) -> Path:
    """Return a faithful copy, in another place."""
    subprocess.run(["cp", "-a", original, tmp_path / "other"], check=True)
    return tmp_path / "other"


@pytest.mark.parametrize("opener", [open_with_openat2, open_step_by_step])
def test_a_faithful_copy_has_no_difference(original, copy, opener):
    wanted = manifest(original, opener=opener)
    assert differences(wanted, copy) == []
    assert manifest(copy) == wanted


def test_a_manifest_lists_everything_in_one_order(original):
    heading, entries = read_manifest(io.BytesIO(manifest(original)))
    found = {entry.path: entry for entry in entries}
    assert (heading.roots, heading.made_at) == (("tree",), 1.0)
    assert list(found) == sorted(found, key=sort_key)
    assert len(found) == sum(1 for _ in original.rglob("*"))
    assert not any(entry.problem for entry in found.values())
    assert found["tree/no \\xff text"].size == len("latin1")
    assert found["tree/back\\\\slash"].type == "file"
    assert found["tree/the same program"].same_as == "tree/program"
    assert found["tree/way"].target == "a folder/notebook.ipynb"
    assert found["tree/empty"].acl
    assert found["tree/a folder"].default_acl
    assert found["tree/program"].time_ns % 1000 == 789


CHANGES = {
    "a byte": (lambda t: _rewrite(t / "program", "#!/bin/sx\n"), "content is"),
    "a mode": (lambda t: (t / "program").chmod(0o700), "mode is 700, not 755"),
    "an owner": (lambda t: os.chown(t / "empty", 1_000_009, -1), "owner is 1000009:"),
    "an ACL": (lambda t: _acl(t / "empty", "-x", "u:1000002"), "ACL is "),
    "a default ACL": (lambda t: _acl(t / "a folder", "-k"), "default ACL is none"),
    "a nanosecond": (
        lambda t: os.utime(t / "program", ns=(1, 1_700_000_000_123_456_788)),
        "time is 1700000000123456788 ns",
    ),
    "a link's target": (
        lambda t: ((t / "way").unlink(), (t / "way").symlink_to("elsewhere")),
        "target is elsewhere",
    ),
    "a hard link": (
        lambda t: _rewrite_apart(t / "the same program"),
        "same file is none, not tree/program",
    ),
    "a file that is gone": (lambda t: (t / "empty").unlink(), "is missing"),
    "a file that is new": (lambda t: (t / "new").write_text(""), "should not be there"),
    "another kind": (
        lambda t: ((t / "pipe").unlink(), (t / "pipe").write_text("")),
        "is a file, not a pipe",
    ),
}


def _rewrite(path: Path, text: str) -> None:
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _rewrite_apart(path: Path) -> None:
    other = path.with_name("aside")
    subprocess.run(["cp", "-p", path, other], check=True)
    other.rename(path)


def _acl(path: Path, *arguments: str) -> None:
    subprocess.run(["setfacl", *arguments, path], check=True)


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES.keys())
def test_what_a_copy_lost_is_found(original, copy, change, words):
    wanted = manifest(original)
    change(copy / "tree")
    found = differences(wanted, copy)
    assert any(words in line for line in found), found
    assert all("\n" not in line for line in found)


def test_a_generation_may_lack_set_id_bits_and_pipes_and_nothing_else(original, copy):
    (original / "tree" / "program").chmod(0o4755)
    wanted = manifest(original)
    (copy / "tree" / "pipe").unlink()
    found = differences(wanted, copy)
    modes = [f"tree/{name}: mode is 755, not 4755" for name in PROGRAMS]
    assert [line for line in found if "mode" in line] == modes
    assert "tree/pipe: is missing" in found
    # what was removed from a folder is a change of that folder
    assert differences(wanted, copy, is_generation=True) == [
        line for line in found if line.startswith("tree: time is")
    ]
    (copy / "tree" / "a folder").chmod(0o775)
    assert "tree/a folder: mode is 775, not 2775" in differences(
        wanted, copy, is_generation=True
    )


PROGRAMS = ("program", "the same program")


def test_a_walk_never_leaves_the_tree_whatever_is_exchanged(tmp_path, original):
    outside = tmp_path / "outside"
    (outside / "secret").mkdir(parents=True)
    (outside / "secret" / "key").write_text("secret")
    race = (
        "import os, sys\n"
        "while True:\n"
        "    os.rename('dir', 'aside'); os.symlink(sys.argv[1], 'dir')\n"
        "    os.unlink('dir'); os.rename('aside', 'dir')\n"
    )
    (original / "tree" / "dir").mkdir()
    (original / "tree" / "dir" / "mine").write_text("mine")
    racer = subprocess.Popen(
        [sys.executable, "-c", race, str(outside / "secret")], cwd=original / "tree"
    )
    try:
        for _ in range(200):
            assert b"dir/key" not in manifest(original)
    finally:
        racer.kill()
        racer.wait()


@pytest.mark.parametrize(
    ("one", "other"), [("a\\xff", os.fsdecode(b"a\xff")), ("\\", "\\\\"), ("é", "e")]
)
def test_two_names_never_give_one_text(one, other):
    assert to_text(one) != to_text(other)
    to_text(one).encode()
