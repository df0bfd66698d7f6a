"""One line of work for each area: a slow file system holds up nobody else's.

A line is a thread that exists while it has work. Work that waits can be cancelled; work
that hangs in the kernel cannot, so the thread is a daemon and the agent can always end.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class _Job:
    """Something to do, and where its result goes."""

    work: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)

    def run(self) -> None:
        """Do the work unless it was cancelled; its error belongs to who asked."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.work()
        except BaseException as error:
            # handed on, as executors do: nothing may end the line unnoticed
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


@dataclass(slots=True)
class _Line:
    """What waits for an area, and since when its present work runs."""

    waiting: deque[_Job]
    since: float


class Lines:
    """The lines of all areas that have work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}

    def submit(self, area: str, work: Callable[[], Any]) -> Future[Any]:
        """Put work at the end of an area's line."""
        job = _Job(work)
        with self._lock:
            line = self._lines.get(area)
            if line is not None:
                alive = [j for j in line.waiting if not j.future.cancelled()]
                line.waiting = deque([*alive, job])
                return job.future
            self._lines[area] = _Line(deque([job]), time.monotonic())
        name = f"area-{area}"
        threading.Thread(
            target=self._drain, args=(area,), name=name, daemon=True
        ).start()
        return job.future

    def silent_areas(self, seconds: float) -> tuple[str, ...]:
        """Return the areas whose present work has run for longer than that."""
        now = time.monotonic()
        with self._lock:
            return tuple(
                sorted(a for a, li in self._lines.items() if now - li.since > seconds)
            )

    def _drain(self, area: str) -> None:
        while (job := self._next(area)) is not None:
            job.run()

    def _next(self, area: str) -> _Job | None:
        """Return the line's next job, or end the line under the lock."""
        with self._lock:
            line = self._lines[area]
            if not line.waiting:
                del self._lines[area]
                return None
            line.since = time.monotonic()
            return line.waiting.popleft()
