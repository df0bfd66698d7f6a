"""Files come back from a generation, and nothing that is there is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from storage_world import FELLOW, GIDS, STUDENT
from tree_world import make_one_of_everything

from jupyterhub_af.policy.storage import make_tree
from jupyterhub_af.storage.beneath import open_step_by_step, open_with_openat2
from jupyterhub_af.storage.compare import compare_generation
from jupyterhub_af.storage.ensure import Volume
from jupyterhub_af.storage.errors import AgentError
from jupyterhub_af.storage.restore import RestoreError, Wanted, copy_out, restore_live

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs real uids")
TIME = "2026-11-20T10-00-00Z"
AT = 1_763_719_200.0
KEPT = ".before-restore-2025-11-21T10-00-00Z"
TREE = make_tree("private", "private", "anna")
GW = make_tree("collab", "collabspace", "GW")


@pytest.fixture(params=[open_with_openat2, open_step_by_step], ids=["openat2", "steps"])
def volume(request, tmp_path):
    make_one_of_everything(tmp_path / TREE.backups / TIME)
    (tmp_path / "private").mkdir()
    subprocess.run(
        ["cp", "-a", tmp_path / TREE.backups / TIME, tmp_path / TREE.source], check=True
    )
    os.chown(tmp_path / TREE.source, STUDENT, STUDENT)
    root_fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield Volume(root_fd, request.param)
    os.close(root_fd)


@pytest.fixture
def live(tmp_path) -> Path:
    return tmp_path / TREE.source


def wanted(path: str = "") -> Wanted:
    return Wanted(TREE, TIME, path)


def differences(volume: Volume) -> list[str]:
    return [str(found) for found in compare_generation(volume, wanted())]


def test_a_tree_as_its_backup_is_has_no_difference(volume, live):
    assert differences(volume) == []
    (live / "program").write_text("#!/bin/false\n")
    assert [line.split(" ")[0] for line in differences(volume)] == [
        "program:",
        "program:",
        "the",
        "the",
    ]


def test_a_deleted_file_comes_back_as_it_was(volume, live):
    before = (live / "empty").stat()
    (live / "empty").unlink()
    reply = restore_live(volume, wanted("empty"), at=AT)
    assert (reply.restored, reply.kept) == (("empty",), ())
    after = (live / "empty").stat()
    assert (after.st_uid, after.st_gid, after.st_mode, after.st_mtime_ns) == (
        before.st_uid,
        before.st_gid,
        before.st_mode,
        before.st_mtime_ns,
    )
    assert differences(volume) == []


def test_what_is_there_is_kept_beside_each_time(volume, live):
    notebook = live / "a folder" / "notebook.ipynb"
    notebook.write_text("today")
    path = "a folder/notebook.ipynb"
    reply = restore_live(volume, wanted(path), at=AT)
    assert reply.kept == (f"{path}{KEPT}",)
    assert notebook.read_text() == '{"cells": []}'
    notebook.write_text("tomorrow")
    reply = restore_live(volume, wanted(path), at=AT)
    assert reply.kept == (f"{path}{KEPT}-2",)
    kept = [Path(f"{notebook}{KEPT}{n}").read_text() for n in ("", "-2")]
    assert kept == ["today", "tomorrow"]


def test_a_whole_tree_comes_back_beside_what_is_there(volume, live):
    (live / "program").write_text("today")
    (live / "new").write_text("stays")
    reply = restore_live(volume, wanted(), at=AT)
    assert "program" in reply.restored
    assert (live / f"program{KEPT}").read_text() == "today"
    assert (live / "new").read_text() == "stays"
    for path in live.glob(f"*{KEPT}"):
        subprocess.run(["rm", "-r", path], check=True)
    (live / "new").unlink()
    assert differences(volume) == []
    assert not list(live.glob(".af-restore-*"))


def test_folders_of_a_group_still_hand_on_their_group(volume, tmp_path):
    gid = GIDS["hackathon/gw"]
    source, made = tmp_path / GW.source, tmp_path / GW.backups / TIME
    for folder in (source, made / "data" / "deep"):
        folder.mkdir(parents=True)
    for folder in (source, made / "data", made / "data" / "deep"):
        os.chown(folder, 0, gid)
        folder.chmod(0o2770)
    restore_live(volume, Wanted(GW, TIME, "data"), at=AT)
    for folder in (source / "data", source / "data" / "deep"):
        assert oct(folder.stat().st_mode & 0o7777) == "0o2770"
        assert folder.stat().st_gid == gid


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nothing", "'nothing' is not in it"),
        ("../bob", "is no path below the tree"),
        ("/etc", "is no path below the tree"),
        ("a folder//x", "is no path below the tree"),
        ("a\0b", "is no path below the tree"),
    ],
)
def test_what_cannot_be_brought_back_is_said(volume, path, words):
    with pytest.raises(RestoreError, match=words):
        restore_live(volume, wanted(path), at=AT)


def test_a_folder_that_is_gone_is_brought_back_as_a_whole(volume, live):
    subprocess.run(["rm", "-r", live / "a folder"], check=True)
    with pytest.raises(RestoreError, match="bring that back as a whole"):
        restore_live(volume, wanted("a folder/notebook.ipynb"), at=AT)
    restore_live(volume, wanted("a folder"), at=AT)
    assert differences(volume) == []


def test_a_link_in_the_way_leads_nowhere(volume, live, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    subprocess.run(["rm", "-r", live / "a folder", live / "empty"], check=True)
    (live / "a folder").symlink_to(outside)
    (live / "empty").symlink_to(outside / "victim")
    with pytest.raises(AgentError, match="is not a directory"):
        restore_live(volume, wanted("a folder/notebook.ipynb"), at=AT)
    restore_live(volume, wanted("empty"), at=AT)
    assert list(outside.iterdir()) == []
    assert (live / f"empty{KEPT}").is_symlink()
    assert (live / "empty").read_bytes() == b""


_RACE = """
import os, sys
os.setgid({uid}); os.setuid({uid})
os.chdir(sys.argv[1])
while True:
    for name in os.listdir("."):
        if not name.startswith(".af-restore-"):
            continue
        try:
            os.rename(name, "taken" + name); os.symlink(sys.argv[2], name)
        except OSError:
            pass
