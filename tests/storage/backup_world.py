"""A volume with trees of several people, and one backup after the other of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jupyterhub_af.policy.generations import Keeping
from jupyterhub_af.policy.storage import Tree, make_tree
from jupyterhub_af.policy.storage_messages import TreeName
from jupyterhub_af.storage.accept import IdRanges
from jupyterhub_af.storage.backup.place import Place
from jupyterhub_af.storage.backup.worker import Done, Job, do_job

STUDENT, GW = 1_000_001, 2_000_001
AREA = "collabspace"
# 2026-01-05T10:00:00Z, a Monday
MONDAY = 1_767_607_200


@dataclass
class Clock:
    """A clock that the test sets."""

    now: float = MONDAY

    def __call__(self) -> float:
        return self.now


@dataclass
class BackupWorld:
    """One folder of a collab area, and its backups."""

    volume: Path
    keeping: Keeping = field(default_factory=lambda: Keeping(48))
    budget_bytes: int | None = None
    clock: Clock = field(default_factory=Clock)
    tree: Tree = field(default_factory=lambda: make_tree("collab", AREA, "GW"))

    def __post_init__(self) -> None:
        self.source.mkdir(parents=True)
        os.chown(self.source, 0, GW)
        self.source.chmod(0o2770)

    @property
    def source(self) -> Path:
        return self.volume / self.tree.source

    @property
    def place(self) -> Place:
        return Place(self.volume, self.tree)

    @property
    def job(self) -> Job:
        name = TreeName(area=self.tree.area, kind=self.tree.kind, owner=self.tree.owner)
        return Job(
            volume=str(self.volume),
            tree=name,
            keeping=self.keeping,
            budget_bytes=self.budget_bytes,
            ranges=IdRanges(),
        )

    def run(self, *, step: Callable[[str], None] = lambda _name: None) -> Done:
        """Back the tree up, a minute later than the time before."""
        self.clock.now += 60
        return do_job(self.job, clock=self.clock, step=step)

    def back_up(self) -> Path:
        """Back the tree up and return where the generation that shows it lies."""
        done = self.run()
        assert done.failure is None, done.failure
        assert done.record is not None
        return self.generations / done.record.name

    @property
    def generations(self) -> Path:
        return self.volume / self.tree.backups

    def names(self) -> list[str]:
        return sorted(path.name for path in self.generations.iterdir())
