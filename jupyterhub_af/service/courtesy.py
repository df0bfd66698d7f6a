"""Lets a server's own token go on until the server ends, where the hub knows it no more.

The token must have been let in before, and the server must be in the book of endings.
What the hub says of a person may be newer than the book: then the book is brought up to
date before the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from jupyterhub_af.policy.caller import Caller, scope_of, server_of

from .desk import Desk


class Courtesy:
    """Know the tokens of servers that end. ``look`` asks the hub about a person again."""

    def __init__(self, desk: Desk, look: Callable[[str], Awaitable[None]]) -> None:
        self._desk = desk
        self._look = look

    def note(self, token: str, caller: Caller) -> None:
        """Remember a token that the hub has just known, if it is a server's."""
        server_name = server_of(caller)
        if caller.kind == "user" and server_name is not None:
            place = (caller.name, server_name)
            digest = self._desk.admitted.note(token, place)
            self._desk.endings.add_token(place, digest)

    async def admit(self, token: str) -> Caller | None:
        """Return whose a token is that the hub refuses; None if it is nobody's here.

        They have no groups any more, as far as this service is concerned.
        """
        place = self._desk.admitted.find(token)
        if place is None:
            return None
        if self._desk.endings.find(place) is None:
            await self._look(place[0])
        ending = self._desk.endings.find(place)
        if ending is None or ending.ends_at <= self._desk.clock():
            return None
        return Caller(name=place[0], scopes=frozenset({scope_of(*place)}))
