"""What tests of servers that end share."""

from __future__ import annotations

from jupyterhub_af.policy.messages import ServerEvent
from jupyterhub_af.service.panel import View

COURTESY = 300
BOUND = 300
VIEW = View("anna", frozenset({"hackathon"}), "")


def endings(world) -> list[tuple[str, str, str]]:
    return [(*e.place, e.rule) for e in world.desk.endings.all]


async def told(world, state: str, start) -> None:
    event = ServerEvent(
        user=start.plan.user,
        server_name=start.plan.server_name,
        start_id=start.plan.start_id,
        state=state,
    )
    await world.desk.take_server_event(event)
