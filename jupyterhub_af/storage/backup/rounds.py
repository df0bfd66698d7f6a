"""Back every area up as often as the facility says, and answer who asks about it."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from jupyterhub_af.policy.backup_messages import (
    BackupFailure,
    BackupListReply,
    BackupListRequest,
    BackupPurgeReply,
    BackupPurgeRequest,
    TreeBackups,
    WhichTrees,
)
from jupyterhub_af.policy.facility import Facility, StorageArea
from jupyterhub_af.policy.storage import make_tree
from jupyterhub_af.policy.storage_messages import TreeName
from jupyterhub_af.storage.agent import Agent
from jupyterhub_af.storage.errors import (
    AgentError,
    to_silence_error,
    to_storage_error,
)

from .line import BackupLines
from .place import Place
from .purge import purge_path
from .sandbox import missing_programs
from .space import load_space
from .trees import backed_up, find_area, find_trees, load_records

NO_POWER = "No backups are made: the agent does not run as root."
_LOOK_SECONDS = 1.0
_MOST_PROBLEMS = 5
T = TypeVar("T")


class Backups:
    """The rounds of all areas, and the questions about them."""

    def __init__(
        self,
        agent: Agent,
        lines: BackupLines,
        load: Callable[[], Facility],
        log: logging.Logger,
    ) -> None:
        self._agent = agent
        self._log = log
        self._volume = agent.volume
        self._lines = lines
        self._load = load
        self._began: dict[str, float] = {}
        self._looks: set[asyncio.Task[None]] = set()
        self._silent: dict[str, str] = {}

    async def watch(self) -> None:
        """Begin each area's round when it is due, for ever.

        The first is due at once, so that what a killed agent left is soon removed. An
        area's rounds are counted by a clock that nobody sets.
        """
        while True:
            try:
                if not self._why_not():
                    self._begin_due(await asyncio.to_thread(self._load))
            except Exception:
                # one look that fails must not be the last
                self._log.exception("Could not see which backups are due")
            await asyncio.sleep(_LOOK_SECONDS)

    async def stop(self) -> None:
        """End what runs."""
        for look in self._looks:
            look.cancel()
        await self._lines.stop()

    async def run(self, which: WhichTrees) -> tuple[TreeName, ...]:
        """Put trees into the lines, and return them.

        Raises
        ------
        AgentError
            If there is no such tree, or no backups can be made here.
        """
        if why := self._why_not():
            raise AgentError(why, rule="no-backup", status=503)
        trees = await self._find(which)
        self._lines.submit(trees, is_asked=True)
        return trees

    async def list(self, request: BackupListRequest) -> BackupListReply:
        """Return what is known of trees' backups."""
        trees = await self._find(request)
        found = [await self._look_at(tree, request.count) for tree in trees]
        space: dict[str, int] = {}
        for area in dict.fromkeys(tree.area for tree in trees):
            used = await self._ask(area, partial(load_space, self._volume, area))
            space |= {} if used is None else {area: used}
        return BackupListReply(trees=tuple(found), space_bytes=space)

    async def purge(self, request: BackupPurgeRequest) -> BackupPurgeReply:
        """Take a path out of a tree's generations; a run after it removes it.

        Raises
        ------
        AgentError
            If there is no such tree, it is no path of one, or not all of it is the
            asking person's.
        """
        (tree,) = await self._find(WhichTrees(tree=request.tree))
        place = Place(self._volume, make_tree(tree.kind, tree.area, tree.owner))
        found = await self._ask(
            tree.area, partial(purge_path, place, request.path, request.uid)
        )
        self._lines.submit((tree,), is_asked=True)
        return BackupPurgeReply(generations=found)

    def problems(self, facility: Facility) -> tuple[str, ...]:
        """Return what is wrong with the backups, in words, without a look at a disk."""
        if not backed_up(facility):
            return ()
        if why := self._why_not():
            return (why,)
        failures = sorted(self._lines.failures.items(), key=lambda item: item[1].at)
        found = [_to_words(tree, failure) for tree, failure in failures]
        more = len(found) - _MOST_PROBLEMS
        return (
            *self._silent.values(),
            *found[:_MOST_PROBLEMS],
            *((f"The backups of {more} more trees failed.",) if more > 0 else ()),
        )

    def _begin_due(self, facility: Facility) -> None:
        now = time.monotonic()
        for area, rules in backed_up(facility):
            began = self._began.get(area.name)
            if began is not None and now < began + rules.every:
                continue
            self._began[area.name] = now
            look = asyncio.create_task(self._begin(area))
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)

    async def _begin(self, area: StorageArea) -> None:
        """Put all of an area's trees into its line."""
        try:
            self._lines.submit(await self._trees_of(area))
        except AgentError as error:
            self._silent[area.name] = f"The area {area.name} was not backed up: {error}"
        else:
            self._silent.pop(area.name, None)

    async def _find(self, which: WhichTrees) -> tuple[TreeName, ...]:
        facility = await asyncio.to_thread(self._load)
        if which.tree is None and which.area is None:
            areas: Iterable[StorageArea] = (area for area, _ in backed_up(facility))
        else:
            name = which.tree.area if which.tree else which.area or ""
            areas = (find_area(facility, name)[0],)
        trees = [tree for area in areas for tree in await self._trees_of(area)]
        if which.tree is None:
            return tuple(trees)
        if which.tree not in trees:
            msg = (
                f"{which.tree.owner[:80]!r} has nothing in the area {which.tree.area}."
            )
            raise AgentError(msg, rule="no-tree", status=404)
        return (which.tree,)

    async def _trees_of(self, area: StorageArea) -> tuple[TreeName, ...]:
        return await self._ask(area.name, partial(find_trees, self._volume, area))

    async def _look_at(self, tree: TreeName, count: int) -> TreeBackups:
        look = partial(load_records, self._volume, tree, count)
        found = await self._ask(tree.area, look)
        return TreeBackups(
            tree=tree,
            state=self._lines.state_of(tree),
            tried_at=self._lines.tried.get(tree),
            failure=self._lines.failures.get(tree),
            generations=found,
        )

    async def _ask(self, area: str, work: Callable[[], T]) -> T:
        """Return what the disk says, in a thread of its own and within the deadline."""
        lines, seconds = self._agent.lines, self._agent.deadline_seconds
        # no plan waits behind this: a colon is in no area's name
        look = asyncio.wrap_future(lines.submit(f"{area}:backups", work))
        _, late = await asyncio.wait({look}, timeout=seconds)
        if late:
            look.cancel()
            raise to_silence_error((area,), seconds)
        try:
            return look.result()
        except OSError as error:
            raise to_storage_error(area, error) from error

    def _why_not(self) -> str:
        """Return why no backups can be made here; empty where they can."""
        if os.geteuid() != 0:
            return NO_POWER
        if missing := missing_programs():
            return f"No backups are made: {', '.join(missing)} is not installed."
        return ""


def _to_words(tree: TreeName, failure: BackupFailure) -> str:
    at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(failure.at))
    return f"The backup of {tree.area}/{tree.owner} failed ({at}): {failure.message}"
