"""A spawner of ours whose server is a listener in this process, and can fail on request."""

from __future__ import annotations

from typing import Any, ClassVar

from aiohttp import web
from jupyterhub.spawner import Spawner

from jupyterhub_af.hub.start import PlannedStart


class FakeServer(PlannedStart, Spawner):
    """Start what a plan says, as far as the hub can see."""

    # what the next start does: nothing else, "fails" or "hangs"
    trouble: ClassVar[str] = ""
    _runner: web.AppRunner | None = None

    async def start(self) -> tuple[str, int]:
        await self.prepare_plan()
        if FakeServer.trouble == "fails":
            raise RuntimeError("no room for a server")
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        await self.record("server.start")
        await self.tell_server("running")
        return "127.0.0.1", self._runner.addresses[0][1]

    async def _answer(self, request: web.Request) -> web.Response:
        return web.Response(text="{}")

    async def poll(self) -> int | None:
        return 0 if self._runner is None else None

    async def stop(self, now: bool = False) -> None:
        self.is_ended_by_hub = True
        await self.die()

    async def die(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()


def options(**more: Any) -> dict[str, Any]:
    return {"user_options": {"profile": "dodas", **more}}
