"""The agent's HTTP: ``POST /ensure`` for the hub, ``GET /health`` for whoever looks.

Every refusal is a ``messages.Refusal``. The secret and the length are checked before
the body is read, so that a stranger costs the agent nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

from jupyterhub_af import __version__
from jupyterhub_af.catalogue import NOT_IN_FORCE, Catalogue
from jupyterhub_af.policy.messages import Health, Message, Refusal, parse_plan

from .agent import Agent
from .errors import AgentError

MAX_BODY_BYTES = 1024 * 1024
_TOO_LARGE = f"A plan is at most {MAX_BODY_BYTES} bytes long."


@dataclass(frozen=True, slots=True)
class Server:
    """What the routes need: the agent, the hub's secret, what /health says."""

    agent: Agent
    hub_secret: str
    catalogue: Catalogue
    log: logging.Logger


class AgentRoute(RequestHandler):
    """Answer with messages, and with a ``Refusal`` wherever something is wrong."""

    server: Server

    def initialize(self, server: Server) -> None:
        """Keep what all routes share."""
        self.server = server

    def answer(self, message: Message, status: int = 200) -> None:
        """Finish with a message as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(message.model_dump_json())

    def refuse(self, status: int, message: str, rule: str) -> None:
        """Finish with a refusal."""
        self.answer(Refusal(message=message, rule=rule), status)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Turn what tornado refuses, and our own faults, into a refusal as well."""
        if status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            words = "The storage agent failed; its log says why."
            self.refuse(status_code, words, "internal")
            return
        words = (
            f"{HTTPStatus(status_code).phrase}: {self.request.method} is not for it."
        )
        self.refuse(status_code, words, "no-such-route")


class NoRoute(AgentRoute):
    """Refuse every other path."""

    def prepare(self) -> None:
        """Refuse."""
        raise HTTPError(404)


class HealthRoute(AgentRoute):
    """Say how the volume is; no secret is needed, and no name of a path is told."""

    async def get(self) -> None:
        """Answer with ``Health``."""
        edition = await asyncio.to_thread(self.server.catalogue.current)
        problems = await self.server.agent.find_problems()
        if edition.problems:
            problems = (*problems, NOT_IN_FORCE)
        health = Health(
            status="degraded" if problems else "ok",
            process="storage",
            version=__version__,
            facility_digest=edition.digest,
            problems=problems,
        )
        self.answer(health)


@stream_request_body
class EnsureRoute(AgentRoute):
    """Obey a plan."""

    def initialize(self, server: Server) -> None:
        """Begin with an empty body."""
        super().initialize(server)
        self._body = bytearray()

    def prepare(self) -> None:
        """Refuse strangers and long bodies before anything is read."""
        if self.request.method != "POST":
            return
        if not self._is_hub():
            words = "The request does not carry the hub's secret."
            self.refuse(401, words, "wrong-secret")
        elif self._told_length() > MAX_BODY_BYTES:
            self.refuse(413, _TOO_LARGE, "body-too-large")

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Collect the body as far as it may go; a chunked one tells no length."""
        if self._finished:
            return None
        self._body += chunk
        if len(self._body) > MAX_BODY_BYTES:
            self.refuse(413, _TOO_LARGE, "body-too-large")
        return None

    async def post(self) -> None:
        """Ensure the plan's directories and say what was made and mended."""
        try:
            plan = parse_plan(bytes(self._body))
        except ValidationError as error:
            words = f"The body is not a plan: {_first_problem(error)}."
            self.refuse(400, words, "not-a-plan")
            return
        try:
            reply = await self.server.agent.ensure_plan(plan)
        except AgentError as error:
            self.server.log.warning("Refused the areas of %r: %s", plan.user, error)
            self.refuse(error.status, str(error), error.rule)
            return
        counts = (plan.user, len(reply.made), len(reply.mended))
        self.server.log.info("Ensured the areas of %r: %s made, %s mended", *counts)
        self.answer(reply)

    def _told_length(self) -> int:
        """Return the length the request tells; what is no number tornado refuses."""
        told = self.request.headers.get("Content-Length", "")
        return int(told) if told.isascii() and told.isdigit() else 0

    def _is_hub(self) -> bool:
        given = self.request.headers.get("Authorization", "")
        wanted = f"Bearer {self.server.hub_secret}"
        return hmac.compare_digest(given.encode(), wanted.encode())


def _first_problem(error: ValidationError) -> str:
    """Return where and what of the first problem, without the value."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def make_application(server: Server) -> Application:
    """Return the agent's routes; they log themselves, once for each request."""
    shared = {"server": server}
    return Application(
        [("/ensure", EnsureRoute, shared), ("/health", HealthRoute, shared)],
        default_handler_class=NoRoute,
        default_handler_args=shared,
        log_function=lambda _route: None,
    )
