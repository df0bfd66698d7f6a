"""File systems differ: each that cannot do it is named, in time, and alone.

``bindfs`` and a small FUSE server stand in for NFS: root squashed, slow, silent, without
lists. ext4 on a loop device is a disk that is full. All are mounted for one area only.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest
from fuse_world import (
    LOOKUP,
    MKDIR,
    SETATTR,
    hanging_file_system,
    small_disk,
    small_file_system,
    weaker_view,
)
from storage_world import (
    GIDS,
    STUDENT,
    changes,
    ensure,
    layout,
    open_volume,
    plan_for,
    run_as,
)
from waiting import wait_until

from jupyterhub_af.policy.messages import EnsureReply
from jupyterhub_af.storage.agent import Agent
from jupyterhub_af.storage.errors import AgentError
from jupyterhub_af.storage.probe import (
    NO_OWNERS,
    NO_SETGID,
    find_lacks,
    no_lists,
)

Mounted = Callable[[Path], AbstractContextManager[object]]
FOLDER = "collab/collabspace/GW"
NOBODY = 65534
DEADLINE = 1.5


def view(*options: str) -> Mounted:
    return lambda folder: weaker_view(folder, *options)


def small(**options: object) -> Mounted:
    return lambda folder: small_file_system(folder, **options)


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    with small_disk(folder, folder.parent.parent / "disk"):
        with (folder / "large").open("wb") as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
                file.flush()
        yield


@pytest.fixture
def volume() -> Iterator[Path]:
    with open_volume() as folder:
        yield folder


async def obey(
    volume: Path,
) -> tuple[AgentError | None, EnsureReply, tuple[str, ...]]:
    """Ask for a student's areas, then for a teacher's, who has none of that disk."""
    agent = Agent(volume, deadline_seconds=DEADLINE)
    refused = None
    try:
        await agent.ensure_plan(plan_for("student1"))
    except AgentError as error:
        refused = error
    others = await agent.ensure_plan(plan_for("teacher1"))
    return refused, others, await agent.find_problems()


@pytest.mark.parametrize(
    ("mounted", "status", "rule", "words"),
    [
        pytest.param(
            view("--chown-deny", "--chgrp-deny"),
            *(503, "storage-denied", "root squashed?"),
            id="owners are refused (bindfs)",
        ),
        pytest.param(
            small(refused={SETATTR: errno.EPERM}, makes_as=NOBODY),
            *(503, "storage-denied", "root squashed?"),
            id="root is squashed (small FUSE)",
        ),
        pytest.param(
            view("--chown-ignore", "--chgrp-ignore"),
            *(503, "storage-denied", "root squashed?"),
            id="owners are ignored (bindfs)",
        ),
        pytest.param(
            view("--chmod-ignore"),
            *(503, "storage-denied", "root squashed?"),
            id="modes are ignored (bindfs)",
        ),
        pytest.param(
            view("-r"),
            *(503, "storage-read-only", "mount it writable"),
            id="read-only (bindfs)",
        ),
        pytest.param(
            full_disk, *(507, "storage-full", "make room"), id="full (ext4 on a loop)"
        ),
        pytest.param(
            small(refused={MKDIR: errno.EDQUOT}),
            *(507, "storage-quota", "Delete files"),
            id="over its quota (small FUSE)",
        ),
        pytest.param(
            small(refused={LOOKUP: errno.EIO}),
            *(503, "storage-broken", "check the disk"),
            id="broken (small FUSE)",
        ),
        pytest.param(
            small(refused={MKDIR: errno.ESTALE}),
            *(503, "storage-broken", "Try again in a minute"),
            id="a stale handle (small FUSE)",
        ),
        pytest.param(
            small(delay=1.0),
            *(503, "storage-slow", "did not answer within 1.5 seconds"),
            id="too slow (small FUSE)",
        ),
        pytest.param(
            hanging_file_system,
            *(503, "storage-slow", "did not answer within 1.5 seconds"),
            id="silent (FUSE)",
        ),
    ],
)
def test_a_bad_disk_is_named_to_the_person_and_in_health_and_others_are_served(
    volume, mounted, status, rule, words
):
    with mounted(volume / "collab"):
        refused, others, problems = asyncio.run(obey(volume))
    assert refused is not None
    assert (refused.status, refused.rule) == (status, rule)
    assert words in str(refused)
    assert "collabspace" in str(refused)
    assert problems == (str(refused),)
    assert "private/teacher1" in others.made
    assert layout(volume)["private/student1"] == (STUDENT, STUDENT, "0o700")


def test_health_forgets_a_bad_disk_once_it_has_been_used_again(volume):
    async def ask() -> tuple[tuple[str, ...], tuple[str, ...]]:
        agent = Agent(volume)
        with weaker_view(volume / "collab", "-r"), pytest.raises(AgentError):
            await agent.ensure_plan(plan_for("student1"))
        seen = await agent.find_problems()
        await agent.ensure_plan(plan_for("student1"))
        return seen, await agent.find_problems()

    seen, after = asyncio.run(ask())
    assert len(seen) == 1
    assert "Read-only file system" in seen[0]
    assert after == ()


def test_a_disk_that_is_slow_but_in_time_is_only_slow(volume):
    with small_file_system(volume / "collab", delay=0.02):
        reply = ensure(volume, plan_for("student1"))
        again = ensure(volume, plan_for("student1"))
        found = (volume / FOLDER).stat()
    assert FOLDER in reply.made
    assert (again.made, again.mended) == ((), ())
    assert (found.st_uid, found.st_gid) == (0, GIDS["hackathon/gw"])
    assert oct(found.st_mode) == "0o42770"


def test_areas_that_are_as_they_should_be_need_no_write(volume):
    """A read-only disk on which nothing is missing does not keep anybody from starting."""
    ensure(volume, plan_for("student1"))
    with weaker_view(volume / "collab", "-r"):
        reply = ensure(volume, plan_for("student1"))
    assert (reply.made, reply.mended) == ((), ())


@pytest.mark.parametrize("option", ["--xattr-none", "--xattr-ro"])
def test_without_lists_all_is_made_and_health_says_once_what_is_missing(volume, option):
    """bindfs stands in for NFS 4, which has no POSIX lists."""

    async def ask() -> tuple[str, ...]:
        agent = Agent(volume)
        await agent.ensure_plan(plan_for("student1"))
        await agent.ensure_plan(plan_for("student1"))
        return await agent.find_problems()

    with weaker_view(volume / "collab", option):
        problems = asyncio.run(ask())
        before = changes(volume / "collab")
        reply = ensure(volume, plan_for("student1"))
        assert changes(volume / "collab") == before
    assert (reply.made, reply.mended) == ((), ())
    assert problems == (str(no_lists("collabspace")),)
    assert "umask 077" in problems[0]
    assert layout(volume)[FOLDER] == (0, GIDS["hackathon/gw"], "0o2770")


def test_without_lists_the_server_s_own_umask_still_serves_the_fellows(volume):
    script = (
        "import os, sys\nos.umask(0o002)\nopen(sys.argv[1] + '/file', 'w').write('x')"
    )
    with weaker_view(volume / "collab", "--xattr-none"):
        ensure(volume, plan_for("student1"))
        run_as(STUDENT, [GIDS["hackathon/gw"]], script, str(volume / FOLDER))
    made = (volume / FOLDER / "file").stat()
    assert (oct(made.st_mode), made.st_gid) == ("0o100664", GIDS["hackathon/gw"])


@pytest.mark.parametrize(
    ("options", "lacks"),
    [
        pytest.param(("--xattr-none",), (), id="lists are refused"),
        pytest.param(("--xattr-rw",), (), id="lists are kept and not applied"),
        pytest.param(("--chown-deny",), (NO_OWNERS,), id="owners are refused"),
        pytest.param(("--chown-ignore",), (NO_OWNERS,), id="owners are ignored"),
        pytest.param(("--chmod-ignore",), (NO_SETGID,), id="modes are ignored"),
    ],
)
def test_the_agent_finds_out_at_its_start_what_the_volume_cannot_do(
    volume, options, lacks
):
    """No bindfs lets a list decide over the umask, also where it keeps lists."""
    assert find_lacks(volume, STUDENT) == ()
    with weaker_view(volume, *options):
        found = find_lacks(volume, STUDENT)
    assert found == (*lacks, no_lists())
    assert list(volume.iterdir()) == []


def test_what_the_whole_volume_lacks_is_said_once_and_not_by_area(volume, caplog):
    async def ask() -> tuple[str, ...]:
        agent = Agent(volume)
        agent.start_probe(logging.getLogger("probe"))
        await agent.ensure_plan(plan_for("student1"))
        return await agent.find_problems()

    caplog.set_level("INFO")
    with weaker_view(volume, "--xattr-none"):
        assert asyncio.run(ask()) == (str(no_lists()),)
    assert caplog.messages == [str(no_lists())]


def test_how_the_volume_should_be_mounted_is_advice_for_the_log_alone(volume, caplog):
    async def ask() -> tuple[str, ...]:
        agent = Agent(volume)
        agent.start_probe(logging.getLogger("probe"))
        return await agent.find_problems()

    caplog.set_level("INFO")
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0711", "tmpfs", str(volume)]
    subprocess.run(command, check=True)
    try:
        assert asyncio.run(ask()) == ()
        subprocess.run(["mount", "-o", "remount,nosuid,nodev", str(volume)], check=True)
        assert asyncio.run(ask()) == ()
    finally:
        subprocess.run(["umount", str(volume)], check=True)
    assert caplog.messages == [
        "Mount the volume with nosuid,nodev on every machine that has it."
    ]


def test_a_probe_that_was_killed_is_cleaned_and_one_that_was_replaced_not_followed(
    volume,
):
    (volume / ".probe").mkdir()
    for name in ("owner", "list", "link", "linked"):
        (volume / ".probe" / name).touch()
    assert find_lacks(volume, STUDENT) == ()
    assert list(volume.iterdir()) == []
    outside = volume.parent / "outside"
    outside.mkdir()
    (volume / ".probe").symlink_to(outside)
    before = changes(outside)
    assert find_lacks(volume, STUDENT) == ()
    assert changes(outside) == before


def test_no_thread_and_no_descriptor_is_left_by_a_disk_that_failed(volume):
    def count() -> tuple[int, int]:
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    with weaker_view(volume / "collab", "-r"):
        asyncio.run(obey(volume))
        before = count()
        for _ in range(20):
            asyncio.run(obey(volume))

        def is_none_more() -> bool:
            # what an earlier test left may end meanwhile
            return all(now <= then for now, then in zip(count(), before, strict=True))

        wait_until(is_none_more, what="no more than before")
