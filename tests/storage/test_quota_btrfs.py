"""Quotas of a real btrfs on a loop device: refused writes, exact numbers, live edits."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest
from loop_world import mounted, needs_root, run
from storage_world import STUDENT, ensure, plan_for
from worlds import FACILITY_TEXT

from jupyterhub_af.catalogue import Catalogue
from jupyterhub_af.policy.quota import fullness_of
from jupyterhub_af.policy.storage_messages import TreeName, TreesRequest
from jupyterhub_af.storage.agent import Agent
from jupyterhub_af.storage.quota import btrfs
from jupyterhub_af.storage.quota.holder import describe, find_holder
from jupyterhub_af.storage.usage.answers import Answers
from jupyterhub_af.storage.usage.counts import Counts

pytestmark = needs_root
MIB = 1024**2
MINE = TreeName(area="private", kind="private", owner="student1")
LOG = logging.getLogger("test")


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    with mounted(tmp_path_factory.mktemp("disk"), "btrfs", 256 * MIB) as place:
        run("btrfs", "quota", "enable", str(place))
        yield place


@pytest.fixture
def volume(disk, request):
    """Give a folder of the disk for a test alone."""
    umask = os.umask(0o077)
    folder = disk / request.node.name.replace("[", "_")[:60]
    folder.mkdir(mode=0o711)
    yield folder
    os.umask(umask)


def catalogue_with(folder: Path, quota: str) -> Catalogue:
    """Return a catalogue whose private area has a quota, such as ``quota: 4M``."""
    file = folder / "facility.yaml"
    more = f", {quota}" if quota else ""
    text = FACILITY_TEXT.replace(", quota: 20G", more)
    # an editor replaces a file
    file.with_suffix(".new").write_text(text)
    file.with_suffix(".new").replace(file)
    return Catalogue(file, LOG)


def answers_on(volume: Path, folder: Path, quota: str) -> Answers:
    agent = Agent(volume)
    return Answers(agent, Counts(volume, LOG), catalogue_with(folder, quota))


async def usage_of(answers: Answers, patience: float = 0):
    request = TreesRequest(trees=(MINE,), patience_seconds=patience)
    (usage,) = (await answers.usage(request)).usages
    return usage


def write_as(uid: int, path: Path, size: int) -> int:
    """Write a file as a person; return the error number the file system gave, or 0."""
    # in a server the folder is mounted; here the person could not come so far
    folder = os.open(path.parent, os.O_RDONLY)
    pid = os.fork()
    if pid:
        os.close(folder)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        file = os.open(path.name, os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=folder)
        for _ in range(size // 65536):
            os.write(file, os.urandom(65536))
        os.fsync(file)
        os._exit(0)
    except OSError as error:
        os._exit(error.errno or 255)
    finally:
        os._exit(254)


async def test_a_person_cannot_write_beyond_their_quota(volume, tmp_path):
    await Agent(volume).ensure_plan(plan_for("student1"))
    answers = answers_on(volume, tmp_path, "quota: 4M")
    await answers.usage(TreesRequest(trees=(MINE,)))
    home = volume / "private" / "student1"
    assert write_as(STUDENT, home / "small", 2 * MIB) == 0
    assert write_as(STUDENT, home / "large", 8 * MIB) == errno.EDQUOT
    usage = await usage_of(answers, patience=10)
    assert (usage.quota_bytes, usage.enforced_by) == (4 * MIB, "btrfs")
    assert fullness_of(usage) == "full"
    shown = run("btrfs", "qgroup", "show", "--raw", "-f", "--sync", str(home))
    assert usage.used_bytes == int(shown.splitlines()[-1].split()[1])
    # what is deleted is free at once for who waits for it
    (home / "large").unlink()
    assert fullness_of(await usage_of(answers, patience=10)) == "ok"
    answers.counts.close()


async def test_a_live_edit_changes_the_quota(volume, tmp_path):
    await Agent(volume).ensure_plan(plan_for("student1"))
    home = volume / "private" / "student1"
    for quota, size, error in (
        ("quota: 2M", 4 * MIB, errno.EDQUOT),
        ("quota: 16M", 8 * MIB, 0),
        ("", 32 * MIB, 0),
        ("quota: 1M", 4 * MIB, errno.EDQUOT),
    ):
        answers = answers_on(volume, tmp_path, quota)
        usage = await usage_of(answers)
        assert usage.enforced_by == ("btrfs" if quota else None)
        assert write_as(STUDENT, home / "file", size) == error
        (home / "file").unlink()
        answers.counts.close()


async def test_a_second_look_writes_nothing(volume, tmp_path, monkeypatch):
    await Agent(volume).ensure_plan(plan_for("student1"))
    answers = answers_on(volume, tmp_path, "quota: 4M")
    await usage_of(answers)
    asked = []
    ioctl = btrfs.fcntl.ioctl
    monkeypatch.setattr(
        btrfs.fcntl, "ioctl", lambda fd, *a: asked.append(a[0]) or ioctl(fd, *a)
    )
    await usage_of(answers)
    assert asked
    assert btrfs._QGROUP_LIMIT not in asked
    answers.counts.close()


async def test_a_directory_of_before_is_only_counted(volume, tmp_path):
    (volume / "private" / "student1").mkdir(parents=True)
    await Agent(volume).ensure_plan(plan_for("student1"))
    answers = answers_on(volume, tmp_path, "quota: 4M")
    assert (await usage_of(answers)).enforced_by == "accounting"
    answers.counts.close()


def test_only_trees_are_subvolumes_and_their_owners_and_modes_are_as_ever(volume):
    ensure(volume, plan_for("student1"))
    found = {
        str(path.relative_to(volume)): path.stat()
        for path in volume.rglob("*")
        if path.stat().st_ino == 256
    }
    assert set(found) == {
        "private/student1",
        "shared/shared/student1",
        "collab/collabspace/GW",
    }
    status = found["private/student1"]
    assert (status.st_uid, status.st_mode & 0o7777) == (STUDENT, 0o700)
    assert ensure(volume, plan_for("student1")).made == ()


def test_in_which_way_quotas_are_held_is_said(disk, tmp_path):
    for place, words in ((disk, "btrfs"), (tmp_path, "accounting")):
        fd = os.open(place, os.O_RDONLY)
        assert words in describe(fd)
        assert find_holder(fd) is None or place == disk
        os.close(fd)


def test_without_the_right_to_set_limits_trees_are_counted(volume):
    """A container may lack it: then nothing fails, and it is said who counts."""
    ensure(volume, plan_for("student1"))
    tree_fd = os.open(volume / "private" / "student1", os.O_RDONLY)
    pid = os.fork()
    if not pid:
        try:
            os.setgid(65534)
            os.setuid(65534)
            os._exit(42 if find_holder(tree_fd).hold(1_000_000) is False else 1)
        finally:
            os._exit(2)
    os.close(tree_fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42
