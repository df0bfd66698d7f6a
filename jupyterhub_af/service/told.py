"""What other processes tell is done once, however often it is told.

Who tells and gets no answer tells again; the first telling may have been heard.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

MOST_REMEMBERED = 10_000


class Told:
    """Remember the newest tellings, and what came of them."""

    def __init__(self) -> None:
        self._tasks: OrderedDict[str, asyncio.Task[None]] = OrderedDict()

    async def once(
        self, telling: str, work: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """Do the work of a telling, unless it was done or is being done; fail as it does.

        One without a name is always done. What failed is done again when told again.
        """
        if not telling:
            await work()
            return
        task = self._tasks.get(telling)
        if task is None:
            task = self._tasks[telling] = asyncio.create_task(work())
            task.add_done_callback(lambda done: self._note(telling, done))
        # who stops waiting takes nothing back
        await asyncio.shield(task)

    def _note(self, telling: str, done: asyncio.Task[None]) -> None:
        if done.cancelled() or done.exception() is not None:
            self._tasks.pop(telling, None)
        while len(self._tasks) > MOST_REMEMBERED:
            self._tasks.popitem(last=False)
