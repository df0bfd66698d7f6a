"""What people, crashes and other kinds of files may do while the agent works."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from storage_world import GIDS, STUDENT, changes, ensure, layout, plan_for

from jupyterhub_af.policy.storage import Directory, Mount
from jupyterhub_af.storage.accept import Owners
from jupyterhub_af.storage.agent import Agent
from jupyterhub_af.storage.beneath import (
    choose_opener,
    open_step_by_step,
    open_with_openat2,
)
from jupyterhub_af.storage.ensure import ensure_directories
from jupyterhub_af.storage.errors import AgentError, ObstacleError, PlanError

OPENERS = pytest.mark.parametrize("opener", [open_with_openat2, open_step_by_step])
RENAME_EXCHANGE = 2
# six kinds of race, so 10 000 attempts in a proof
ATTEMPTS = 1_700 if os.environ.get("AF_PROOF") else 100
NO_DIRECTORY_FD = -100


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    assert os.geteuid() == 0, "owners can be tested by root only"
    folder = tmp_path / "areas"
    folder.mkdir(mode=0o711)
    return folder


def exchange(one: Path, other: Path) -> None:
    """Let two names change places in one step, so that both exist at every moment."""
    names = (os.fsencode(one), os.fsencode(other))
    answer = ctypes.CDLL(None).renameat2(
        NO_DIRECTORY_FD, names[0], NO_DIRECTORY_FD, names[1], RENAME_EXCHANGE
    )
    assert answer == 0


@OPENERS
@pytest.mark.parametrize("path", ["shared", "shared/shared", "shared/shared/student1"])
def test_exchanges_with_a_link_touch_nothing_outside(volume, opener, path):
    """Every pass either does its work inside or is refused; both happen."""
    ensure(volume, plan_for("student1"))
    # the link leads to a tree of the same shape, so that a follower would not notice
    outside = volume.parent / "outside"
    (outside / "shared/shared/student1").mkdir(parents=True, mode=0o751)
    link = volume / "link"
    link.symlink_to(outside / path)
    before = changes(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            exchange(volume / path, link)

    thread = threading.Thread(target=swap)
    thread.start()
    outcomes: list[str] = []
    end = time.monotonic() + 20
    try:
        while len(outcomes) < ATTEMPTS or (
            set(outcomes) != {"done", "refused"} and time.monotonic() < end
        ):
            try:
                ensure(volume, plan_for("student1"), opener=opener)
                outcomes.append("done")
            except ObstacleError:
                outcomes.append("refused")
    finally:
        stop.set()
        thread.join()
    assert changes(outside) == before
    assert set(outcomes) == {"done", "refused"}


@OPENERS
def test_a_device_in_the_way_is_refused_and_not_opened(volume, opener):
    (volume / "private").mkdir()
    device = volume / "private/student1"
    os.mknod(device, 0o020600, os.makedev(1, 3))
    before = device.lstat()
    with pytest.raises(ObstacleError, match="private/student1"):
        ensure(volume, plan_for("student1"), opener=opener)
    assert device.lstat() == before


def test_this_kernel_resolves_a_path_in_one_call():
    """Where this fails the slower way is taken, which the other tests hold equal."""
    assert choose_opener() in (open_with_openat2, open_step_by_step)


@pytest.mark.parametrize("path", ["../outside", "inner/../../outside", "/etc", "out"])
def test_openat2_leaves_the_volume_by_no_name(volume, path):
    (volume / "inner").mkdir()
    (volume.parent / "outside").mkdir()
    (volume / "out").symlink_to("../outside")
    root_fd = os.open(volume, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match=path):
            open_with_openat2(root_fd, path)
    finally:
        os.close(root_fd)


def dying_at(path: str) -> type[Owners]:
    """Return owners that end the process when they are asked for one directory."""

    class DyingOwners(Owners):
        def of(self, directory: Directory) -> tuple[int, int]:
            if directory.path == path:
                os._exit(9)
            return Owners.of(self, directory)

    return DyingOwners


@pytest.mark.parametrize(
    "path", ["private", "private/student1", "shared/shared/student1"]
)
def test_a_crash_after_making_a_directory_leaves_it_closed_and_is_completed(
    volume, path
):
    def die(place, directories, owners):
        dying = dying_at(path)(
            owners.person,
            owners.agent,
            owners.gids,
            is_enforced=True,
            ranges=owners.ranges,
        )
        return ensure_directories(place, directories, dying)

    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child
        try:
            ensure(volume, plan_for("student1"), ensure=die)
        finally:
            # whatever happened: the child must not go on as a second test run
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert layout(volume)[path] == (0, 0, "0o700")
    reply = ensure(volume, plan_for("student1"))
    assert path in reply.mended
    whole = volume.parent / "whole"
    whole.mkdir()
    ensure(whole, plan_for("student1"))
    assert layout(volume) == layout(whole)


def test_without_a_class_a_shared_directory_keeps_its_owner_s_own_group(volume):
    plan = plan_for("student1")
    tree = Mount("common", "shared", "shared/common", "/af/common", read_only=True)
    own = Mount(
        "common", "shared", "shared/common/student1", "/af/common/student1", False
    )
    ensure(volume, replace(plan, mounts=(tree, own)))
    assert layout(volume) == {
        "shared": (0, 0, "0o711"),
        "shared/common": (0, 0, "0o755"),
        "shared/common/student1": (STUDENT, STUDENT, "0o2775"),
    }


@pytest.mark.parametrize(
    ("uid", "gid", "group_gid"),
    [
        pytest.param(2_000_001, STUDENT, 2_000_001, id="a group's number as uid"),
        pytest.param(STUDENT, 2_000_001, 2_000_001, id="a group's gid as own gid"),
        pytest.param(STUDENT, STUDENT, STUDENT, id="a person's gid for a group"),
        pytest.param(STUDENT, STUDENT, 2**32 - 1, id="the gid that means no change"),
        pytest.param(-1, STUDENT, 2_000_001, id="the uid that means no change"),
    ],
)
def test_a_number_of_another_kind_makes_nothing(volume, uid, gid, group_gid):
    gids = {**GIDS, "hackathon/gw": group_gid}
    with pytest.raises(PlanError, match="numbers from"):
        ensure(volume, replace(plan_for("student1"), uid=uid, gid=gid, gids=gids))
    assert layout(volume) == {}


def test_a_plan_with_a_thousand_mounts_starts_no_thread(volume):
    plan = plan_for("student1")
    mounts = tuple(replace(plan.mounts[0], area=f"a{n}") for n in range(1000))
    before = set(threading.enumerate())
    with pytest.raises(PlanError, match="256 are allowed"):
        ensure(volume, replace(plan, mounts=mounts))
    # threads of other tests may end meanwhile
    assert set(threading.enumerate()) <= before


def test_an_area_that_fails_does_not_keep_the_others_from_being_made(volume):
    (volume / "collab").write_text("in the way")
    with pytest.raises(AgentError, match="'collab'"):
        ensure(volume, plan_for("student1"))
    assert layout(volume)["private/student1"] == (STUDENT, STUDENT, "0o700")
    assert (volume / "collab").read_text() == "in the way"


def test_a_volume_that_is_away_is_said_in_words(volume):
    with pytest.raises(AgentError, match="No such file or directory") as refused:
        ensure(volume / "away", plan_for("student1"))
    assert refused.value.status == 503


async def test_health_names_what_is_wrong_with_the_volume(volume):
    assert await Agent(volume).find_problems() == ()
    away = await Agent(volume / "away").find_problems()
    assert away == ("The volume cannot be read: No such file or directory.",)
