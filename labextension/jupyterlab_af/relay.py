"""One stream from the service, handed on to every tab that listens.

This module owns what the tabs are told: it holds the newest event of each kind (and
the newest lines of the history), so that a tab that joins gets the whole state at
once; it keeps one connection to the service while somebody listens and none
otherwise; it says when the service is away and when it is back, once each. A few kinds
are this server's own word: they are held beside the service's.

Words: a *tab* is one listener; the *status* is `back` or `away`, the two kinds of
event that are ours and not the service's. Nothing here grows without bound: a tab
that does not read is let go, and comes again with the id of its last event.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from jupyterlab_af.service import FacilityUnavailableError
from jupyterlab_af.sse import Event, EventParser, StreamError

if TYPE_CHECKING:
    import logging
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

# in the order that a tab is told them
KINDS = ("me", "lifetime", "clusters", "storage", "access", "token", "history")
# what this server says itself: the service cannot see it
OWN_KINDS = frozenset({"token"})
HISTORY_LINES = 100
RECENT_EVENTS = 64
TAB_EVENTS = 64
TABS = 32
LONGEST_PAUSE_SECONDS = 30.0
REFUSED_PAUSE_SECONDS = 300.0
# a token that is refused while the hub has just ended access is soon let in again, for
# as long as its person may save: asked often at first
REFUSED_SOON_SECONDS = 15.0
REFUSED_SOON_FOR_SECONDS = 300.0
# a tab that comes and goes does not shorten a pause below this
SHORTEST_PAUSE_SECONDS = 5.0
# a connection that held this long was a good one: the next pause is short again
GOOD_SECONDS = 30.0
_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Source(Protocol):
    """Where the events come from."""

    def events(self, last_id: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Give the pieces of the stream after an event."""


