"""A keeper in the test's process, with hub and gateway at the wire and a clock to turn."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fake_peers import SERVICE_TOKEN, FakeGateway, FakeHub, iso

from jupyterhub_af.service.gateway_api import GatewayApi
from jupyterhub_af.service.hub_api import HubApi
from jupyterhub_af.service.keeper import Duties, Keeper
from jupyterhub_af.service.reaper import Reaper

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

    async def sweep(self, *, after: float = 0) -> None:
        """Let time pass with sweeps, and sweep."""
        until = self.clock.now + after
        while self.clock.now + STEP_SECONDS < until:
            self.clock.now += STEP_SECONDS
            await self.keeper.sweep()
        self.clock.now = until
        await self.keeper.sweep()

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
    keeper = Keeper(Duties(desk, hub_api, reaper, SWEEP_SECONDS))
    try:
        yield World(desk, clock, hub, gateway, keeper)
    finally:
        await keeper.stop()


def be_active(world: World, user: str = "anna", name: str = "") -> None:
    """Have the hub say that a person is active now."""
    world.hub.servers[user, name]["last_activity"] = iso(world.clock())
