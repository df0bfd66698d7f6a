"""Who is copied next, for how long, and who rests."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from backup_world import Clock
from worlds import edited

from jupyterhub_af.catalogue import Catalogue
from jupyterhub_af.policy.storage_messages import TreeName
from jupyterhub_af.storage.accept import IdRanges
from jupyterhub_af.storage.backup import line
from jupyterhub_af.storage.backup.line import BackupLines
from jupyterhub_af.storage.backup.worker import Done, Job
from jupyterhub_af.storage.teller import Teller

LOG = logging.getLogger("test.backup.line")
GW = TreeName(area="collabspace", kind="collab", owner="GW")
HEP = TreeName(area="collabspace", kind="collab", owner="HEP")
HOUR = 3600.0


@dataclass
class Worlds:
    """Lines whose worker does nothing but take its time."""

    clock: Clock
    took: dict[TreeName, float] = field(default_factory=dict)
    failures: dict[TreeName, str] = field(default_factory=dict)
    sizes: dict[TreeName, tuple[int, int]] = field(default_factory=dict)
    done: list[tuple[str, float]] = field(default_factory=list)

    is_alive = True

    async def do(self, job: Job, *, within_seconds: float) -> Done:
        self.done.append((job.tree.owner, within_seconds))
        self.clock.now += self.took.get(job.tree, 0)
        return Done(failure=self.failures.get(job.tree))

    def kill(self) -> None:
        """Nothing runs."""

    async def gone(self) -> None:
        """Nothing runs."""

    async def submit(self, lines: BackupLines, *trees: TreeName, **how: Any) -> list:
        """Submit trees, wait until nothing waits, and return who was copied."""
        self.done.clear()
        lines.submit(trees, **how)
        async with asyncio.timeout(30):
            await asyncio.gather(*lines._tasks.values())
        return [owner for owner, _ in self.done]


@pytest.fixture
def world(monkeypatch) -> Worlds:
    world = Worlds(Clock())

    class Fake:
        @staticmethod
        async def start() -> Worlds:
            return world

    monkeypatch.setattr(line, "Worker", Fake)
    return world


@pytest.fixture
def lines(world, tmp_path) -> BackupLines:
    file = tmp_path / "facility.yaml"
    file.write_text(edited())
    catalogue = Catalogue(file, LOG)
    catalogue.current()
    return BackupLines(
        Path("/nowhere"),
        catalogue,
        Teller(None, LOG),
        LOG,
        ranges=IdRanges(),
        deadline_seconds=12 * HOUR,
        size_of=world.sizes.get,
        clock=world.clock,
    )


@pytest.mark.parametrize(
    ("size", "seconds"),
    [
        (None, 12 * HOUR),
        ((0, 0), 600),
        ((5 * 1024**3, 1000), 600 + 1024 + 20),
        ((0, 100_000), 600 + 2000),
        ((10 * 1024**4, 0), 12 * HOUR),
    ],
)
async def test_a_tree_has_the_time_that_its_size_needs(world, lines, size, seconds):
    if size is not None:
        world.sizes[GW] = size
    await world.submit(lines, GW)
    assert world.done == [("GW", pytest.approx(seconds))]


async def test_a_tree_that_failed_rests_ten_times_as_long_as_it_took(world, lines):
    world.took[GW], world.failures[GW] = 600, "late"
    assert await world.submit(lines, GW, HEP) == ["GW", "HEP"]
    world.clock.now += 5999
    assert await world.submit(lines, GW, HEP) == ["HEP"]
    assert GW in lines.failures
    world.clock.now += 1
    del world.failures[GW]
    assert await world.submit(lines, GW, HEP) == ["GW", "HEP"]
    assert await world.submit(lines, GW) == ["GW"]


async def test_who_asks_for_a_tree_that_rests_gets_it(world, lines):
    world.took[GW], world.failures[GW] = 600, "late"
    await world.submit(lines, GW)
    assert await world.submit(lines, GW, is_asked=True) == ["GW"]
