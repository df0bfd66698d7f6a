"""The desk: what every route of the service is handed, and what it does in steps."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

import jupyterhub_af
from jupyterhub_af.catalogue import NOT_IN_FORCE, Catalogue, Edition
from jupyterhub_af.line.audit import telling_of_stop
from jupyterhub_af.line.peer import Peer
from jupyterhub_af.policy.messages import (
    Account,
    AccountRequest,
    AuditEvent,
    Clusters,
    Health,
    IdsReply,
    IdsRequest,
    ServerEvent,
)
from jupyterhub_af.policy.panel import Busy, Lifetime
from jupyterhub_af.policy.plan import ServerPlan
from jupyterhub_af.policy.recheck import LoginNote

from .admitted import Admitted
from .audit import PROCESS, Audit, person_of
from .changes import Changes, Ended, Kind, Stepped, Wanted
from .endings import Endings
from .metrics import Metrics
from .pace import Pace
from .plans import Plans, Start
from .refusal import RefusedError
from .register import Register
from .running import Running
from .secret import Secrets
from .standings import Standings
from .steps import Steps
from .storage import Disks
from .store import Store
from .sweeps import Sweeps
from .told import Told


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts of a running service."""

    log: logging.Logger | logging.LoggerAdapter[logging.Logger]
    store: Store
    catalogue: Catalogue
    register: Register
    plans: Plans
    audit: Audit
    metrics: Metrics
    running: Running
    changes: Changes
    sweeps: Sweeps
    secrets: Secrets
    endings: Endings
    admitted: Admitted
    standings: Standings = field(default_factory=Standings)
    # the line to the storage agent; None where there is none
    agent: Peer | None = None
    disks: Disks = field(default_factory=Disks)
    # lines that a person's servers may have written about restores
    restores: Pace = field(default_factory=lambda: Pace(1000, 3600))
    # so that a line that is told again is kept once
    told: Told = field(default_factory=Told)
    clock: Callable[[], float] = time.time
    # None: nobody sets the clock
    steps: Steps | None = None

    async def facility(self) -> Edition:
        """Return the facility in force; a file that changed is read first."""
        return await asyncio.to_thread(self.catalogue.current)

    async def account_for(self, request: AccountRequest) -> Account:
        """Return a person's account; a new one and a refusal go to the audit."""
        try:
            account, is_new = await self.store.run(self.register.account_for, request)
        except RefusedError as error:
            self.metrics.refused_registrations.labels(error.rule).inc()
            await self._record_registration(
                # shown in ASCII: a name that was refused may hold anything
                ascii(request.preferred_username)[1:-1][:255],
                rule=error.rule,
                result="refused",
            )
            raise
        if is_new:
            self.log.info("Registered %s as uid %s", account.name, account.uid)
            await self._record_registration(account.name, rule="", result="done")
        return account

    async def ids_for(self, request: IdsRequest) -> IdsReply:
        """Return the numbers of a person and of groups."""
        return await self.store.run(self.register.ids_for, request)

    async def put_plan(self, plan: ServerPlan) -> None:
        """Record a plan."""
        self.running.forget_start((plan.user, plan.server_name))
        await self.store.run(self.plans.put, plan)
        self.log.info(
            "Recorded the plan of %s/%s: %s, start %s",
            plan.user,
            plan.server_name,
            plan.profile,
            plan.start_id,
        )
        self.changes.touch(plan.user, "me", "lifetime", "clusters", "storage")

    async def find_plan(self, user: str, server_name: str) -> ServerPlan | None:
        """Return the plan of the last start of a server."""
        return await self.store.run(self.plans.find, user, server_name)

    async def find_start(self, user: str, server_name: str) -> Start | None:
        """Return the last start of a server."""
        return (await self.find_starts([(user, server_name)])).get((user, server_name))

    async def find_starts(
        self, places: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], Start]:
        """Return the last start of each server that has one.

        While the database is away no server starts: what is known to run is the last.
        """
        try:
            return await self.store.run(self.plans.find_starts, places)
        except SQLAlchemyError:
            known = {place: self.running.start_of(place) for place in places}
            found = {place: start for place, start in known.items() if start}
            if len(found) < len(known):
                raise
            return found

    async def take_server_event(self, event: ServerEvent) -> None:
        """Take the hub's word that a server runs, or that it ended."""
        start = await self.find_start(event.user, event.server_name)
        is_last = start is not None and start.plan.start_id == event.start_id
        if event.state == "stopped":
            place = (event.user, event.server_name)
            self.running.end(place, event.start_id)
            self.changes.tell(Ended(*place, event.start_id, is_last=is_last))
        elif start is not None and is_last:
            self.running.see(start, self.clock(), person_at=None)
            self.changes.tell(Wanted(event.user, is_running=True))
            # its panel opens soon, and says how full the disks are
            self.disks.news.set()
        kinds: tuple[Kind, ...] = ("me", "lifetime", "clusters", "storage", "access")
        self.changes.touch(event.user, *kinds)

    def take_login(self, note: LoginNote) -> None:
        """Take the hub's word that somebody has just logged in."""
        self.changes.tell(Wanted(note.user, is_running=False))

    def notice_step(self) -> None:
        """Move what is counted by a clock that was set, so that nothing is late or early."""
        step = self.steps.look() if self.steps else 0.0
        if step:
            self.log.warning("This machine's clock was set by %.0f seconds", step)
            self.endings.shift(step)
            self.running.restart_clocks(self.clock())
            self.changes.tell(Stepped(step))
            self.changes.touch(None, "access", "lifetime")

    def put_clusters(self, clusters: Clusters) -> None:
        """Take the gateway's list of active clusters."""
        for user in self.running.put_clusters(clusters):
            self.changes.touch(user, "clusters", "lifetime")

    def keep(self, start: Start) -> Lifetime:
        """Have a server idle from now on, or refuse it with words."""
        ending = self.endings.find(start.place)
        if ending is not None and ending.start_id == start.plan.start_id:
            raise RefusedError(409, "access-lost", ending.reason)
        lifetime = self.running.keep(start, self.clock())
        self.changes.touch(start.plan.user, "lifetime")
        return lifetime

    def take_busy(self, start: Start, busy: Busy) -> None:
        """Take a server's word on what works in it."""
        self.running.see_busy(start, self.clock(), busy)
        self.changes.touch(start.plan.user, "lifetime")

    async def record(self, event: AuditEvent, *, telling: str = "") -> None:
        """Keep an audit event; of one telling the first."""
        if not await self.audit.record(event, telling=telling):
            return
        self.metrics.audit_events.labels(event.action, event.result).inc()
        for person in {event.actor, person_of(event.target)} - {""}:
            # who works in a group's folder is known to their streams
            whose = None if person.startswith("/") else person
            self.changes.touch(whose, "history")

    async def record_told(self, event: AuditEvent, *, telling: str = "") -> None:
        """Keep what another process says; the hub knows no rule of a stop of ours."""
        rule = self._rule_of(event, telling)
        await self.record(event.model_copy(update={"rule": rule}), telling=telling)

    async def record_of_agent(self, event: AuditEvent, *, telling: str) -> None:
        """Keep what the storage agent says, which knows people by their directories."""
        directory = person_of(event.target)
        if directory and not directory.startswith("/"):
            name = await self.store.run(self.audit.name_of, directory) or directory
            target = f"{name}{event.target[len(directory) :]}"[:255]
            event = event.model_copy(update={"target": target})
        await self.record(event, telling=telling)

    def _rule_of(self, event: AuditEvent, telling: str) -> str:
        if event.action != "server.stop" or event.actor != PROCESS:
            return event.rule
        user, _, server_name = event.target.partition("/")
        ending = self.endings.find((user, server_name))
        if ending is not None and telling_of_stop(ending.start_id) == telling:
            return ending.stop_rule
        return self.running.rules.get(telling, event.rule)

    async def health(self, *, detailed: bool) -> Health:
        """Say how the service is; what is wrong in the file only to who may know."""
        edition = await self.facility()
        problems = list(edition.problems)
        if problems and not detailed:
            problems = [NOT_IN_FORCE]
        if not await self.store.is_reachable():
            problems.append("The database does not answer.")
        problems.extend(self.sweeps.problems(self.clock()))
        problems.extend(self.standings.problems(self.clock()))
        return Health(
            status="degraded" if problems else "ok",
            process=PROCESS,
            version=jupyterhub_af.__version__,
            facility_digest=edition.digest,
            problems=tuple(problems),
            notes=self.disks.notes() + self.standings.notes() if detailed else (),
        )

    async def render_metrics(self) -> bytes:
        """Return the page of metrics."""
        edition = await self.facility()
        self.standings.show(self.metrics.memberships)
        self.metrics.endings.set(len(self.endings.all))
        return self.metrics.render(
            accounts=await self.store.run(self.register.count),
            plans=await self.store.run(self.plans.count),
            edition=edition,
            sweep_ages=self.sweeps.ages(self.clock()),
            disks=self.disks,
        )

    async def _record_registration(self, name: str, *, rule: str, result: str) -> None:
        event = {
            "actor": name or "?",
            "action": "account.register",
            "rule": rule,
            "result": result,
        }
        await self.record(AuditEvent.model_validate(event))
