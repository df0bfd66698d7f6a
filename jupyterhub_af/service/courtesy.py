"""Lets a server's own token go on until the server ends, where the hub knows it no more.

The token must have been let in before, and the server must be in the book of endings.
What the hub says of a person may be newer than the book: then the book is brought up to
date before the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from jupyterhub_af.policy.caller import Caller, scope_of, server_of

from .admitted import digest_of
from .desk import Desk
from .endings import Ending
from .refusal import RefusedError


class Courtesy:
    """Know the tokens of servers that end. ``look`` asks the hub about a person again."""

    def __init__(self, desk: Desk, look: Callable[[str], Awaitable[bool]]) -> None:
        self._desk = desk
        self._look = look

    def note(self, token: str, caller: Caller) -> None:
        """Remember a token that the hub has just known, if it is a server's."""
        server_name = server_of(caller)
        if caller.kind == "user" and server_name is not None:
            self._desk.admitted.note(token, (caller.name, server_name))

    async def admit(self, token: str) -> Caller | None:
        """Return whose a token is that the hub refuses; None if it is nobody's here.

        They have no groups any more, as far as this service is concerned.
        """
        ending = await self.ending_of(digest_of(token))
        if ending is None:
            return None
        return Caller(name=ending.user, scopes=frozenset({scope_of(*ending.place)}))

    async def ending_of(self, digest: str) -> Ending | None:
        """Return how the server ends that a refused token belongs to, if it does.

        Raises
        ------
        RefusedError
            503 if nobody can say now: another time the token may be good.
        """
        place = self._desk.admitted.find_digest(digest)
        if place is None:
            return None
        is_known = self._desk.endings.find(place) is not None
        if not (is_known or await self._look(place[0])):
            message = "The hub does not answer; try again in a moment."
            raise RefusedError(503, "hub-unreachable", message)
        ending = self._desk.endings.find(place)
        if ending is None or ending.ends_at <= self._desk.clock():
            return None
        return ending
