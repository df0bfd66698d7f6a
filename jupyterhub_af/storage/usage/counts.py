"""Who is counted when: each count is a process, and an area has few at a time.

Nothing here is asked for by a clock: a tree that hub or service ask about is one that
somebody works in, and is counted again when its count is old. So a facility that nobody
uses counts nothing.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from logging import Logger
from pathlib import Path

from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.storage import Tree, make_tree
from jupyterhub_af.policy.storage_messages import TreeName
from jupyterhub_af.storage.lines import Lines

from .index import Totals
from .worker import Job

# the agent's own folder on the volume; no area is called so, and nothing mounts it
FOLDER = ".usage"
_WORKER = ("-m", "jupyterhub_af.storage.usage.worker")
_LONGEST_COUNT_SECONDS = 6 * 3600
_LET_GO_SECONDS = 1
_LEAST_WAIT_SECONDS = 0.5


class CountError(AFError):
    """Say why a tree could not be counted."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a tree is counted, in seconds.

    ``least``: at most so often, whoever asks. ``every``: so often while somebody works
    in it, and never more than a twentieth of the time.
    """

    least_seconds: float = 30.0
    every_seconds: float = 600.0
    share: int = 20


@dataclass(slots=True)
class _State:
    """What is known of a tree's counts; times are seconds since 1970."""

    asked_at: float = 0.0
    totals: Totals | None = None
    under_way: asyncio.Future[Totals] | None = None
    later: asyncio.TimerHandle | None = None


class Counts:
    """Count trees, in processes, and remember how they went.

    An area has two lines of its own: who waits for an answer does not wait for what is
    only due.
    """

    def __init__(
        self,
        volume: Path,
        log: Logger,
        pace: Pace = Pace(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.pace = pace
        self._volume = volume
        self._log = log
        self._clock = clock
        self._states: dict[Tree, _State] = {}
        self._lines = Lines()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._is_over = False

    def index_of(self, tree: Tree) -> Path:
        """Return where a tree's index is; the names were checked when it was made."""
        return self._volume / FOLDER / tree.area / f"{tree.owner}.sqlite"

    def totals_of(self, tree: Tree) -> Totals | None:
        """Return the totals of the last count of this process."""
        state = self._states.get(tree)
        return state.totals if state else None

    def size_of(self, name: TreeName) -> tuple[int, int] | None:
        """Return bytes and number of files of a tree; None where not all was counted."""
        totals = self.totals_of(make_tree(name.kind, name.area, name.owner))
        if totals is None or not totals.is_whole:
            return None
        return totals.used_bytes, totals.files

    def again_at(self, tree: Tree) -> float:
        """Return when a tree may be counted next."""
        state = self._states.get(tree)
        return state.asked_at + self.pace.least_seconds if state else self._clock()

    def want(
        self, tree: Tree, *, is_asked: bool = False, is_urgent: bool = False
    ) -> bool:
        """Have a tree counted soon; False where it was just counted, or waits already.

        ``is_urgent``: a start hangs on it, so that it is counted again however soon.
        """
        state = self._states.setdefault(tree, _State())
        now = self._clock()
        is_early = now < state.asked_at + self.pace.least_seconds
        if state.under_way or (is_early and not is_urgent):
            return False
        state.asked_at = now
        line = f"{tree.area}:{'asked' if is_asked else 'due'}"
        counted = self._lines.submit(line, partial(self._count, tree))
        state.under_way = asyncio.wrap_future(counted)
        state.under_way.add_done_callback(partial(self._take, tree))
        return True

    def want_later(self, tree: Tree, *, is_asked: bool = False) -> bool:
        """Have a tree counted as soon as it may be: what is in it now is to be known.

        False where that is not now.
        """
        if self.want(tree, is_asked=is_asked):
            return True
        state = self._states[tree]
        if state.later is None:
            seconds = max(_LEAST_WAIT_SECONDS, self.again_at(tree) - self._clock())
            loop = asyncio.get_running_loop()
            state.later = loop.call_later(seconds, self._want_now, tree, is_asked)
        return False

    def refresh(self, tree: Tree, totals: Totals | None) -> None:
        """Have a tree counted if its count is old."""
        if totals is None:
            self.want(tree)
            return
        least = max(self.pace.every_seconds, self.pace.share * totals.took_seconds)
        if self._clock() - totals.counted_at > least:
            self.want(tree)

    async def wait_for(self, trees: list[Tree], seconds: float) -> None:
        """Wait until the counts of trees that are under way have ended, or so long."""
        states = (self._states.get(tree) for tree in trees)
        under_way = [state.under_way for state in states if state and state.under_way]
        if under_way:
            await asyncio.wait(under_way, timeout=seconds)

    def close(self) -> None:
        """Count nothing more; what counted is gone then, as far as the kernel ends it."""
        self._is_over = True
        for state in self._states.values():
            if state.later is not None:
                state.later.cancel()
        for process in tuple(self._processes):
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LET_GO_SECONDS)

    def _want_now(self, tree: Tree, is_asked: bool) -> None:
        self._states[tree].later = None
        self.want_later(tree, is_asked=is_asked)

    def _take(self, tree: Tree, counted: asyncio.Future[Totals]) -> None:
        """Take what a count came to, back in the event loop."""
        state = self._states[tree]
        state.under_way = None
        error = None if counted.cancelled() else counted.exception()
        if error is not None:
            self._log.warning("Could not count %s: %s", tree.source, error)
        elif not counted.cancelled():
            state.totals = counted.result()

    def _count(self, tree: Tree) -> Totals:
        """Return the totals that a process of its own counted; runs in a thread."""
        job = Job(str(self._volume), tree.source, str(self.index_of(tree)))
        line = json.dumps(asdict(job)).encode() + b"\n"
        with subprocess.Popen(
            [*_gently(), sys.executable, *_WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            self._processes.add(process)
            try:
                if self._is_over:
                    process.kill()
                said, words = process.communicate(line, _LONGEST_COUNT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            finally:
                self._processes.discard(process)
        if process.returncode != 0:
            lines = words.decode("utf8", "replace").strip().splitlines()
            raise CountError(lines[-1] if lines else "it was ended")
        return Totals(**json.loads(said))


def _gently() -> tuple[str, ...]:
    """Return what makes a command wait for everybody else's disk, where there is one."""
    ionice = shutil.which("ionice")
    return (ionice, "-c", "3") if ionice else ()
