"""The desk: what every route of the service is handed, and what it does in steps."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import jupyterhub_af
from jupyterhub_af.catalogue import NOT_IN_FORCE, Catalogue, Edition
from jupyterhub_af.policy.messages import (
    Account,
    AccountRequest,
    AuditEvent,
    Health,
    IdsReply,
    IdsRequest,
)
from jupyterhub_af.policy.plan import ServerPlan

from .audit import Audit
from .metrics import Metrics
from .plans import Plans
from .refusal import RefusedError
from .register import Register
from .secret import Secret
from .store import Store

PROCESS = "af"


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
    hub_secret: Secret
    gateway_secret: Secret

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
        await self.store.run(self.plans.put, plan)
        self.log.info(
            "Recorded the plan of %s/%s: %s, start %s",
            plan.user,
            plan.server_name,
            plan.profile,
            plan.start_id,
        )

    async def find_plan(self, user: str, server_name: str) -> ServerPlan | None:
        """Return the plan of the last start of a server."""
        return await self.store.run(self.plans.find, user, server_name)

    async def record(self, event: AuditEvent) -> None:
        """Keep an audit event."""
        await self.audit.record(event)
        self.metrics.audit_events.labels(event.action, event.result).inc()

    async def health(self, *, detailed: bool) -> Health:
        """Say how the service is; what is wrong in the file only to who may know."""
        edition = await self.facility()
        problems = list(edition.problems)
        if problems and not detailed:
            problems = [NOT_IN_FORCE]
        if not await self.store.is_reachable():
            problems.append("The database does not answer.")
        return Health(
            status="degraded" if problems else "ok",
            process=PROCESS,
            version=jupyterhub_af.__version__,
            facility_digest=edition.digest,
            problems=tuple(problems),
        )

    async def render_metrics(self) -> bytes:
        """Return the page of metrics."""
        edition = await self.facility()
        return self.metrics.render(
            accounts=await self.store.run(self.register.count),
            plans=await self.store.run(self.plans.count),
            edition=edition,
        )

    async def _record_registration(self, name: str, *, rule: str, result: str) -> None:
        event = {
            "actor": name or "?",
            "action": "account.register",
            "rule": rule,
            "result": result,
        }
        await self.record(AuditEvent.model_validate(event))
