"""The agent without its network: obey plans, area by area, within a deadline.

The agent keeps nothing: what exists on the volume is its only state, so that it can be
killed and started again at any moment.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from jupyterhub_af.policy.messages import EnsureReply
from jupyterhub_af.policy.plan import ServerPlan
from jupyterhub_af.policy.storage import Directory

from .accept import AreaWork, IdRanges, Owners, accept_owners, accept_work
from .beneath import Opener, choose_opener
from .ensure import Volume, ensure_directories
from .errors import AgentError, to_silence_error, to_storage_error
from .lines import Lines
from .probe import Lack, find_advice, find_lacks, no_lists

T = TypeVar("T")
Ensure = Callable[[Volume, Sequence[Directory], Owners], EnsureReply]

# A colon is not allowed in an area's name, so this line is nobody's area.
_HEALTH = ":health"
NOT_ROOT = (
    "Ownership is not enforced: the agent does not run as root, so every file belongs "
    "to its own account and only the mounts keep people apart."
)


@dataclass(frozen=True, slots=True)
class Agent:
    """What the agent needs to obey a plan."""

    volume: Path
    deadline_seconds: float = 20.0
    ranges: IdRanges = field(default_factory=IdRanges)
    opener: Opener = field(default_factory=choose_opener)
    ensure: Ensure = ensure_directories
    lines: Lines = field(default_factory=Lines)
    # what file systems were seen to lack, by area; ":health" is the volume as a whole
    lacks: dict[str, tuple[Lack, ...]] = field(default_factory=dict)
    # what the file system of an area said when a plan needed it last, if it failed
    failures: dict[str, str] = field(default_factory=dict)

    async def ensure_plan(self, plan: ServerPlan) -> EnsureReply:
        """Make every directory a plan needs; the first area that fails is reported.

        Raises
        ------
        AgentError
            If the plan is refused, or an area did not do it, or not in time.
        """
        work = accept_work(plan)
        agent = (os.geteuid(), os.getegid())
        owners = accept_owners(plan, self.ranges, agent=agent)
        futures = {
            asyncio.wrap_future(
                self.lines.submit(item.area, partial(self._ensure_area, item, owners))
            ): item.area
            for item in work
        }
        return _join(await self._within_deadline(futures))

    async def find_problems(self) -> tuple[str, ...]:
        """Return what is wrong with the volume, in words; nothing is written."""
        found = [] if os.geteuid() == 0 else [NOT_ROOT]
        silent = self.lines.silent_areas(self.deadline_seconds)
        # other lines than those of plans tell of their own silence
        if areas := tuple(area for area in silent if ":" not in area):
            found.append(str(to_silence_error(areas, self.deadline_seconds)))
        look = asyncio.wrap_future(self.lines.submit(_HEALTH, self._look))
        try:
            found += (await self._within_deadline({look: "the volume"}))[0]
        except AgentError as error:
            found.append(str(error))
        found += (words for _, words in sorted(dict(self.failures).items()))
        return (*found, *self._seen_lacks())

    def start_probe(self, log: logging.Logger) -> None:
        """Begin to try what the volume's file system can do; health tells the result."""

        def probe() -> None:
            self.lacks[_HEALTH] = find_lacks(self.volume, self.ranges.first_uid)
            for lack in self.lacks[_HEALTH]:
                log.warning("%s", lack)
            if advice := find_advice(self.volume):
                log.info("%s", advice)

        self.lines.submit(_HEALTH, probe)

    def _seen_lacks(self) -> tuple[str, ...]:
        """Return in words what is missing; of the whole volume it is said once."""
        lacks = dict(self.lacks)
        whole = lacks.pop(_HEALTH, ())
        rules = {lack.rule for lack in whole}
        parts = [
            lack
            for area in sorted(lacks)
            for lack in lacks[area]
            if lack.rule not in rules
        ]
        return tuple(str(lack) for lack in (*whole, *parts))

    async def in_lines(self, works: Mapping[str, Callable[[], T]]) -> list[T]:
        """Return what pieces of work return, each done in the line of its area.

        Raises
        ------
        AgentError
            If a file system did not do it, or not in time.
        """
        futures = {
            asyncio.wrap_future(
                self.lines.submit(area, partial(_in_words, area, work))
            ): (area)
            for area, work in works.items()
        }
        return await self._within_deadline(futures)

    async def _within_deadline(
        self, futures: Mapping[asyncio.Future[T], str]
    ) -> list[T]:
        """Return all results, or raise the first error, or name who is silent."""
        if not futures:
            return []
        _, late = await asyncio.wait(futures, timeout=self.deadline_seconds)
        silent = tuple(area for future, area in futures.items() if future in late)
        for future in late:
            future.cancel()
        # every error is looked at, or asyncio would log those of the other areas
        errors = [f.exception() for f in futures if f not in late]
        for error in errors:
            if error is not None:
                raise error
        if silent:
            raise to_silence_error(silent, self.deadline_seconds)
        return [future.result() for future in futures]

    def _ensure_area(self, item: AreaWork, owners: Owners) -> EnsureReply:
        """Ensure one area's directories; runs in the area's thread."""
        try:
            root_fd = os.open(self.volume, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                volume = Volume(root_fd, self.opener)
                reply = self.ensure(volume, item.directories, owners)
            finally:
                os.close(root_fd)
        except OSError as error:
            failure = to_storage_error(item.area, error)
            self.failures[item.area] = str(failure)
            raise failure from error
        self.failures.pop(item.area, None)
        is_lacking = bool(volume.without_lists)
        self.lacks[item.area] = (no_lists(item.area),) if is_lacking else ()
        return reply

    def _look(self) -> list[str]:
        """Return what the file system says of the volume; runs in a thread."""
        try:
            space = os.statvfs(self.volume)
        except OSError as error:
            return [f"The volume cannot be read: {os.strerror(error.errno or 0)}."]
        if space.f_flag & os.ST_RDONLY:
            return ["The volume is mounted read-only."]
        if not os.access(self.volume, os.W_OK | os.X_OK):
            return ["The agent may not write on the volume."]
        return [] if space.f_bavail else ["The volume is full."]


def _in_words(area: str, work: Callable[[], T]) -> T:
    """Do work at an area; say in words what its file system refused."""
    try:
        return work()
    except OSError as error:
        raise to_storage_error(area, error) from error


def _join(replies: Iterable[EnsureReply]) -> EnsureReply:
    """Return several areas' replies as one; areas may share their top directory."""
    replies = tuple(replies)
    made = dict.fromkeys(path for reply in replies for path in reply.made)
    mended = dict.fromkeys(path for reply in replies for path in reply.mended)
    return EnsureReply(
        made=tuple(made), mended=tuple(path for path in mended if path not in made)
    )
