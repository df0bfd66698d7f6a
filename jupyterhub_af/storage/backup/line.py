"""The backups that wait and run: one line for each area, one tree at a time in each.

A worker process copies; here is only who is next. What a disk does not answer holds up
the line of its area and nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from jupyterhub_af.catalogue import Catalogue
from jupyterhub_af.policy.backup_messages import BackupFailure
from jupyterhub_af.policy.facility import Backup
from jupyterhub_af.policy.generations import Keeping
from jupyterhub_af.policy.storage_messages import TreeName
from jupyterhub_af.storage.accept import IdRanges
from jupyterhub_af.storage.errors import AgentError
from jupyterhub_af.storage.teller import Teller

from .trees import find_area
from .worker import Done, Job
from .workers import Worker

DEADLINE_SECONDS = 12 * 3600.0
# what a copy may take of a tree whose count is known: a file with holes has more bytes to
# read than it takes room, and an area's people wait for each other
_LEAST_SECONDS = 600.0
_SECONDS_PER_BYTE = 1 / (5 * 1024**2)
_SECONDS_PER_FILE = 0.02
# a tree that failed rests ten times as long as it took
_REST = 10
SizeOf = Callable[[TreeName], tuple[int, int] | None]


class BackupLines:
    """What waits, what runs, and how the last run of each tree ended."""

    def __init__(
        self,
        volume: Path,
        catalogue: Catalogue,
        teller: Teller,
        log: logging.Logger,
        *,
        ranges: IdRanges,
        deadline_seconds: float = DEADLINE_SECONDS,
        size_of: SizeOf = lambda _tree: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._volume = volume
        self._catalogue = catalogue
        self._teller = teller
        self._log = log
        self._ranges = ranges
        self._deadline_seconds = deadline_seconds
        self._size_of = size_of
        self._clock = clock
        self._rests_until: dict[TreeName, float] = {}
        self._waiting: dict[str, dict[TreeName, None]] = {}
        self._running: dict[str, TreeName] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.tried: dict[TreeName, float] = {}
        self.failures: dict[TreeName, BackupFailure] = {}

    def submit(self, trees: Iterable[TreeName], *, is_asked: bool = False) -> None:
        """Put trees at the end of their areas' lines; one that waits already stays.

        One that failed is left to rest for a while, unless somebody asks for it.
        """
        now = self._clock()
        for tree in trees:
            if not is_asked and now < self._rests_until.get(tree, now):
                continue
            self._waiting.setdefault(tree.area, {}).setdefault(tree)
            if tree.area not in self._tasks:
                task = asyncio.create_task(self._drain(tree.area))
                self._tasks[tree.area] = task

    def state_of(self, tree: TreeName) -> Literal["idle", "waiting", "running"]:
        """Tell whether a tree is copied now, will be, or neither."""
        if tree in self._waiting.get(tree.area, {}):
            return "waiting"
        return "running" if self._running.get(tree.area) == tree else "idle"

    async def stop(self) -> None:
        """End what runs; what is unfinished is removed by the next agent's first run."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _drain(self, area: str) -> None:
        """Work until nothing waits; the worker lives as long as there is work."""
        worker: Worker | None = None
        try:
            while self._waiting[area]:
                tree = next(iter(self._waiting[area]))
                del self._waiting[area][tree]
                worker = await self._run(tree, worker)
        finally:
            del self._tasks[area]
            if worker is not None:
                worker.kill()
                await worker.gone()

    async def _run(self, tree: TreeName, worker: Worker | None) -> Worker | None:
        """Have one tree copied; return the worker if it can go on."""
        job = self._make_job(tree)
        if job is None:
            return worker
        self._running[tree.area] = tree
        began = self._clock()
        try:
            worker = worker or await Worker.start()
            done = await worker.do(job, within_seconds=self._deadline_of(tree))
            self._note(tree, done)
            self._rest(tree, done, self._clock() - began)
            if worker.is_alive:
                return worker
            await worker.gone()
            return None
        except OSError as error:
            self._note(tree, Done(failure=f"No process could be started: {error}."))
            return None
        finally:
            del self._running[tree.area]

    def _deadline_of(self, tree: TreeName) -> float:
        """Return how many seconds a copy may take, by what the last count found."""
        size = self._size_of(tree)
        if size is None:
            return self._deadline_seconds
        used_bytes, files = size
        seconds = used_bytes * _SECONDS_PER_BYTE + files * _SECONDS_PER_FILE
        return min(self._deadline_seconds, _LEAST_SECONDS + seconds)

    def _rest(self, tree: TreeName, done: Done, took_seconds: float) -> None:
        """Have a tree that failed leave the line to the others for a while."""
        self._rests_until.pop(tree, None)
        if done.failure is not None:
            self._rests_until[tree] = self._clock() + _REST * took_seconds

    def _make_job(self, tree: TreeName) -> Job | None:
        """Return what to do by today's rules; None where the area is not backed up now."""
        try:
            _, rules = find_area(self._catalogue.last.facility, tree.area)
        except AgentError:
            return None
        return Job(
            volume=str(self._volume),
            tree=tree,
            keeping=_to_keeping(rules),
            budget_bytes=rules.budget,
            ranges=self._ranges,
        )

    def _note(self, tree: TreeName, done: Done) -> None:
        """Keep how a run ended; its first failure and the end of failures are told."""
        self.tried[tree] = now = time.time()
        name, target = f"{tree.area}/{tree.owner}", tree.audit_target()
        failed_before = tree in self.failures
        if done.failure is not None:
            self._log.error("The backup of %s failed: %s", name, done.failure)
            self.failures[tree] = BackupFailure(at=now, message=done.failure)
            if not failed_before:
                self._teller.tell("backup.run", target, "failed", detail=done.failure)
            return
        self.failures.pop(tree, None)
        if done.is_new and done.record is not None:
            record = done.record
            counts = (name, record.new_files, record.new_bytes)
            self._log.info("Backed up %s: %s new files, %s new bytes", *counts)
        if done.record is not None and done.record.unread_count:
            facts = (name, done.record.unread_count)
            self._log.warning("The newest backup of %s lacks %s paths", *facts)
        if failed_before:
            self._teller.tell("backup.run", target, "done", detail="It works again.")


def _to_keeping(rules: Backup) -> Keeping:
    return Keeping(rules.keep, hourly=rules.hourly, daily=rules.daily)
