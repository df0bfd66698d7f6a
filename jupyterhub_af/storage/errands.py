"""Work that takes longer than a question: it goes on, and who asks again learns more.

Every errand can be repeated: what it finds done it does not do again. So nothing is
kept of those that ended, and an agent that was killed needs only to be asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .lines import Lines

T = TypeVar("T")


@dataclass(slots=True)
class Errands:
    """The errands that run, by name; those of one name are one."""

    patience_seconds: float = 5.0
    _lines: Lines = field(default_factory=Lines)
    _running: dict[str, Future[Any]] = field(default_factory=dict)

    async def wait(self, name: str, work: Callable[[], T]) -> T | None:
        """Begin an errand or join it; return its result, None while it goes on.

        Its error is raised to whoever waits when it ends, and the next call begins anew.
        """
        running = self._running.get(name)
        if running is None:
            running = self._running[name] = self._lines.submit(name, work)
        waiting = asyncio.wrap_future(running)
        # of an error after our patience the next call hears
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait([waiting], timeout=self.patience_seconds)
        if not running.done():
            return None
        self._running.pop(name, None)
        result: T = running.result()
        return result
