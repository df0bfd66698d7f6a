"""A keeper in the test's process, with hub and gateway at the wire and a clock to turn."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fake_peers import SERVICE_TOKEN, FakeGateway, FakeHub, iso

from jupyterhub_af.service.ender import Ender
from jupyterhub_af.service.gateway_api import GatewayApi
from jupyterhub_af.service.hub_api import HubApi
from jupyterhub_af.service.keeper import Duties, Keeper
from jupyterhub_af.service.reaper import Reaper
from jupyterhub_af.service.rechecks import Rechecks

TTL_SECONDS = 60
SWEEP_SECONDS = 1200
# a longer pause than three sweeps is one in which activity was missed
STEP_SECONDS = 3000


@dataclass
class World:
    """Everything a sweep meets."""

    desk: Any
    clock: Any
    hub: FakeHub
    gateway: FakeGateway
    keeper: Keeper
    ender: Ender
    rechecks: Rechecks

    async def sweep(self, *, after: float = 0) -> None:
        """Let time pass with sweeps, and sweep."""
        until = self.clock.now + after
        while self.clock.now + STEP_SECONDS < until:
            self.clock.now += STEP_SECONDS
            await self.keeper.sweep()
        self.clock.now = until
        await self.keeper.sweep()

    async def recheck(self, *, after: float = 0) -> None:
        """Let time pass, and ask about everybody whose turn it is, then stop who is due."""
        self.clock.now += after
        while await self.rechecks.step() <= 0.2 or self.rechecks.is_asking:
            await self.rechecks.settle()
            self.clock.now += 0.05
        await self.ender.stop_due(self.rechecks.look)
        await self.ender.catch_up()

    def lines(self) -> list[tuple[str, str, str, str]]:
        """Return what the audit says the service did, oldest first."""
        kept = reversed(self.desk.audit.last(50))
        return [
            (e.event.action, e.event.target, e.event.rule, e.event.result)
            for e in kept
            if e.event.actor == "af"
        ]


@asynccontextmanager
async def keeping(desk, clock, hub: FakeHub, gateway: FakeGateway):
    """Make a keeper; nothing sweeps by itself."""
    hub_api = HubApi(f"{hub.url}/hub/api", SERVICE_TOKEN)
    gateway_api = GatewayApi(gateway.url, SERVICE_TOKEN)
    reaper = Reaper(desk, hub_api, gateway_api, ttl_seconds=TTL_SECONDS)
    ender = Ender(desk, hub_api)
    rechecks = Rechecks(desk, hub_api, ender.judge, calls_per_second=20)
    keeper = Keeper(Duties(desk, hub_api, reaper, ender, rechecks, SWEEP_SECONDS))
    hub.clock = clock
    try:
        yield World(desk, clock, hub, gateway, keeper, ender, rechecks)
    finally:
        await keeper.stop()


def be_active(world: World, user: str = "anna", name: str = "") -> None:
    """Have the hub say that a person is active now."""
    world.hub.servers[user, name]["last_activity"] = iso(world.clock())
