"""Tells the facility's service what works in this server, and when its person acted.

A kernel says itself when it starts and stops working, so nothing asks it; a terminal
cannot, so its foreground is looked at once a minute. What starts and ends within some
seconds is not told: whoever does that is at the keyboard anyway.

Words: a kernel is *busy* while it executes; a terminal is busy while something other
than its shell is in the foreground.
"""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jupyterlab_af.service import FacilityUnavailableError
from jupyterlab_af.wire import Refused

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Iterable

    from jupyter_events import EventLogger
    from jupyter_server.serverapp import ServerApp

KERNEL_ACTIONS = "https://events.jupyter.org/jupyter_server/kernel_actions/v1"
# the service takes at most so many of each
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Busy:
    """How many kernels and terminals work right now."""

    kernels: int = 0
    terminals: int = 0


@dataclass(frozen=True, slots=True)
class Times:
    """How long a change must last to be told, how often it is told again, and looked at."""

    settle_seconds: float = 10.0
    repeat_seconds: float = 120.0
    look_seconds: float = 60.0
    # acts of the person closer together than this are told as one
    person_seconds: float = 30.0


USUAL = Times()


class BusyReporter:
    """Tells what is counted at the start, when it changed, and again while busy.

    Also when the person did something since it was last told; `person_at` gives that
    moment by the monotonic clock, and `send` takes how many seconds ago it was.
    """

    def __init__(
        self,
        count: Callable[[], Busy],
        person_at: Callable[[], float],
        send: Callable[[Busy, float], Awaitable[None]],
        *,
        log: logging.Logger,
        times: Times | None = None,
    ) -> None:
        self._count = count
        self._person_at = person_at
        self._send = send
        self._log = log
        self._times = times or USUAL
        self._told: Busy | None = None
        self._told_at = 0.0
        self._told_person_at = 0.0
        self._is_away = False
        self._changed = asyncio.Event()
        self._changed.set()

    def poke(self) -> None:
        """Say that something may have changed."""
        self._changed.set()

    def tell_again(self) -> None:
        """Tell everything soon: the service may have forgotten it."""
        self._told = None
        self.poke()

    async def run(self) -> None:
        """Count and tell until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._times.look_seconds)
            await asyncio.sleep(self._times.settle_seconds)
            self._changed.clear()
            try:
                busy, person_at = self._count(), self._person_at()
                if self._is_due(busy, person_at):
                    await self._tell(busy, person_at)
            except Exception:
                # a server that no longer tells would be stopped as idle
                self._log.exception("could not look at what works")

    def _is_due(self, busy: Busy, person_at: float) -> bool:
        if busy != self._told:
            return True
        if person_at - self._told_person_at >= self._times.person_seconds:
            return True
        waited = time.monotonic() - self._told_at
        return busy != Busy() and waited >= self._times.repeat_seconds

    async def _tell(self, busy: Busy, person_at: float) -> None:
        """Tell the service; one that is away is told at the next look."""
        try:
            await self._send(busy, max(0.0, time.monotonic() - person_at))
        except (FacilityUnavailableError, Refused) as error:
            if not self._is_away:
                self._log.warning("could not tell the facility what works: %s", error)
            self._is_away = True
            return
        self._is_away = False
        self._told, self._told_at = busy, time.monotonic()
        self._told_person_at = person_at


class BusyCounter:
    """Counts what works in one server, and pokes when a kernel says that it changed."""

    def __init__(self, server_app: ServerApp, poke: Callable[[], None]) -> None:
        self._kernels = server_app.kernel_manager
        self._settings = server_app.web_app.settings
        self._logger = server_app.event_logger
        self._poke = poke
        self._watched: weakref.WeakSet[Any] = weakref.WeakSet()

    def watch(self) -> None:
        """Listen to kernels that start and end."""
        if self._logger is not None:
            self._logger.add_listener(schema_id=KERNEL_ACTIONS, listener=self._heard)

    def close(self) -> None:
        """Listen to nothing any more."""
        if self._logger is not None:
            self._logger.remove_listener(listener=self._heard)
        for kernel in tuple(self._watched):
            kernel.unobserve(self._moved, "execution_state")

    def count(self) -> Busy:
        """Return how many work, and listen to the kernels that are new."""
        kernels = [self._kernels.get_kernel(i) for i in self._kernels.list_kernel_ids()]
        for kernel in kernels:
            if kernel not in self._watched and hasattr(kernel, "observe"):
                kernel.observe(self._moved, "execution_state")
                self._watched.add(kernel)
        busy = sum(getattr(k, "execution_state", "") == "busy" for k in kernels)
        manager = self._settings.get("terminal_manager")
        terminals = manager.terminals.values() if manager else ()
        return Busy(min(busy, MOST), min(count_busy_terminals(terminals), MOST))

    async def _heard(
        self, logger: EventLogger, schema_id: str, data: dict[str, Any]
    ) -> None:
        self._poke()

    def _moved(self, _: object) -> None:
        self._poke()


def count_busy_terminals(terminals: Iterable[Any]) -> int:
    """Return how many terminals have something other than their shell in the foreground."""
    return sum(is_busy_terminal(terminal.ptyproc) for terminal in terminals)


def is_busy_terminal(process: Any) -> bool:
    """Return whether something other than the shell is in the foreground."""
    try:
        return bool(os.tcgetpgrp(process.fd) != process.pid)
    except OSError:
        # it just ended
        return False


def to_body(busy: Busy, quiet_seconds: float) -> dict[str, float]:
    """Return the message that the service reads."""
    return {**asdict(busy), "quiet_seconds": round(quiet_seconds, 1)}
