"""The agent's HTTP: what hub and service ask, and ``GET /health`` for whoever looks.

Every refusal is a ``messages.Refusal``. The secret and the length are checked before
the body is read, so that a stranger costs the agent nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import ValidationError
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

from jupyterhub_af import __version__
from jupyterhub_af.catalogue import NOT_IN_FORCE, Catalogue
from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.messages import Health, Message, Refusal, parse_plan
from jupyterhub_af.policy.storage import Tree, trees_of

from .agent import Agent
from .errors import AgentError, BodyError
from .usage.answers import Answers

MAX_BODY_BYTES = 1024 * 1024
_TOO_LARGE = f"A request is at most {MAX_BODY_BYTES} bytes long."
Process = Literal["hub", "service"]
Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Server:
    """What the routes need: the agent, the secrets of who asks, what /health says."""

    agent: Agent
    secrets: Mapping[Process, str]
    catalogue: Catalogue
    answers: Answers
    log: logging.Logger
    # what else is wrong with the storage, without a look at a disk
    find_problems: Callable[[Facility], tuple[str, ...]] = lambda _facility: ()


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
        # side by side: a volume that hangs is waited for once
        problems, notes = await asyncio.gather(
            self.server.agent.find_problems(), self.server.answers.notes()
        )
        problems += self.server.find_problems(edition.facility)
        if edition.problems:
            problems = (*problems, NOT_IN_FORCE)
        health = Health(
            status="degraded" if problems else "ok",
            process="storage",
            version=__version__,
            facility_digest=edition.digest,
            problems=problems,
            notes=notes,
        )
        self.answer(health)


@stream_request_body
class BodyRoute(AgentRoute):
    """Take one message from a process that may send it."""

    opens_to: ClassVar[tuple[Process, ...]] = ("service",)

    def initialize(self, server: Server) -> None:
        """Begin with an empty body."""
        super().initialize(server)
        self._body = bytearray()

    def prepare(self) -> None:
        """Refuse strangers and long bodies before anything is read."""
        if self.request.method != "POST":
            return
        if not self._is_known():
            words = f"The request does not carry the secret of {self._who_may()}."
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
        """Obey, and answer with a message or with the agent's refusal."""
        try:
            answer = await self.obey()
        except AgentError as error:
            self.server.log.warning("Refused %s: %s", self.request.path, error)
            self.refuse(error.status, str(error), error.rule)
            return
        if not self._finished:
            self.answer(answer)

    @abstractmethod
    async def obey(self) -> Message:
        """Return the answer to the body."""

    def read_body(self, parse: Callable[[bytes], Parsed], what: str) -> Parsed:
        """Return the body as a message, or refuse it without repeating its values."""
        try:
            return parse(bytes(self._body))
        except ValidationError as error:
            raise BodyError(what, _first_problem(error)) from error

    def _told_length(self) -> int:
        """Return the length the request tells; what is no number tornado refuses."""
        told = self.request.headers.get("Content-Length", "")
        return int(told) if told.isascii() and told.isdigit() else 0

    def _is_known(self) -> bool:
        given = self.request.headers.get("Authorization", "").encode()
        known = (self.server.secrets.get(process, "") for process in self.opens_to)
        # every one is compared, so that the time says nothing
        found = [
            bool(secret) and hmac.compare_digest(given, f"Bearer {secret}".encode())
            for secret in known
        ]
        return any(found)

    def _who_may(self) -> str:
        return " or ".join(f"the {process}" for process in self.opens_to)


class EnsureRoute(BodyRoute):
    """Obey a plan."""

    opens_to: ClassVar = ("hub",)

    async def obey(self) -> Message:
        """Ensure the plan's directories and say what was made and mended."""
        plan = self.read_body(parse_plan, "plan")
        reply = await self.server.agent.ensure_plan(plan)
        await self._hold(trees_of(plan.mounts, person=plan.person))
        counts = (plan.user, len(reply.made), len(reply.mended))
        self.server.log.info("Ensured the areas of %r: %s made, %s mended", *counts)
        return reply

    async def _hold(self, trees: tuple[Tree, ...]) -> None:
        """Hold trees to their quotas; what fails is done at the next look at them."""
        try:
            await self.server.answers.hold(trees)
        except AgentError as error:
            self.server.log.warning("Could not look at quotas: %s", error)


def _first_problem(error: ValidationError) -> str:
    """Return where and what of the first problem, without the value."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


Rule = tuple[str, type[RequestHandler], dict[str, Any]]


def make_application(server: Server, more: Sequence[Rule] = ()) -> Application:
    """Return the agent's routes, with ``more``; they log themselves, once a request."""
    shared = {"server": server}
    return Application(
        [("/ensure", EnsureRoute, shared), ("/health", HealthRoute, shared), *more],
        default_handler_class=NoRoute,
        default_handler_args=shared,
        log_function=lambda _route: None,
    )