"""


def test_an_exchanged_stage_leads_nowhere(volume, live, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    for folder in (live, *live.parents):
        if folder == Path("/tmp"):
            break
        folder.chmod(folder.stat().st_mode | 0o011)
    racer = subprocess.Popen(
        [sys.executable, "-c", _RACE.format(uid=STUDENT), str(live), str(outside)]
    )
    try:
        deadline = time.monotonic() + 30
        taken = 0
        while not taken and time.monotonic() < deadline:
            with suppress(AgentError, OSError):
                restore_live(volume, wanted("program"), at=AT)
            taken = len(list(live.glob("taken*")))
    finally:
        racer.kill()
        racer.wait()
    assert taken, "nobody was fast enough"
    assert list(outside.iterdir()) == []


_KILLED = """
import os, sys
from jupyterhub_af.policy.storage import make_tree
from jupyterhub_af.storage import restore
from jupyterhub_af.storage.beneath import choose_opener
from jupyterhub_af.storage.ensure import Volume
step, count = sys.argv[2], 0
def at_step(name, real):
    def do(*given):
        if name == step:
            print("here", flush=True)
            sys.stdin.read()
        return real(*given)
    return do
for name in ("_copy", "_put", "rename_if_free"):
    setattr(restore, name, at_step(name, getattr(restore, name)))
fd = os.open(sys.argv[1], os.O_RDONLY)
tree = make_tree("private", "private", "anna")
wanted = restore.Wanted(tree, "2026-11-20T10-00-00Z", "program")
restore.restore_live(Volume(fd, choose_opener()), wanted, at=1.0)
"""


@pytest.mark.parametrize("step", ["_copy", "_put", "rename_if_free"])
def test_a_restore_killed_at_any_step_loses_nothing(volume, live, tmp_path, step):
    (live / "program").write_text("today")
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(tmp_path), step],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"here\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (live / "program").read_text() == "today"
    restore_live(volume, wanted("program"), at=AT)
    assert (live / f"program{KEPT}").read_text() == "today"
    assert not list(live.glob(".af-restore-*"))


def test_copied_out_is_a_path_and_nothing_is_overwritten(volume, tmp_path):
    to = tmp_path / "to"
    to.mkdir()
    to_fd = os.open(to, os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert copy_out(volume, wanted("empty"), to_fd) == ("empty",)
        assert (to / "empty").stat().st_uid == FELLOW
        (to / "program").write_text("mine")
        with pytest.raises(RestoreError, match="'empty' is there already"):
            copy_out(volume, wanted(), to_fd)
    finally:
        os.close(to_fd)
    assert sorted(p.name for p in to.iterdir()) == ["empty", "program"]
    assert (to / "program").read_text() == "mine"
