"""What hub and service are told of trees: from the index, the file system and the file.

Disks are looked at in the lines of their areas and within the agent's deadline, as
everything the agent does; nothing is walked while somebody waits.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from jupyterhub_af.catalogue import Catalogue
from jupyterhub_af.policy.errors import UnsafeNameError
from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.quota import fullness_of
from jupyterhub_af.policy.storage import Tree, make_tree, tree_root
from jupyterhub_af.policy.storage_messages import (
    Enforcement,
    LargestReply,
    LargestRequest,
    RecountReply,
    RecountRequest,
    TreeName,
    TreesRequest,
    TreeUsage,
    UsageReply,
)
from jupyterhub_af.storage.agent import Agent
from jupyterhub_af.storage.errors import AgentError, BodyError
from jupyterhub_af.storage.quota.holder import Holder, describe, find_holder

from .counts import Counts
from .index import Totals, read_largest, read_totals

T = TypeVar("T")
# a colon is in no area's name
_LINE = ":quota"
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look at an area's disk found: its trees, and what is free on it."""

    usages: dict[Tree, TreeUsage]
    totals: dict[Tree, Totals | None]
    absent: set[Tree]
    free_bytes: int
    error: AgentError | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """Answer questions about trees."""

    agent: Agent
    counts: Counts
    catalogue: Catalogue

    async def usage(self, request: TreesRequest) -> UsageReply:
        """Return how full trees are; those with an old count are counted afterwards."""
        trees = to_trees(request.trees)
        look = await self._look(trees)
        full = [tree for tree in trees if fullness_of(look.usages[tree]) == "full"]
        if full and request.patience_seconds:
            for tree in full:
                self.counts.want(tree, is_asked=True, is_urgent=True)
            await self.counts.wait_for(full, request.patience_seconds)
            look = await self._look(trees, is_waited=True)
        for tree in set(trees) - look.absent:
            self.counts.refresh(tree, look.totals[tree])
        usages = tuple(look.usages[tree] for tree in trees)
        return UsageReply(usages=usages, free_bytes=look.free_bytes)

    async def hold(self, trees: tuple[Tree, ...]) -> None:
        """Hold trees to their quotas, as the file says today; a look does that."""
        await self._look(trees)

    async def largest(self, request: LargestRequest) -> LargestReply:
        """Return what fills a folder of a tree.

        Raises
        ------
        AgentError
            If the folder was not there at the last count.
        """
        (tree,) = to_trees([request.tree])
        found = await self._in_line(
            tree.area, partial(self._read_largest, tree, request)
        )
        if found is not None:
            return found
        self.counts.want(tree, is_asked=True)
        if request.path:
            msg = f"The folder {request.path[:200]!r} was not there at the last count."
            raise AgentError(msg, rule="folder-unknown", status=409)
        return LargestReply(
            entries=(), largest_files=(), used_bytes=0, files=0, counted_at=None
        )

    async def recount(self, request: RecountRequest) -> RecountReply:
        """Have trees counted again; the reply is about the first of them."""
        trees = to_trees(request.trees)
        want = partial(self.counts.want_later, is_asked=request.is_asked)
        begun = [want(tree) for tree in trees]
        # settling makes the whole disk write: no oftener than a count
        read = self._settle if begun[0] else self._totals
        totals = await self._in_line(trees[0].area, partial(read, trees[0]))
        return RecountReply(
            has_begun=begun[0],
            again_at=self.counts.again_at(trees[0]),
            counted_at=totals.counted_at if totals else None,
        )

    async def notes(self) -> tuple[str, ...]:
        """Return how quotas are held here; nothing while the volume does not answer."""
        try:
            return (await self._in_line(_LINE, self._describe),)
        except AgentError:
            return ()

    async def _look(self, trees: tuple[Tree, ...], *, is_waited: bool = False) -> _Look:
        """Look at trees, each area in its own line; at the volume, if there are none.

        Of an area that does not answer is told what is known without it.

        Raises
        ------
        AgentError
            If no area answers.
        """
        facility = (await asyncio.to_thread(self.catalogue.current)).facility
        by_area: dict[str, tuple[Tree, ...]] = {} if trees else {_LINE: ()}
        for tree in trees:
            by_area[tree.area] = (*by_area.get(tree.area, ()), tree)
        looks = await asyncio.gather(
            *(
                self._look_or_remember(area, mine, facility, is_waited=is_waited)
                for area, mine in by_area.items()
            )
        )
        errors = [look.error for look in looks if look.error is not None]
        if len(errors) == len(looks):
            raise errors[0]
        return _Look(
            usages={t: u for look in looks for t, u in look.usages.items()},
            totals={t: x for look in looks for t, x in look.totals.items()},
            absent={tree for look in looks for tree in look.absent},
            free_bytes=min(look.free_bytes for look in looks if look.error is None),
        )

    async def _look_or_remember(
        self, area: str, trees: tuple[Tree, ...], facility: Facility, *, is_waited: bool
    ) -> _Look:
        work = partial(self._look_at_area, trees, facility, is_waited=is_waited)
        try:
            return await self._in_line(area, work)
        except AgentError as error:
            totals = {tree: self.counts.totals_of(tree) for tree in trees}
            usages = {
                tree: _to_usage(tree, quota_of(facility, tree), totals[tree], None)
                for tree in trees
            }
            # nothing is counted on a disk that does not answer
            return _Look(usages, totals, set(trees), 0, error)

    def _look_at_area(
        self, trees: tuple[Tree, ...], facility: Facility, *, is_waited: bool
    ) -> _Look:
        """Look at the trees of one area; runs in the area's thread."""
        totals = {tree: self._totals(tree) for tree in trees}
        usages: dict[Tree, TreeUsage] = {}
        absent: set[Tree] = set()
        for tree in trees:
            quota = quota_of(facility, tree)
            with self._opened(tree) as tree_fd:
                holder = None if tree_fd is None else find_holder(tree_fd)
                if holder and is_waited:
                    holder.settle()
                usages[tree] = _to_usage(tree, quota, totals[tree], holder)
                if tree_fd is None:
                    absent.add(tree)
        return _Look(usages, totals, absent, self._free_bytes(trees))

    @contextmanager
    def _opened(self, tree: Tree) -> Iterator[int | None]:
        """Give a descriptor of a tree; None where it is not there yet."""
        try:
            tree_fd = self._open(tree.source)
        except FileNotFoundError:
            yield None
            return
        try:
            yield tree_fd
        finally:
            os.close(tree_fd)

    def _open(self, source: str) -> int:
        """Return a descriptor of a directory of the volume; empty: of the volume."""
        volume_fd = os.open(self.agent.volume, _OPEN)
        if not source:
            return volume_fd
        try:
            return self.agent.opener(volume_fd, source)
        finally:
            os.close(volume_fd)

    def _free_bytes(self, trees: tuple[Tree, ...]) -> int:
        """Return what people may still write where the trees of one area lie."""
        root = tree_root(trees[0].kind, trees[0].area) if trees else ""
        try:
            fd = self._open(root)
        except FileNotFoundError:
            fd = self._open("")
        try:
            space = os.fstatvfs(fd)
        finally:
            os.close(fd)
        return space.f_bavail * space.f_frsize

    def _totals(self, tree: Tree) -> Totals | None:
        return self.counts.totals_of(tree) or read_totals(self.counts.index_of(tree))

    def _settle(self, tree: Tree) -> Totals | None:
        """Have the file system's numbers be of now; return what was counted last."""
        with self._opened(tree) as tree_fd:
            if tree_fd is not None and (holder := find_holder(tree_fd)):
                holder.settle()
        return self._totals(tree)

    def _read_largest(self, tree: Tree, request: LargestRequest) -> LargestReply | None:
        return read_largest(self.counts.index_of(tree), request.path, request.count)

    def _describe(self) -> str:
        volume_fd = self._open("")
        try:
            return describe(volume_fd)
        finally:
            os.close(volume_fd)

    async def _in_line(self, area: str, work: Callable[[], T]) -> T:
        """Return what one piece of work returns, done in an area's line."""
        (result,) = await self.agent.in_lines({area: work})
        return result


