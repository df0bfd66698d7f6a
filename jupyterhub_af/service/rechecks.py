"""Has the hub look again at everybody who has something running, in good time.

``schedule`` says whom, and when; here questions are put, as many at once as the hub
answers, and answers handed on. A hub that does not answer ends nobody's access.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from jupyterhub_af.policy.recheck import RecheckReply

from .asking import AskError
from .changes import News, Stepped, Wanted
from .checks import Checks
from .desk import Desk
from .hub_api import MOST_RECHECKS, HubApi, HubPerson
from .schedule import Bounds, Schedule

# A new facility file, and a stretch of time without anybody, are noticed this soon.
LONGEST_WAIT_SECONDS = 5
WRITE_SECONDS = 10
# A person whose token was refused is looked at this often at most.
REFUSED_SECONDS = 5
# Whoever is wanted again during each of them is left to the turn after it.
MOST_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """The hub's answer about a person, and what it knows of them after it."""

    reply: RecheckReply
    person: HubPerson


class Rechecks:
    """Ask the hub about people, one after the other."""

    def __init__(
        self,
        desk: Desk,
        hub: HubApi,
        judge: Callable[[Standing], Awaitable[None]],
        *,
        calls_per_second: float,
    ) -> None:
        self._desk = desk
        self._hub = hub
        self._judge = judge
        self._calls_per_second = calls_per_second
        self._checks = Checks(desk.store)
        edition = desk.catalogue.last
        self._digest = edition.digest
        bounds = Bounds(edition.facility.iam.recheck_seconds, calls_per_second)
        self.schedule = Schedule(bounds, self._checks.load())
        self._asking: dict[str, asyncio.Task[bool]] = {}
        self._refused_at: dict[str, float] = {}
        self._unheard: set[str] = set()
        self._wake = asyncio.Event()
        self._written_at = desk.clock()
        self._is_whole = False
        desk.changes.subscribe(self._hear)
        self._show()

    def take(self, users: Collection[str]) -> None:
        """Take the whole list of who has a server or a cluster."""
        now = self._desk.clock()
        self.schedule.take(users, now)
        if not self._is_whole:
            for ending in self._desk.endings.all:
                if ending.user in self.schedule:
                    self.schedule.note_ending(ending.user, now)
        self._desk.standings.forget_others(users)
        self._is_whole = True
        self._wake.set()

    async def ask_for_ever(self) -> None:
        """Ask about everybody in turn."""
        while True:
            try:
                seconds = await self.step()
            except Exception:
                # one turn of many: the next one may go well
                self._desk.log.exception("Failed at the re-checks")
                seconds = LONGEST_WAIT_SECONDS
            try:
                async with asyncio.timeout(min(seconds, LONGEST_WAIT_SECONDS)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def step(self) -> float:
        """Begin to ask about whoever may be asked about; return when to step again."""
        self._wake.clear()
        self._desk.notice_step()
        await self._notice_edit()
        await self._write()
        self._desk.standings.overdue = self.schedule.overdue(self._desk.clock())
        while len(self._asking) < MOST_RECHECKS:
            user, wait = self.schedule.next(self._desk.clock())
            if user is None:
                return wait
            self._begin(user)
        return LONGEST_WAIT_SECONDS

    @property
    def is_asking(self) -> bool:
        """Tell whether anybody is being asked about."""
        return bool(self._asking)

    async def settle(self) -> None:
        """Wait for what is being asked."""
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def look_at_refused(self, user: str) -> bool:
        """Look at somebody whose server's token the hub refuses all at once.

        False if the last look had no answer.
        """
        now = self._desk.clock()
        young = {u: t for u, t in self._refused_at.items() if now - t < REFUSED_SECONDS}
        self._refused_at = young | {user: young.get(user, now)}
        if user not in young or user in self._asking:
            is_heard = await self.look(user)
            (self._unheard.discard if is_heard else self._unheard.add)(user)
        return user not in self._unheard

    async def look(self, user: str) -> bool:
        """Ask about a person now, or wait for who does; False if there was no answer.

        A wish that comes meanwhile is newer than the answer: then the next one counts.
        """
        for _ in range(MOST_LOOKS):
            wishes = self.schedule.wishes(user)
            # who stops waiting takes no question back
            is_answered = await asyncio.shield(self._begin(user))
            if self.schedule.wishes(user) == wishes:
                break
        return is_answered

    async def stop(self) -> None:
        """Ask no more, and write down what is known."""
        for task in self._asking.values():
            task.cancel()
        await self.settle()
        await self._write(is_last=True)

    # inside

    def _begin(self, user: str) -> asyncio.Task[bool]:
        task = self._asking.get(user)
        if task is None:
            task = self._asking[user] = asyncio.create_task(self._look(user))
            task.add_done_callback(lambda _: self._end(user))
            self.schedule.begin(user)
        return task

    def _end(self, user: str) -> None:
        del self._asking[user]
        self.schedule.release(user)
        self._wake.set()

    async def _look(self, user: str) -> bool:
        """Ask about one person, and hand the answer on."""
        try:
            standing = await self._ask(user)
        except AskError as error:
            now = self._desk.clock()
            self._desk.metrics.rechecks.labels("unanswered").inc()
            self._desk.standings.note_failed(now, str(error))
            self.schedule.note_failed(user, now)
            return False
        try:
            if standing is not None:
                await self._judge(standing)
            if self._has_ending(user):
                self.schedule.note_ending(user, self._desk.clock())
        except Exception:
            # one person of many: the next turn may go well
            self._desk.log.exception("Failed at a re-check of %s", user)
            self.schedule.note_failed(user, self._desk.clock())
            return False
        return True

    async def _ask(self, user: str) -> Standing | None:
        """Return how a person stands now; None where the hub knows nobody."""
        is_urgent = self._has_ending(user) or self.schedule.is_ahead(user)
        reply = await self._hub.recheck(user, is_ending=is_urgent)
        self._desk.metrics.rechecks.labels(reply.status).inc()
        self._desk.standings.note(user, reply.status)
        # after it: a hub that took groups away, or gave some, says so here
        person = await self._hub.find_person(user)
        self.schedule.note(user, reply, self._desk.clock())
        return Standing(reply, person) if person else None

    def _has_ending(self, user: str) -> bool:
        """Tell whether a server of theirs ends: what is given back must be seen in time."""
        return bool(self._desk.endings.of_person(user))

    def _hear(self, news: News) -> None:
        if isinstance(news, Stepped) and news.seconds < 0:
            # what a clock set ahead calls too old is asked about: nothing is lost
            self.schedule.shift(news.seconds)
            self._written_at += news.seconds
        if not isinstance(news, Wanted):
            return
        if news.is_running or news.user in self.schedule:
            self.schedule.want(news.user, self._desk.clock())
            self._wake.set()

    def _show(self) -> None:
        """Have the page of metrics ask for what is true when it is read."""
        metrics, clock = self._desk.metrics, self._desk.clock
        metrics.oldest_check.set_function(lambda: self.schedule.oldest_age(clock()))
        metrics.overdue_checks.set_function(lambda: self.schedule.overdue(clock()))

    async def _notice_edit(self) -> None:
        """Look at everybody at once after another facility file was accepted."""
        edition = await self._desk.facility()
        if edition.digest == self._digest:
            return
        self._digest = edition.digest
        seconds = edition.facility.iam.recheck_seconds
        self.schedule.bounds = Bounds(seconds, self._calls_per_second)
        self.schedule.want_all(self._desk.clock())

    async def _write(self, *, is_last: bool = False) -> None:
        """Write down, at times, when people were checked."""
        now = self._desk.clock()
        is_due = is_last or now - self._written_at >= WRITE_SECONDS
        # before the first whole list nobody knows whose line is over
        if not (is_due and self._is_whole):
            return
        self._written_at = now
        try:
            await self._checks.write(self.schedule.checked())
        except SQLAlchemyError as error:
            self._desk.log.warning(
                "Could not write down checks: %s", type(error).__name__
            )
