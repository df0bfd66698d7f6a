"""Asks the storage agent how full the trees of running servers are, and says what is new.

Who crosses a mark is told once: the audit has a line for near, for full and for well
again, and what the last line says is where the tree was, also after a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from jupyterhub_af.line.peer import Peer, PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.messages import AuditEvent
from jupyterhub_af.policy.quota import Fullness, fullness_of
from jupyterhub_af.policy.storage_messages import (
    RecountReply,
    RecountRequest,
    TreeName,
    TreesRequest,
    TreeUsage,
    UsageReply,
)
from jupyterhub_af.policy.units import format_memory

from .audit import PROCESS
from .changes import Ended, News
from .desk import Desk
from .plans import Start
from .storage import to_name, trees_in

MOST_TREES = 256
# how often a tree is asked about whose count somebody waits for, and for how long
SOON_SECONDS = 1.0
PATIENCE_LOOKS = 120
ACTIONS: dict[Fullness, str] = {
    "ok": "storage.ok",
    "near": "storage.near",
    "full": "storage.full",
}


@dataclass(frozen=True, slots=True)
class _Worker:
    """Somebody who works in a tree: their name, and the tree's."""

    user: str
    tree: TreeName

    @property
    def target(self) -> str:
        """Return what the audit says it is about: a person's own, or nobody's alone."""
        return self.tree.audit_target(self.user)


class StorageWatch:
    """Look at the trees of running servers, again and again."""

    def __init__(self, desk: Desk, agent: Peer, *, look_seconds: float) -> None:
        self._desk = desk
        self._agent = agent
        self._look_seconds = look_seconds
        self._marks: dict[str, Fullness] = {}
        self._ended: set[tuple[str, str]] = set()
        self._looks_left: dict[TreeName, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_away = False
        desk.changes.subscribe(self._hear)

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._look_for_ever())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Ask about every tree that somebody works in, and tell what is different."""
        starts = (await self._desk.find_starts(self._desk.running.places)).values()
        workers = [worker for start in starts for worker in _workers(start)]
        names = list(dict.fromkeys(worker.tree for worker in workers))
        self._desk.disks.keep_only(names)
        await self._recount_ended()
        disks, free_bytes = self._desk.disks, []
        # with nobody at work the disk itself is asked about
        for some in [*_batches(names)] or [()]:
            request = TreesRequest(trees=some)
            reply = await self._agent.ask("/usage", request, UsageReply)
            free_bytes.append(reply.free_bytes)
            await self._take(reply, workers)
        if disks.put_free(min(free_bytes)):
            self._desk.changes.touch(None, "storage")

    async def _recount_ended(self) -> None:
        """Have the trees of servers that ended counted: their people may start again."""
        ended = frozenset(self._ended)
        starts = (await self._desk.find_starts(ended)).values()
        names = [worker.tree for start in starts for worker in _workers(start)]
        for some in _batches(list(dict.fromkeys(names))):
            await self._agent.ask("/recount", RecountRequest(trees=some), RecountReply)
        self._ended -= ended

    async def _look_for_ever(self) -> None:
        while True:
            try:
                await self.look()
            except (PeerAwayError, PeerRefusedError, SQLAlchemyError) as error:
                self._say_away(error)
            except Exception:
                # one look of many: the next one may go well
                self._desk.log.exception("Failed at a look at disks")
            else:
                self._is_away = False
            self._forget_expected()
            await self._wait()

    async def _wait(self) -> None:
        """Wait for the next look; it is soon while somebody waits for a count."""
        disks = self._desk.disks
        soon = bool(disks.expected)
        seconds = min(SOON_SECONDS, self._look_seconds) if soon else self._look_seconds
        if soon:
            await asyncio.sleep(seconds)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await disks.news.wait()
        disks.news.clear()

    async def _take(self, reply: UsageReply, workers: Sequence[_Worker]) -> None:
        before = {u.tree: self._desk.disks.find(u.tree) for u in reply.usages}
        changed = {usage.tree: usage for usage in self._desk.disks.take(reply)}
        for usage in changed.values():
            old = before[usage.tree]
            if old is None or old.counted_at != usage.counted_at:
                self._desk.disks.expected.discard(usage.tree)
        for worker in workers:
            if worker.tree in changed:
                self._desk.changes.touch(worker.user, "storage")
        marked: set[str] = set()
        for worker in workers:
            known = self._desk.disks.find(worker.tree)
            if known is not None and worker.target not in marked:
                marked.add(worker.target)
                await self._mark(worker, known)

    async def _mark(self, worker: _Worker, usage: TreeUsage) -> None:
        """Write a line where a tree crossed a mark."""
        if usage.used_bytes is None:
            return
        now, target = fullness_of(usage), worker.target
        if target not in self._marks:
            self._marks[target] = await self._last_mark(target)
        if self._marks[target] == now:
            return
        event = AuditEvent(
            actor=PROCESS,
            action=ACTIONS[now],
            target=target,
            rule=usage.enforced_by or "",
            result="done",
            detail=f"{format_memory(usage.used_bytes)} used of "
            f"{format_memory(usage.quota_bytes or 0)}",
        )
        await self._desk.record(event)
        self._marks[target] = now

    async def _last_mark(self, target: str) -> Fullness:
        """Return where a tree was when it was last written about."""
        actions = tuple(ACTIONS.values())
        last = await self._desk.store.run(self._desk.audit.last_of, target, actions)
        return next((mark for mark, action in ACTIONS.items() if action == last), "ok")

    def _hear(self, news: News) -> None:
        """Note that a server ended."""
        if isinstance(news, Ended):
            self._ended.add((news.user, news.server_name))
            self._desk.disks.news.set()

    def _say_away(self, error: Exception) -> None:
        if not self._is_away:
            self._desk.log.warning("Could not look at disks: %s", error)
        self._is_away = True

    def _forget_expected(self) -> None:
        """Wait for no count for ever."""
        expected = self._desk.disks.expected
        for tree in tuple(expected):
            left = self._looks_left.setdefault(tree, PATIENCE_LOOKS) - 1
            self._looks_left[tree] = left
            if left <= 0:
                expected.discard(tree)
        self._looks_left = {t: n for t, n in self._looks_left.items() if t in expected}


def _workers(start: Start) -> Iterator[_Worker]:
    for tree in trees_in(start.plan):
        yield _Worker(start.plan.user, to_name(tree))


def _batches(names: Sequence[TreeName]) -> Iterator[tuple[TreeName, ...]]:
    for first in range(0, len(names), MOST_TREES):
        yield tuple(names[first : first + MOST_TREES])
