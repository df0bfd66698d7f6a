"""The event stream: what a view's panel says now, and whenever that is different.

A *channel* belongs to one person and one server (or none); its *listeners* are open
streams. The channel compares what each kind of event says with what it said last and
passes on what is different: no change, no event. It numbers its events, so that a
listener that comes back gets what it missed. Everything has a bound: listeners, their
queues, what is kept for who comes back, channels that nobody listens to.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from jupyterhub_af.policy.panel import HistoryEvent, HistoryLine

from .changes import KINDS, Changed, Ended, Kind, News
from .desk import Desk
from .gate import Gate
from .panel import Event, View, make_events, make_view
from .refusal import RefusedError

MOST_LISTENERS_OF_ONE = 16
MOST_LISTENERS = 4000
MOST_WAITING = 64
MOST_KEPT = 200
LINGER_SECONDS = 300
RECHECK_SECONDS = 60
GATHER_SECONDS = 0.1
AFTER_FAILURE_SECONDS = 5
# Server-sent events: a line that says nothing, and shows that somebody is there.
COMMENT = ":\n\n"


@dataclass(frozen=True, slots=True)
class Numbered:
    """An event that was sent: its number in the channel, its kind, its JSON."""

    number: int
    kind: Kind
    data: str


@dataclass(slots=True, eq=False)
class Listener:
    """One open stream: what waits to be written to it."""

    token: str = field(repr=False)
    _waiting: deque[str] = field(default_factory=deque)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    ended: str = ""

    def put(self, text: str) -> bool:
        """Have a text written; False if too much waits already: the reader is slow."""
        if len(self._waiting) >= MOST_WAITING:
            return False
        self._waiting.append(text)
        self._news.set()
        return True

    def end(self, reason: str) -> None:
        """Have the stream closed; what waits is dropped."""
        self.ended = self.ended or reason
        self._waiting.clear()
        self._news.set()

    async def next(self, *, within_seconds: float) -> str:
        """Return what is to be written next; empty if there is nothing, or it ended."""
        try:
            async with asyncio.timeout(within_seconds):
                await self._news.wait()
        except TimeoutError:
            return ""
        text = "".join(self._waiting)
        self._waiting.clear()
        if not self.ended:
            self._news.clear()
        return text


class Channel:
    """What was said to one view, and who listens."""

    def __init__(self, desk: Desk, view: View) -> None:
        self.view = view
        self.listeners: set[Listener] = set()
        self.left_at = time.monotonic()
        self.dirty: set[Kind] = set()
        self.woken = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._desk = desk
        self._lock = asyncio.Lock()
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._last: dict[Kind, Numbered] = {}
        self._kept: deque[Numbered] = deque()
        self._forgotten = 0
        self._lines: tuple[HistoryLine, ...] = ()

    async def join(self, listener: Listener, last_id: str) -> None:
        """Take a listener in: with the whole state, or with what it missed."""
        async with self._lock:
            await self._say_again(KINDS)
            # as one text: a queue's bound is for who is slow, not for who comes back
            listener.put("".join(self._missed(last_id) or self._whole()))
            self.listeners.add(listener)

    async def refresh(self, kinds: Collection[Kind]) -> None:
        """Send what is different now."""
        async with self._lock:
            await self._say_again(kinds)

    @property
    def is_served(self) -> bool:
        """Tell whether a task sends what changes."""
        return self.task is not None and not self.task.done()

    def touch(self, kinds: Collection[Kind]) -> None:
        """Have these kinds compared soon, if anybody listens."""
        if self.listeners:
            self.dirty.update(kinds)
            self.woken.set()

    async def _say_again(self, kinds: Collection[Kind]) -> None:
        events = await make_events(self._desk, self.view, kinds)
        for kind in KINDS:
            if kind in events:
                self._say(kind, events[kind])

    def _say(self, kind: Kind, event: Event) -> None:
        data = event.model_dump_json()
        if isinstance(event, HistoryEvent):
            known = {line.id for line in self._lines}
            new = tuple(line for line in event.lines if line.id not in known)
            self._lines = event.lines
            # the whole state says history by itself, from the newest lines
            if not new and "history" in self._last:
                return
            data = HistoryEvent(lines=new).model_dump_json()
        elif kind in self._last and self._last[kind].data == data:
            return
        self._number += 1
        said = Numbered(self._number, kind, data)
        self._last[kind] = said
        self._keep(said)
        text = self._to_text(said.number, kind, data)
        for listener in tuple(self.listeners):
            if not listener.put(text):
                self.drop(listener, "slow")

    def drop(self, listener: Listener, reason: str) -> None:
        """Close a stream from here."""
        if listener in self.listeners:
            self.listeners.discard(listener)
            self._desk.metrics.dropped_listeners.labels(reason).inc()
        listener.end(reason)

    def _keep(self, said: Numbered) -> None:
        self._kept.append(said)
        if len(self._kept) > MOST_KEPT:
            self._forgotten = self._kept.popleft().number

    def _missed(self, last_id: str) -> list[str] | None:
        """Return what was said after an id; None where that is not known any more.

        Of all but the history only the newest counts. A comment stands for nothing.
        """
        epoch, dash, number = last_id.partition("-")
        is_ours = (
            dash and epoch == self._epoch and number.isascii() and number.isdigit()
        )
        # no number of ours has more digits
        seen = int(number[:18]) if is_ours else 0
        if not seen or not self._forgotten <= seen <= self._number:
            return None
        after = [said for said in self._kept if said.number > seen]
        newest = {said.kind: said.number for said in after}
        missed = [
            self._to_text(said.number, said.kind, said.data)
            for said in after
            if said.kind == "history" or said.number == newest[said.kind]
        ]
        return missed or [COMMENT]

    def _whole(self) -> list[str]:
        """Return one event of each kind.

        Only the last has the number that is reached: who is cut off before it comes
        back with a number that is not known, and gets the whole again.
        """
        history = HistoryEvent(lines=self._lines).model_dump_json()
        states = [self._to_text(0, k, self._last[k].data) for k in KINDS[:-1]]
        return [*states, self._to_text(self._number, KINDS[-1], history)]

    def _to_text(self, number: int, kind: Kind, data: str) -> str:
        # JSON has no line breaks of its own
        return f"id: {self._epoch}-{number}\nevent: {kind}\ndata: {data}\n\n"


class Streams:
    """All channels; it listens to what changes and wakes who must say so."""

    def __init__(self, desk: Desk, gate: Gate) -> None:
        self._desk = desk
        self._gate = gate
        self._channels: dict[str, dict[str | None, Channel]] = {}
        self._joined: dict[Listener, Channel] = {}
        self._open: Counter[str] = Counter()
        self._forgot_at = time.monotonic()
        desk.changes.subscribe(self._hear)

    async def open(self, view: View, token: str, last_id: str) -> Listener:
        """Return a new listener of a view.

        Raises
        ------
        RefusedError
            If the person may not log in, or has too many streams open.
        """
        self._check_room(view.user)
        channel = self._channel(view)
        listener = Listener(token)
        self._joined[listener] = channel
        self._open[view.user] += 1
        self._desk.metrics.listeners.inc()
        if view.server_name is not None:
            self._desk.running.open_stream((view.user, view.server_name))
        try:
            await channel.join(listener, last_id)
        except BaseException:
            self.close(listener)
            raise
        if not channel.is_served:
            channel.task = asyncio.create_task(self._serve(channel))
        return listener

    def close(self, listener: Listener) -> None:
        """Let a listener go, whoever ended it."""
        channel = self._joined.pop(listener)
        user, server_name = channel.view.user, channel.view.server_name
        self._open -= Counter([user])
        self._desk.metrics.listeners.dec()
        if server_name is not None:
            self._desk.running.close_stream((user, server_name), self._desk.clock())
        listener.end("left")
        channel.listeners.discard(listener)
        channel.left_at = time.monotonic()
        channel.woken.set()

    async def stop(self) -> None:
        """End all streams."""
        channels = self._all()
        for channel in channels:
            _drop_all(channel, "stopping")
            if channel.task is not None:
                channel.task.cancel()
        tasks = [channel.task for channel in channels if channel.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _hear(self, news: News) -> None:
        if isinstance(news, Changed):
            for channel in self._all(news.user):
                channel.touch(news.kinds)
            return
        if not isinstance(news, Ended):
            return
        ended = self._channels.get(news.user, {}).get(news.server_name)
        if ended is not None and news.is_last:
            _drop_all(ended, "server-stopped")

    def _all(self, user: str | None = None) -> list[Channel]:
        """Return the channels of a person, or of everybody."""
        found = self._channels.values() if user is None else [self._channels.get(user)]
        return [channel for mine in found if mine for channel in mine.values()]

    def _check_room(self, user: str) -> None:
        mine = self._open[user]
        if mine >= MOST_LISTENERS_OF_ONE:
            message = (
                f"You have {mine} event streams open, and may have "
                f"{MOST_LISTENERS_OF_ONE}: close some tabs."
            )
            raise RefusedError(429, "streams-of-one", message)
        if len(self._joined) >= MOST_LISTENERS:
            message = "Too many event streams are open; try again later."
            raise RefusedError(503, "streams-of-all", message)

    def _channel(self, view: View) -> Channel:
        """Return the channel of a view, with the groups of who came last."""
        self._forget_old()
        mine = self._channels.setdefault(view.user, {})
        channel = mine.setdefault(view.server_name, Channel(self._desk, view))
        channel.view = view
        return channel

    def _forget_old(self) -> None:
        """Forget channels that nobody listened to for a while, at times."""
        now = time.monotonic()
        if now - self._forgot_at < LINGER_SECONDS:
            return
        self._forgot_at = now
        joined = {id(channel) for channel in self._joined.values()}
        for channel in self._all():
            if id(channel) not in joined and now - channel.left_at > LINGER_SECONDS:
                del self._channels[channel.view.user][channel.view.server_name]
        self._channels = {user: mine for user, mine in self._channels.items() if mine}

    async def _serve(self, channel: Channel) -> None:
        """Serve a channel as long as anybody listens; a fault of ours ends its streams."""
        try:
            await self._serve_listeners(channel)
        except Exception:
            # one channel of many: who listened comes back and finds a new task
            self._desk.log.exception("Failed at a stream of %s", channel.view.user)
            _drop_all(channel, "failed")

    async def _serve_listeners(self, channel: Channel) -> None:
        """Send what changes, and ask again about tokens."""
        recheck_at = time.monotonic() + RECHECK_SECONDS
        while channel.listeners:
            try:
                async with asyncio.timeout(max(0, recheck_at - time.monotonic())):
                    await channel.woken.wait()
            except TimeoutError:
                await self._recheck(channel)
                recheck_at = time.monotonic() + RECHECK_SECONDS
                continue
            await asyncio.sleep(GATHER_SECONDS)
            channel.woken.clear()
            await self._refresh(channel)

    async def _refresh(self, channel: Channel) -> None:
        kinds = frozenset(channel.dirty)
        channel.dirty.clear()
        try:
            await channel.refresh(kinds)
        except RefusedError as error:
            _drop_all(channel, error.rule)
        except SQLAlchemyError as error:
            self._desk.log.warning("Could not look for news: %s", type(error).__name__)
            await asyncio.sleep(AFTER_FAILURE_SECONDS)
            channel.touch(kinds)

    async def _recheck(self, channel: Channel) -> None:
        """Close the streams whose token is no longer good; groups may be others now."""
        for token in {listener.token for listener in channel.listeners}:
            reason = await self._find_fault(channel, token)
            for listener in tuple(channel.listeners):
                if reason and listener.token == token:
                    channel.drop(listener, reason)
        channel.touch(frozenset[Kind]({"me"}))

    async def _find_fault(self, channel: Channel, token: str) -> str:
        """Return why a token is no longer good, empty if it is or nobody knows."""
        try:
            scopes = self._gate.access_scopes
            caller = await self._gate.admit(token, scopes=scopes, with_courtesy=True)
            view = make_view(caller)
        except RefusedError as error:
            # a hub that is away ends no stream
            return "" if error.status == 503 else error.rule
        if (view.user, view.server_name) != (
            channel.view.user,
            channel.view.server_name,
        ):
            return "token-changed"
        channel.view = view
        return ""


def _drop_all(channel: Channel, reason: str) -> None:
    for listener in tuple(channel.listeners):
        channel.drop(listener, reason)
    channel.woken.set()
