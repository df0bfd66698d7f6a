"""Who is counted when, and what a count leaves that ends before its end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from facility_world import descendants
from loop_world import fill, mounted, needs_root
from usage_world import SOURCE, count_tree, index_of, largest, tree_on, write
from worlds import FACILITY_TEXT

from jupyterhub_af.catalogue import Catalogue
from jupyterhub_af.policy.storage import make_tree
from jupyterhub_af.policy.storage_messages import TreeName, TreesRequest
from jupyterhub_af.storage.agent import Agent
from jupyterhub_af.storage.beneath import open_with_openat2
from jupyterhub_af.storage.errors import AgentError
from jupyterhub_af.storage.usage import worker
from jupyterhub_af.storage.usage.answers import Answers
from jupyterhub_af.storage.usage.counts import Counts, Pace
from jupyterhub_af.storage.usage.index import Totals, read_totals

ANNA = make_tree("private", "private", "anna")
LOG = logging.getLogger("counts")


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counts(tmp_path, clock):
    counts = Counts(tmp_path, LOG, Pace(30, 600, share=20), clock)
    yield counts
    counts.close()


async def test_a_tree_is_counted_and_not_again_before_its_time(counts, clock, tmp_path):
    write(tree_on(tmp_path) / "file", 10_000)
    assert counts.want(ANNA)
    assert not counts.want(ANNA)
    await counts.wait_for([ANNA], 20)
    assert counts.totals_of(ANNA).files == 1
    assert counts.totals_of(ANNA) == read_totals(index_of(tmp_path))
    clock.now += 29
    assert not counts.want(ANNA)
    assert counts.again_at(ANNA) == clock.now + 1
    # a start that hangs on it does not wait
    assert counts.want(ANNA, is_urgent=True)
    await counts.wait_for([ANNA], 20)
    clock.now += 31
    assert counts.want(ANNA)
    await counts.wait_for([ANNA], 20)


@pytest.mark.parametrize("is_asked", [False, True])
async def test_what_changed_is_counted_though_it_was_counted_just_before(
    counts, clock, tmp_path, is_asked
):
    tree = tree_on(tmp_path)
    write(tree / "file", 10_000)
    counts.pace = Pace(least_seconds=1)
    assert counts.want(ANNA)
    await counts.wait_for([ANNA], 20)
    write(tree / "more", 10_000)
    assert not counts.want_later(ANNA, is_asked=is_asked)
    assert not counts.want_later(ANNA, is_asked=is_asked)
    clock.now += 1
    async with asyncio.timeout(30):
        while counts.totals_of(ANNA).files == 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert counts.totals_of(ANNA).files == 2


@pytest.mark.parametrize(
    ("age", "took", "is_due"),
    [
        pytest.param(599, 0.1, False, id="counted some minutes ago"),
        pytest.param(601, 0.1, True, id="counted ten minutes ago"),
        pytest.param(601, 60, False, id="a count that took a minute"),
        pytest.param(1201, 60, True, id="the same after twenty minutes"),
    ],
)
async def test_a_count_is_made_anew_when_it_is_old(
    counts, clock, tmp_path, age, took, is_due
):
    tree_on(tmp_path)
    counts.refresh(ANNA, Totals(1, 1, clock.now - age, took))
    await counts.wait_for([ANNA], 20)
    assert (counts.totals_of(ANNA) is not None) == is_due


async def test_a_tree_that_is_gone_is_said_and_nothing_breaks(counts, caplog):
    assert counts.want(ANNA)
    await counts.wait_for([ANNA], 20)
    assert "Could not count private/anna: No such file or directory" in caplog.text
    assert counts.totals_of(ANNA) is None


async def test_a_count_that_is_killed_leaves_the_earlier_index_whole(
    counts, tmp_path, clock
):
    write(tree_on(tmp_path) / "file", 10_000)
    before = count_tree(tmp_path)
    index = index_of(tmp_path)
    index.with_name(f"{index.name}.1.part").write_bytes(b"what a killed one left")
    # other tests of this process may have servers that run
    others = descendants(os.getpid())
    assert counts.want(ANNA)
    workers: set[int] = set()
    for _ in range(10_000):
        if workers := descendants(os.getpid()) - others:
            break
        await asyncio.sleep(0.001)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    await counts.wait_for([ANNA], 20)
    found = counts.totals_of(ANNA)
    assert found is None or found.files == before.files
    assert read_totals(index).files == before.files
    clock.now += 31
    assert counts.want(ANNA)
    await counts.wait_for([ANNA], 20)
    assert [path.name for path in index.parent.iterdir()] == [index.name]


async def test_a_worker_ends_when_its_agent_is_gone(tmp_path, monkeypatch):
    write(tree_on(tmp_path) / "a/file", 10_000)
    job = worker.Job(str(tmp_path), SOURCE, str(index_of(tmp_path)))

    def orphaned():
        raise worker.OrphanError

    with pytest.raises(worker.OrphanError):
        worker.count(job, orphaned)
    assert list(index_of(tmp_path).parent.iterdir()) == []


@needs_root
def test_without_room_for_the_index_the_totals_are_told(tmp_path):
    """A full disk is when they matter most; what was known before stays."""
    with mounted(tmp_path, "ext4", 16 * 1024**2) as disk:
        tree = tree_on(disk)
        for number in range(200):
            write(tree / str(number), 4096)
        before = count_tree(disk)
        write(tree / "later", 100_000)
        fill(tree / "fill")
        after = count_tree(disk)
        assert after.used_bytes > before.used_bytes + 100_000
        assert read_totals(index_of(disk)) == before
        assert "later" not in largest(disk)[0]
        assert [path.name for path in index_of(disk).parent.iterdir()] == [
            index_of(disk).name
        ]


def test_a_link_in_place_of_a_tree_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    write(outside / "secret", 100_000)
    (tmp_path / "private").mkdir()
    (tmp_path / SOURCE).symlink_to(outside)
    with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
        count_tree(tmp_path)
    assert read_totals(index_of(tmp_path)) is None


def test_an_index_of_another_version_is_not_read(tmp_path):
    path = Path(tmp_path / "x.sqlite")
    for content in (b"", b"SQLite format 3\0" + b"\0" * 100, b"nonsense" * 100):
        path.write_bytes(content)
        assert read_totals(path) is None


@pytest.fixture
def hanging(tmp_path):
    """Give an agent for which the disk of the collab areas never answers."""
    file = tmp_path / "facility.yaml"
    file.write_text(FACILITY_TEXT)
    for source in ("private/anna", "collab/collabspace/GW"):
        tree_on(tmp_path, source)
    over = threading.Event()

    def opener(root_fd: int, path: str) -> int:
        if path.startswith("collab"):
            over.wait(60)
        return open_with_openat2(root_fd, path)

    agent = Agent(tmp_path, deadline_seconds=0.5, opener=opener)
    yield Answers(agent, Counts(tmp_path, LOG), Catalogue(file, LOG))
    over.set()


async def test_a_disk_that_hangs_keeps_silent_about_its_own_trees_only(hanging):
    mine = TreeName(area="private", kind="private", owner="anna")
    group = TreeName(area="collabspace", kind="collab", owner="GW")
    assert (await hanging.usage(TreesRequest(trees=(mine,)))).free_bytes > 0
    await hanging.counts.wait_for([ANNA], 20)
    reply = await hanging.usage(TreesRequest(trees=(group, mine)))
    assert [usage.used_bytes is None for usage in reply.usages] == [True, False]
    assert reply.free_bytes > 0
    with pytest.raises(AgentError, match=r"did not answer within 0\.5 seconds"):
        await hanging.usage(TreesRequest(trees=(group,)))
    hanging.counts.close()