class Tab:
    """One listener: the events it has not read yet, and whether it is over."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event | None] = asyncio.Queue(TAB_EVENTS + 1)
        self.is_over = False

    def offer(self, event: Event) -> None:
        """Add an event; a tab that has too many to read is over."""
        if self.is_over:
            return
        if self._events.qsize() >= TAB_EVENTS:
            self.end()
        else:
            self._events.put_nowait(event)

    def end(self) -> None:
        """Let the listener go after what it has not read yet."""
        if not self.is_over:
            self.is_over = True
            self._events.put_nowait(None)

    async def next(self, seconds: float) -> Event | None:
        """Return the next event, or None when the tab is over.

        Raises
        ------
        TimeoutError
            If none came in time.
        """
        return await asyncio.wait_for(self._events.get(), seconds)


class Relay:
    """The state as the service told it, and who listens."""

    def __init__(self, source: Source, *, log: logging.Logger, secret: str) -> None:
        self._source = source
        self._log = log
        self._secret = secret
        self._tabs: set[Tab] = set()
        self._held: dict[str, Event] = {}
        self._own: dict[str, Event] = {}
        self._recent: deque[Event] = deque(maxlen=RECENT_EVENTS)
        self._last_id = ""
        self._status: Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self._tried_at = 0.0
        self._not_before = 0.0
        self._refused_since: float | None = None
        # called whenever the service was reached: it may be another one than before
        self.on_open: Callable[[], None] | None = None

    @property
    def has_tabs(self) -> bool:
        """Return whether a tab listens: one that is seen, as none listens while hidden."""
        return bool(self._tabs)

    @property
    def is_full(self) -> bool:
        """Return whether no further tab can join."""
        return len(self._tabs) >= TABS

    def join(self, last_id: str) -> Tab:
        """Return a new listener, who heard everything up to the event `last_id`."""
        tab = Tab()
        if self._task is None and last_id != self._last_id:
            # nobody listened: what is held is old, and the service tells it all again
            self._forget()
        for event in self._missed_since(last_id):
            tab.offer(event)
        if self._status is not None:
            tab.offer(self._status)
        self._tabs.add(tab)
        if self._task is None:
            soonest = self._tried_at + SHORTEST_PAUSE_SECONDS
            self._not_before = min(self._not_before, soonest)
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(self._ended)
        return tab

    def leave(self, tab: Tab) -> None:
        """Let a listener go; the last one ends the connection to the service."""
        tab.end()
        self._tabs.discard(tab)
        if not self._tabs and self._task is not None:
            self._task.cancel()
            self._task = None
            self._status = None

    def say_own(self, event: Event) -> None:
        """Hold an event of this server's own, and tell every tab."""
        checked = check_event(event)
        if checked is None or self._secret in checked.data:
            self._log.debug("dropped an event of this server's own")
            return
        self._own[checked.kind] = checked
        self._tell(checked)

    async def close(self) -> None:
        """Let everybody go."""
        task = self._task
        for tab in tuple(self._tabs):
            self.leave(tab)
        if task is not None:
            with suppress(asyncio.CancelledError):
                await task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Let every tab come again where listening broke by a fault of ours."""
        if task.cancelled() or (fault := task.exception()) is None:
            return
        self._log.error("listening to the facility's service broke", exc_info=fault)
        for tab in tuple(self._tabs):
            self.leave(tab)

    def _forget(self) -> None:
        self._held.clear()
        self._recent.clear()
        self._last_id = ""

    def _missed_since(self, last_id: str) -> list[Event]:
        """Return what comes after an event: everything that is held, if it is unknown."""
        ids = [event.id for event in self._recent]
        if last_id and last_id in ids:
            missed = list(self._recent)[ids.index(last_id) + 1 :]
            return [*missed, *self._own.values()]
        known = {**self._held, **self._own}
        held = [known[kind] for kind in KINDS if kind in known]
        theirs = [event for event in held if event.kind not in self._own]
        # only with the last of them has a tab heard everything
        return [
            replace(e, id=self._last_id if theirs and e is theirs[-1] else "")
            for e in held
        ]

    async def _run(self) -> None:
        """Listen to the service until cancelled, with growing pauses while it is away."""
        while True:
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            self._tried_at = time.monotonic()
            try:
                await self._listen()
            except FacilityUnavailableError as error:
                self._say_away(error)
                self._plan_pause(self._pause_after(error))
            else:
                self._plan_pause(None)

    async def _listen(self) -> None:
        """Take the events of one connection until it ends."""
        parser = EventParser()
        async with self._source.events(self._last_id) as pieces:
            self._refused_since = None
            self._say_back()
            if self.on_open is not None:
                self.on_open()
            try:
                async for piece in pieces:
                    for event in parser.feed(piece):
                        self._take(event)
            except StreamError as error:
                raise FacilityUnavailableError("unexpected", str(error)) from None

    def _pause_after(self, error: FacilityUnavailableError) -> float | None:
        """Return when to ask again after a no; None where it was none."""
        if error.cause != "refused":
            return REFUSED_PAUSE_SECONDS if is_final(error) else None
        now = time.monotonic()
        if self._refused_since is None:
            self._refused_since = now
        is_new = now - self._refused_since < REFUSED_SOON_FOR_SECONDS
        return REFUSED_SOON_SECONDS if is_new else REFUSED_PAUSE_SECONDS

    def _plan_pause(self, seconds: float | None) -> None:
        """Set when to try next: later after each failure, never all servers at once."""
        now = time.monotonic()
        self._failures = (
            0 if now - self._tried_at > GOOD_SECONDS else self._failures + 1
        )
        grown = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(self._failures, 10))
        # not for a secret: only so that servers do not come at the same moment
        share = random.uniform(0.5, 1.0)  # noqa: S311
        self._not_before = now + share * (grown if seconds is None else seconds)

    def _take(self, event: Event) -> None:
        """Hold one event of the service and tell every tab, if it is what it should be."""
        checked = check_event(event)
        is_own = checked is not None and checked.kind in OWN_KINDS
        if checked is None or is_own or self._secret in checked.data:
            self._log.debug("dropped an event of the facility's service")
            return
        self._last_id = checked.id or self._last_id
        self._recent.append(checked)
        self._held[checked.kind] = merge(self._held.get(checked.kind), checked)
        self._tell(checked)

    def _tell(self, event: Event) -> None:
        for tab in tuple(self._tabs):
            tab.offer(event)

    def _say_back(self) -> None:
        if self._status is not None and self._status.kind == "away":
            self._log.info("reached the facility's service again")
        if self._status is None or self._status.kind != "back":
            self._say(Event("back", '{"kind":"back"}'))

    def _say_away(self, error: FacilityUnavailableError) -> None:
        event = away_event(error)
        if event != self._status:
            self._log.warning("could not follow the facility's service: %s", error)
            self._say(event)

    def _say(self, status: Event) -> None:
        self._status = status
        self._tell(status)


def is_final(error: FacilityUnavailableError) -> bool:
    """Return whether asking again soon is of no use."""
    return error.cause in {"refused", "outside"}


def away_event(error: FacilityUnavailableError) -> Event:
    """Return what a tab is told of a service that cannot be asked."""
    data = {"kind": "away", "cause": error.cause, "reason": error.reason}
    return Event("away", json.dumps(data))


def check_event(event: Event) -> Event | None:
    """Return the event on one line if it is of a kind that is known, else None."""
    try:
        data = json.loads(event.data)
    except ValueError:
        return None
    if not isinstance(data, dict) or data.get("kind") != event.kind:
        return None
    if event.kind not in KINDS or not has_lines(data):
        return None
    number = event.id if _ID.fullmatch(event.id) else ""
    return Event(event.kind, json.dumps(data, separators=(",", ":")), number)


def has_lines(data: dict[str, Any]) -> bool:
    """Return whether the lines of a history can be told apart; true of other kinds."""
    if data["kind"] != "history":
        return True
    lines = data.get("lines")
    return isinstance(lines, list) and all(
        isinstance(line, dict) and isinstance(line.get("id"), int) for line in lines
    )


def merge(held: Event | None, event: Event) -> Event:
    """Return what is held after `event`: itself, or the newest lines of both."""
    if held is None or event.kind != "history":
        return event
    lines: dict[int, dict[str, Any]] = {}
    for data in (json.loads(held.data), json.loads(event.data)):
        lines.update({line["id"]: line for line in data["lines"]})
    newest = list(lines.values())[-HISTORY_LINES:]
    data = json.dumps({"kind": "history", "lines": newest}, separators=(",", ":"))
    return Event("history", data, event.id)