def _to_usage(
    tree: Tree, quota_bytes: int | None, totals: Totals | None, holder: Holder | None
) -> TreeUsage:
    """Return how full a tree is, and hold it to its quota where that can be done."""
    is_held = holder is not None and holder.hold(quota_bytes)
    used = holder.used_bytes() if holder is not None else None
    if used is None and totals is not None:
        used = totals.used_bytes
    enforced_by: Enforcement = holder.name if holder and is_held else "accounting"
    return TreeUsage(
        tree=TreeName(area=tree.area, kind=tree.kind, owner=tree.owner),
        used_bytes=used,
        files=totals.files if totals else None,
        counted_at=totals.counted_at if totals else None,
        quota_bytes=quota_bytes,
        enforced_by=None if quota_bytes is None else enforced_by,
    )


def quota_of(facility: Facility, tree: Tree) -> int | None:
    """Return what the file gives a tree today; None: as much as there is."""
    found = (a.quota for a in facility.storage if a.name == tree.area)
    return next(found, None)


def to_trees(names: Iterable[TreeName]) -> tuple[Tree, ...]:
    """Return the trees of checked names.

    Raises
    ------
    BodyError
        If a name is none that the volume may have.
    """
    try:
        return tuple(make_tree(n.kind, n.area, n.owner) for n in names)
    except (UnsafeNameError, KeyError) as error:
        raise BodyError("tree", str(error).rstrip(".")) from error
