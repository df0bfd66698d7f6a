"""Keeps servers to their lifetimes and clusters to their servers, sweep by sweep.

A sweep asks the gateway which clusters run, then the hub which servers run, and acts
only upon whole answers. ``policy.lifetime`` decides when a server stops; before it is
stopped there is a last look at it, so that activity in between, or a new start of the
same name, saves it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass

from jupyterhub_af.line.audit import telling_of_stop
from jupyterhub_af.policy.lifetime import StopRule, find_due_rule
from jupyterhub_af.policy.messages import AuditEvent, Clusters

from .asking import AskError
from .audit import PROCESS
from .changes import KINDS
from .desk import Desk
from .ender import Ender
from .hub_api import HubApi, HubServer, Live
from .plans import Start
from .reaper import Reaper
from .rechecks import Rechecks

AT_ONCE = 4
FIRST_SWEEP_SECONDS = 2.0
LONGEST_SWEEP_SECONDS = 300

Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Duties:
    """What a keeper works with; without a gateway there is no reaper."""

    desk: Desk
    hub: HubApi
    reaper: Reaper | None
    ender: Ender
    rechecks: Rechecks
    sweep_seconds: float


class Keeper:
    """Sweep for ever, in tasks of its own."""

    def __init__(self, duties: Duties) -> None:
        self._desk = duties.desk
        self._hub = duties.hub
        self._reaper = duties.reaper
        self._ender = duties.ender
        self._rechecks = duties.rechecks
        self._sweep_seconds = duties.sweep_seconds
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._digest = self._desk.catalogue.last.digest
        self._tasks: list[asyncio.Task[None]] = []
        self._desk.sweeps.expect("servers")
        if self._reaper is not None:
            self._desk.sweeps.expect("clusters")

    def start(self) -> None:
        """Begin to sweep."""
        duties = [
            self._sweep_for_ever(),
            self._rechecks.ask_for_ever(),
            self._ender.end_for_ever(self._rechecks.look),
        ]
        if self._reaper is not None:
            duties.append(self._reaper.reap_for_ever())
        self._tasks += [asyncio.create_task(duty) for duty in duties]

    async def stop(self) -> None:
        """Sweep no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._rechecks.stop()
        await self._hub.close()
        if self._reaper is not None:
            await self._reaper.close()

    async def sweep(self) -> None:
        """Look at everything once and do what is due."""
        await self._notice_edit()
        clusters = await self._ask_for_clusters()
        live = await self._ask_for_servers()
        if live is None:
            return
        places = (
            {(c.user, c.server_name) for c in clusters.clusters} if clusters else ()
        )
        starts = await self._desk.find_starts({*live.servers, *places})
        self._take(live, starts)
        await self._ender.compare(live, starts)
        ending = {ending.place for ending in self._desk.endings.all}
        await self._desk.admitted.write(live.servers.keys() | ending)
        await self._stop_due(live.servers, starts)
        self._desk.sweeps.note_done("servers", self._desk.clock())
        if clusters is not None and self._reaper is not None:
            await self._reaper.judge(
                clusters, live.servers.keys(), starts, self._desk.clock()
            )
        self._desk.changes.touch(None, "lifetime")

    async def _sweep_for_ever(self) -> None:
        await asyncio.sleep(min(FIRST_SWEEP_SECONDS, self._sweep_seconds))
        while True:
            try:
                async with asyncio.timeout(LONGEST_SWEEP_SECONDS):
                    await self.sweep()
            except Exception:
                # one sweep of many: the next one may go well
                self._desk.log.exception("Failed at a sweep")
                words = "The last sweep failed; the log says why."
                self._desk.sweeps.note_failed("servers", self._desk.clock(), words)
            await asyncio.sleep(self._sweep_seconds)

    async def _notice_edit(self) -> None:
        """Tell everybody's panel of another facility file."""
        edition = await self._desk.facility()
        if edition.digest != self._digest:
            self._digest = edition.digest
            self._desk.changes.touch(None, *KINDS)

    async def _ask_for_clusters(self) -> Clusters | None:
        """Return every active cluster; None where that is not known."""
        if self._reaper is None:
            return None
        try:
            clusters = await self._reaper.list_clusters()
        except AskError as error:
            self._desk.sweeps.note_failed("clusters", self._desk.clock(), str(error))
            return None
        self._desk.sweeps.note_done("clusters", self._desk.clock())
        return clusters

    async def _ask_for_servers(self) -> Live | None:
        """Return every live server; None where that is not known."""
        try:
            await self._hub.check_scopes()
            live = await self._hub.live()
        except AskError as error:
            self._desk.sweeps.note_failed("servers", self._desk.clock(), str(error))
            return None
        if self._desk.sweeps.has_gap("servers", self._desk.clock()):
            # the hub was away, and with it whoever saw people work
            self._desk.running.restart_clocks(self._desk.clock())
        return live

    def _take(self, live: Live, starts: Mapping[Place, Start]) -> None:
        now = self._desk.clock()
        for place, server in live.servers.items():
            if place in starts:
                start = starts[place]
                self._desk.running.see(start, now, person_at=server.person_at)
        self._desk.running.forget_others(live.servers.keys(), now)
        with_clusters = {cluster.user for cluster in self._desk.running.clusters}
        self._rechecks.take(live.groups.keys() | with_clusters)

    async def _stop_due(
        self, live: Mapping[Place, HubServer], starts: Mapping[Place, Start]
    ) -> None:
        stops: list[Awaitable[None]] = [
            self._stop(start)
            for place, start in starts.items()
            if place in live and live[place].is_settled and self._due_rule(start)
        ]
        await asyncio.gather(*stops)

    def _due_rule(self, start: Start) -> StopRule | None:
        now = self._desk.clock()
        return find_due_rule(self._desk.running.lifetime_of(start, now), now)

    async def _stop(self, start: Start) -> None:
        """Stop a server after a last look; what fails is tried at the next sweep."""
        running, user, name = self._desk.running, *start.place
        async with self._turns:
            try:
                rule = await self._look_again(start)
                if rule is None:
                    return
                # no await between decision and mark: a "keep me" is before or refused
                is_first = not running.is_ending(start, self._desk.clock())
                self._mark(start, rule)
                await self._hub.stop_server(user, name)
            except AskError as error:
                self._mark(start, None)
                self._desk.metrics.failed_stops.labels("server").inc()
                self._desk.log.warning("Could not stop %s/%s: %s", user, name, error)
                return
            if is_first:
                await self._record(start, rule)

    def _mark(self, start: Start, rule: StopRule | None) -> None:
        now = self._desk.clock()
        self._desk.running.mark_ending(start.place, start.plan.start_id, now, rule=rule)

    async def _look_again(self, start: Start) -> StopRule | None:
        """Return the rule by which a server is still to be stopped, by what is new."""
        server = await self._hub.find_server(*start.place)
        last = await self._desk.find_start(*start.place)
        if server is None or not server.is_settled or last != start:
            return None
        self._desk.running.see(start, self._desk.clock(), person_at=server.person_at)
        return self._due_rule(start)

    async def _record(self, start: Start, rule: StopRule) -> None:
        user, name = start.place
        self._desk.metrics.stopped_servers.labels(rule).inc()
        self._desk.log.info("Stopped %s/%s: %s", user, name, rule)
        await self._desk.record(
            AuditEvent(
                actor=PROCESS,
                action="server.stop",
                target=f"{user}/{name}"[:255],
                rule=rule,
                result="done",
            ),
            telling=telling_of_stop(start.plan.start_id),
        )
