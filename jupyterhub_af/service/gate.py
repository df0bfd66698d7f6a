"""Who asks the public API: the hub knows each token, and nothing is cached.

A token that was revoked opens nothing, but for the courtesy: while a server goes on so
that its person can save, a token of its own that was let in before opens a few routes.
Cookies are not read.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from jupyterhub.services.auth import HubAuth
from pydantic import ValidationError
from tornado.web import HTTPError

from jupyterhub_af.policy.caller import Caller

from .courtesy import Courtesy
from .refusal import RefusedError
from .routes import Route

HUB_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Gate:
    """How callers are known: the hub's own client, and the scopes that let them in."""

    hub: HubAuth
    access_scopes: frozenset[str]
    courtesy: Courtesy | None = None

    async def admit(
        self, token: str, *, scopes: frozenset[str], with_courtesy: bool = False
    ) -> Caller:
        """Return the caller a token names, if it has one of the scopes.

        ``with_courtesy``: also one that the hub knows no more, of a server that ends.

        Raises
        ------
        RefusedError
            401 if the hub knows no such token, 403 if it lacks the scopes, 503 if the
            hub does not answer.
        """
        try:
            caller = await self._ask(token)
        except RefusedError as error:
            if error.rule != "token-unknown" or self.courtesy is None:
                raise
            known = await self.courtesy.admit(token) if with_courtesy else None
            if known is None:
                raise
            return known
        if not self.hub.check_scopes(set(scopes), {"scopes": caller.scopes}):
            message = f"The token lacks the scope {' or '.join(sorted(scopes))}."
            raise RefusedError(403, "scope", message)
        if self.courtesy is not None:
            self.courtesy.note(token, caller)
        return caller

    async def _ask(self, token: str) -> Caller:
        if not re.fullmatch(r"[\x21-\x7e]{1,1024}", token):
            message = (
                "This address needs a JupyterHub token in the Authorization header."
            )
            raise RefusedError(401, "token-missing", message)
        try:
            async with asyncio.timeout(HUB_SECONDS):
                model = await self.hub.user_for_token(
                    token, use_cache=False, sync=False
                )
            caller = Caller.model_validate(model) if model else None
        except (HTTPError, TimeoutError, ValidationError) as error:
            message = "The hub does not answer; try again in a moment."
            raise RefusedError(503, "hub-unreachable", message) from error
        if caller is None:
            message = "The hub does not know this token; it may have expired."
            raise RefusedError(401, "token-unknown", message)
        return caller


class PublicRoute(Route):
    """Be asked by anybody."""

    # whether it answers a server's own token until the server ends
    has_courtesy = False

    @property
    def gate(self) -> Gate:
        """Return how callers are known."""
        gate: Gate = self.settings["gate"]
        return gate

    @property
    def token(self) -> str:
        """Return the token of the Authorization header; empty if there is none."""
        header = self.request.headers.get("Authorization", "")
        scheme, _, token = header.partition(" ")
        return token.strip() if scheme.lower() in ("bearer", "token") else ""

    async def admit(self, scopes: frozenset[str] | None = None) -> Caller:
        """Return who asks, by the token in the Authorization header only."""
        wanted = scopes or self.gate.access_scopes
        return await self.gate.admit(
            self.token, scopes=wanted, with_courtesy=self.has_courtesy
        )
