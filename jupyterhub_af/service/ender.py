"""Ends running servers of people who lost access, after a time to save their work.

The hub says how a person stands, ``policy.coverage`` whether a server could still be
started; this opens and closes the lines of the book of endings, and stops what is due,
after a last look. Nothing here is decided from a question without an answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from sqlalchemy.exc import SQLAlchemyError

from jupyterhub_af.line.audit import telling_of_stop
from jupyterhub_af.policy.access import Access, resolve_access
from jupyterhub_af.policy.coverage import refuse_running
from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.freshness import HOLDING
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.messages import AuditEvent
from jupyterhub_af.policy.recheck import END_RULES, EndRule, RecheckStatus, explain_end
from jupyterhub_af.policy.sentence import Sentence

from .asking import AskError
from .audit import PROCESS
from .changes import Changed, Ended, News, Wanted
from .desk import Desk
from .endings import Ending, Place
from .hub_api import MOST_RECHECKS, MOST_STOPS, HubApi, HubServer, Live
from .plans import Start
from .rechecks import Standing

# how soon a stop that failed, or a line that the database did not take, is tried again
RETRY_SECONDS = 5
_RULES: Mapping[RecheckStatus, EndRule] = {rule: rule for rule in END_RULES}  # type: ignore[misc]

Look = Callable[[str], Awaitable[bool]]


class Ender:
    """Keep the book of endings, and act upon it."""

    def __init__(self, desk: Desk, hub: HubApi) -> None:
        self._desk = desk
        self._hub = hub
        self._book = desk.endings
        self._lines: deque[tuple[AuditEvent, Ending]] = deque()
        self._looks = asyncio.Semaphore(MOST_RECHECKS)
        self._turns = asyncio.Semaphore(MOST_STOPS)
        self._stopping: dict[Place, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        for ending in self._book.all:
            # begun by a process that ended before it could say so
            if not ending.is_told:
                self._say("access.end", ending, ending.rule)
        desk.changes.subscribe(self._hear)

    # how somebody stands

    async def judge(self, standing: Standing) -> None:
        """Begin or lift the endings of a person's servers, by the hub's newest word."""
        person = standing.person
        places = [(person.name, name) for name in person.servers]
        starts = await self._desk.find_starts(places)
        facility = (await self._desk.facility()).facility
        access = _access(facility, person.name, person.groups)
        for place in places:
            start = starts.get(place)
            self._forget_other(place, start)
            self._judge_server(place, start, standing, access)
        await self.catch_up()

    async def compare(self, live: Live, starts: Mapping[Place, Start]) -> None:
        """Look through a sweep's list for what the book does not say; ask about it.

        The list may be older than the newest answer, so nothing is decided from it.
        """
        for ending in self._book.all:
            start = starts.get(ending.place)
            is_other = start is not None and start.plan.start_id != ending.start_id
            if is_other or ending.place not in live.servers:
                await self._drop_if_over(ending)
        facility = (await self._desk.facility()).facility
        for place, start in starts.items():
            if place not in live.servers:
                continue
            access = _access(facility, place[0], live.groups[place[0]])
            if self._is_news(place, refuse_running(access, start.plan)):
                self._desk.changes.tell(Wanted(place[0], is_running=True))
            # a long list keeps no request waiting
            await asyncio.sleep(0)
        await self.catch_up()

    async def _drop_if_over(self, ending: Ending) -> None:
        """Forget an ending after a look at its one server: a list may lack somebody."""
        try:
            await self._find_last(ending)
        except AskError as error:
            self._desk.log.info("Left an ending to the next sweep: %s", error)

    def _is_news(self, place: Place, refusal: Sentence | None) -> bool:
        ending = self._book.find(place)
        if ending is None:
            return refusal is not None
        return ending.rule == "withheld" and refusal is None

    def _forget_other(self, place: Place, start: Start | None) -> None:
        """Forget the ending of a start before: this one began with what is allowed."""
        ending = self._book.find(place)
        start_id = start.plan.start_id if start else ""
        if ending is not None and ending.start_id != start_id:
            self._drop(ending)

    def _judge_server(
        self, place: Place, start: Start | None, standing: Standing, access: Access
    ) -> None:
        status = standing.reply.status
        if status in _RULES:
            reason = explain_end(_RULES[status], access.facility, access)
            self._begin(place, start, _RULES[status], str(reason), access)
        elif status == "allowed" or (status in HOLDING and access.may_log_in):
            # also by an older word: the file is of today, and may have been put right
            self._judge_plan(place, start, access)

    def _judge_plan(self, place: Place, start: Start | None, access: Access) -> None:
        """End the server of who may go on if it could not be started now, else lift."""
        # a hub that lets people in whom the groups do not is right about its door
        plan = start.plan if start and access.may_log_in else None
        words = refuse_running(access, plan) if plan else None
        if words is None:
            self._lift(place)
        else:
            general = explain_end("withheld", access.facility, access)
            self._begin(place, start, "withheld", f"{words} {general}", access)

    def _begin(
        self,
        place: Place,
        start: Start | None,
        rule: EndRule,
        reason: str,
        access: Access,
    ) -> None:
        """Open an ending, or say another reason in one that runs: its deadline stays."""
        start_id = start.plan.start_id if start else ""
        known = self._book.find(place)
        if known is not None and known.start_id == start_id:
            if known.rule != rule:
                self._book.put(replace(known, rule=rule, reason=reason))
                self._touch(place)
            return
        now = self._desk.clock()
        ends_at = now + access.facility.iam.courtesy_seconds
        ending = Ending(*place, start_id, rule, reason, now, ends_at)
        self._book.put(ending)
        self._say("access.end", ending, rule)
        self._touch(place)
        self._desk.log.info("%s/%s ends at %.0f: %s", *place, ends_at, rule)

    def _lift(self, place: Place) -> None:
        """Close the ending of a server whose person has access again."""
        ending = self._book.find(place)
        if ending is not None:
            self._drop(ending)
            self._say("access.back", ending, ending.rule)
            self._desk.log.info("%s/%s goes on: access is back", *place)

    def _drop(self, ending: Ending) -> None:
        self._book.drop(ending)
        self._touch(ending.place)

    def _touch(self, place: Place) -> None:
        self._desk.changes.tell(Changed(place[0], frozenset({"access", "me"})))
        self._wake.set()

    def _hear(self, news: News) -> None:
        if isinstance(news, Ended):
            ending = self._book.find((news.user, news.server_name))
            if ending is not None and ending.start_id == news.start_id:
                self._drop(ending)

    # what is due

    async def end_for_ever(self, look: Look) -> None:
        """Stop servers as they become due."""
        try:
            while True:
                await self._end_once(look)
        finally:
            for task in self._stopping.values():
                task.cancel()

    async def _end_once(self, look: Look) -> None:
        self._wake.clear()
        try:
            self._begin_due(look)
            await self.catch_up()
        except Exception:
            # one turn of many: the next one may go well
            self._desk.log.exception("Failed at ending servers")
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pause()):
                await self._wake.wait()

    async def stop_due(self, look: Look) -> None:
        """Stop each server whose time is over, and wait for what is being stopped."""
        self._begin_due(look)
        await asyncio.gather(*self._stopping.values(), return_exceptions=True)

    def _begin_due(self, look: Look) -> None:
        """Begin to stop what is due: no server waits for another's slow stop."""
        self._desk.notice_step()
        now = self._desk.clock()
        for ending in self._book.all:
            if ending.ends_at <= now and ending.place not in self._stopping:
                task = asyncio.create_task(self._try_to_stop(ending, look))
                self._stopping[ending.place] = task

    async def _try_to_stop(self, ending: Ending, look: Look) -> None:
        try:
            await self._stop(ending, look)
        except Exception:
            # one server of many, and it is tried again
            self._desk.log.exception("Failed at ending %s/%s", *ending.place)
        finally:
            del self._stopping[ending.place]

    def _pause(self) -> float:
        """Return for how long nothing is due; what was due and failed waits a little."""
        now = self._desk.clock()
        waits = [max(e.ends_at - now, 0) or RETRY_SECONDS for e in self._book.all]
        return min([RETRY_SECONDS if self._lines else float("inf"), *waits, 60])

    async def _stop(self, ending: Ending, look: Look) -> None:
        """Stop a server after a last look; what fails is tried again."""
        try:
            async with self._looks:
                is_due = await self._look_again(ending, look)
            async with self._turns:
                # it may have been lifted while others were stopped
                now_due = self._book.find(ending.place) if is_due else None
                if now_due is None or now_due.start_id != ending.start_id:
                    return
                self._mark(now_due, now_due.stop_rule)
                await self._hub.stop_server(*ending.place)
        except (AskError, SQLAlchemyError) as error:
            self._mark(ending, None)
            self._desk.metrics.failed_stops.labels("server").inc()
            self._desk.log.warning("Could not stop %s/%s: %s", *ending.place, error)
            return
        if not now_due.is_stopped:
            self._note_stopped(now_due)

    async def _look_again(self, ending: Ending, look: Look) -> bool:
        """Tell whether an ending still stands; a last word that is missing is no word."""
        await look(ending.user)
        server = await self._find_last(ending)
        return server is not None and _can_be_stopped(server)

    async def _find_last(self, ending: Ending) -> HubServer | None:
        """Return the server of an ending that still stands; without one it is forgotten."""
        server = await self._hub.find_server(*ending.place)
        start = await self._desk.find_start(*ending.place)
        last = self._book.find(ending.place)
        if last is None or last.start_id != ending.start_id:
            return None
        if server is None or (start and start.plan.start_id != ending.start_id):
            self._drop(last)
            return None
        return server

    def _mark(self, ending: Ending, rule: str | None) -> None:
        """Have nothing keep the server, and know the rule when the hub tells of the stop."""
        if ending.start_id:
            running, now = self._desk.running, self._desk.clock()
            running.mark_ending(ending.place, ending.start_id, now, rule=rule)

    def _note_stopped(self, ending: Ending) -> None:
        rule = ending.stop_rule
        self._desk.metrics.stopped_servers.labels(rule).inc()
        self._desk.log.info("Stopped %s/%s: %s", *ending.place, ending.rule)
        if self._book.find(ending.place) == ending:
            self._book.put(replace(ending, is_stopped=True))
        self._say("server.stop", ending, rule)
        self._wake.set()

    # what is written down

    async def catch_up(self) -> None:
        """Write down what the database did not take yet: the book, then the audit."""
        try:
            async with self._writing:
                await self._write_lines()
        except SQLAlchemyError as error:
            self._desk.log.warning(
                "Could not write down endings: %s", type(error).__name__
            )

    async def _write_lines(self) -> None:
        # what is told of an ending that is over is told before it is forgotten: again,
        # and kept once, where this process ends in between
        await self._book.write(but=[ending.place for _, ending in self._lines])
        while self._lines:
            event, ending = self._lines[0]
            await self._desk.record(event, telling=_telling_of(event, ending))
            self._lines.popleft()
            self._note_told(ending, event)
        await self._book.write()

    def _say(self, action: str, ending: Ending, rule: str) -> None:
        event = AuditEvent(
            actor=PROCESS,
            action=action,
            target="/".join(ending.place)[:255],
            rule=rule,
            result="done",
        )
        self._lines.append((event, ending))

    def _note_told(self, ending: Ending, event: AuditEvent) -> None:
        known = self._book.find(ending.place)
        if event.action == "access.end" and known and known.since == ending.since:
            self._book.put(replace(known, is_told=True))


def _access(facility: Facility, user: str, groups: frozenset[str]) -> Access:
    return resolve_access(facility, make_identity(user, groups))


def _telling_of(event: AuditEvent, ending: Ending) -> str:
    if event.action == "server.stop":
        return telling_of_stop(ending.start_id)
    return f"{event.action} {ending.place} {ending.start_id} {ending.since}"


def _can_be_stopped(server: HubServer) -> bool:
    """Tell whether the hub takes a stop now: it refuses while something goes on."""
    return server.pending is None
