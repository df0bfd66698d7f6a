"""The service's register at the wire, as far as a hub asks it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

Json = dict[str, Any]


class FakeService:
    """The register of accounts on a Unix socket; ``refuse`` makes it say no."""

    def __init__(self, folder: Path) -> None:
        self.url = f"unix:{folder}/service.sock"
        self.secret_file = folder / "service.secret"
        self.secret_file.write_text("between-hub-and-service\n")
        self.secret_file.chmod(0o600)
        self.accounts: dict[tuple[str, str], Json] = {}
        self.requests: list[Json] = []
        self.events: list[Json] = []
        self.tellings: list[str] = []
        self.refuse: tuple[int, Json] | None = None
        # paths that do not answer for a while, and what the agent's part says
        self.away: set[str] = set()
        self.refuse_ensure: tuple[int, Json] | None = None
        self.rename: Callable[[str], str] = str.lower
        self.strangers: list[str] = []
        self.logins: list[str] = []

    @asynccontextmanager
    async def running(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.UnixSite(runner, self.url.removeprefix("unix:")).start()
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        secret = self.secret_file.read_text().strip()
        if request.headers.get("Authorization") != f"Bearer {secret}":
            refusal = {"message": "Wrong secret.", "rule": "secret"}
            return web.json_response(refusal, status=401)
        body = await request.json()
        if request.path in self.away:
            return web.Response(status=503)
        if (request.method, request.path) == ("POST", "/internal/audit"):
            self.events.append(body)
            self.tellings.append(request.query["telling"])
            return web.Response(status=204)
        if (request.method, request.path) == ("POST", "/internal/logins"):
            self.logins.append(body["user"])
            return web.Response(status=204)
        if (request.method, request.path) == ("POST", "/internal/accounts"):
            return self._account(body)
        if request.path in ("/internal/ids", "/internal/plans", "/internal/servers"):
            return self._start(request.path, body)
        if request.path in ("/ensure", "/usage"):
            return self._agent(request.path)
        self.strangers.append(request.path)
        return web.json_response({"message": "?", "rule": "path"}, status=404)

    def _start(self, path: str, body: Json) -> web.Response:
        """Answer the hub about a start."""
        if path != "/internal/ids":
            return web.Response(status=204)
        gids = {group: 2000001 + n for n, group in enumerate(body["groups"])}
        return web.json_response({"uid": 1000001, "gid": 1000001, "gids": gids})

    def _agent(self, path: str) -> web.Response:
        """Answer as the storage agent does."""
        if path == "/ensure" and self.refuse_ensure:
            status, refusal = self.refuse_ensure
            return web.json_response(refusal, status=status)
        if path == "/ensure":
            return web.json_response({"made": [], "mended": []})
        return web.json_response({"usages": [], "free_bytes": 10**12})

    def _account(self, body: Json) -> web.Response:
        self.requests.append(body)
        if self.refuse:
            return web.json_response(self.refuse[1], status=self.refuse[0])
        number = 1000001 + len(self.accounts)
        name = self.rename(body["preferred_username"])
        account = self.accounts.setdefault(
            (body["issuer"], body["subject"]),
            {"name": name, "uid": number, "gid": number},
        )
        return web.json_response(account)
