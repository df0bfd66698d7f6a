"""The access token of one running server: asked for, put down, renewed, withdrawn.

The engine of the re-checks hands renewed tokens out; a server whose token is due asks by
itself, so that nothing rests on the re-checks alone.
No failure here stops a start, a re-check or a stop: the person reads what is wrong.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.plan import ServerPlan
from jupyterhub_af.policy.sentence import Sentence
from jupyterhub_af.policy.token import (
    TokenWish,
    explain_broken,
    explain_ended,
    explain_late,
    explain_missing,
    explain_refused,
    token_folder,
)
from jupyterhub_af.policy.token_life import UNKNOWN_LIFETIME_SECONDS, TokenLife

from .hand_outs import AccessToken, NarrowRefusedError, TokenSource
from .token_sink import Place, TokenSink, TokenSinkError

if TYPE_CHECKING:
    from jupyterhub.user import User

# a start waits this long for a token, then goes on without
START_SECONDS = 10.0
# a token that is due and does not come is asked for again after this long
RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Held:
    """What a server's token is to be, for whom, and what its profile is called."""

    wish: TokenWish
    place: Place
    title: str

    @classmethod
    def of(cls, plan: ServerPlan) -> Held | None:
        """Return what a plan says; None where the server gets no token."""
        if plan.token is None or plan.uid is None or plan.gid is None:
            return None
        folder = token_folder(plan.user, plan.server_name)
        place = Place(folder, plan.uid, plan.gid)
        return cls(plan.token, place, plan.profile_display_name)

    def to_state(self) -> dict[str, Any]:
        """Return it as a spawner keeps it in the hub's database; it holds no secret."""
        return {
            "audience": self.wish.audience,
            "scopes": list(self.wish.scopes),
            "folder": self.place.folder,
            "uid": self.place.uid,
            "gid": self.place.gid,
            "title": self.title,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Held:
        """Return what ``to_state`` made."""
        wish = TokenWish(state["audience"], tuple(state["scopes"]))
        place = Place(state["folder"], state["uid"], state["gid"])
        return cls(wish, place, state["title"])


class ServerToken:
    """The token of one running server."""

    def __init__(
        self,
        held: Held,
        sink: TokenSink,
        *,
        facility: Callable[[], Facility],
        log: logging.Logger,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.held = held
        self._sink = sink
        self._facility = facility
        self._log = log
        self._now = now
        self._life: TokenLife | None = None
        self._words = ""
        self._task: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._is_over = False

    async def begin(self, source: TokenSource | None, user: User) -> bool:
        """Put the first token, or why there is none; False where there is no place."""
        try:
            await self._sink.prepare(self.held.place)
        except TokenSinkError as error:
            self._log.error(
                "started the server of %s without a token: %s", user.name, error
            )
            return False
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._ask(source, user)
        except TimeoutError:
            await self._tell(explain_missing(self._facility()))
        except Exception:
            # a fault here is the token's alone: the server starts
            self._log.exception("no token for the server of %s", user.name)
        return True

    async def take(self, access: AccessToken) -> None:
        """Put a renewed token, narrowed where the profile wants less."""
        if not self._is_over:
            await self._take(access)

    def take_soon(self, access: AccessToken) -> None:
        """Do as ``take``, in a task of its own: to narrow waits for the person's turn."""
        self._begin(self._take(access))

    def look_after(self, source: TokenSource | None, user: User) -> None:
        """Ask for a token if it is time to; to be called now and then."""
        now = self._now()
        if now < self._not_before or (self._life and not self._life.is_due(now)):
            return
        self._not_before = now + RETRY_SECONDS
        self._begin(self._ask(source, user))

    async def end(self) -> None:
        """Say that access has ended; the token that is there stays until its time."""
        await self._tell(explain_ended(self._facility()))

    async def withdraw(self) -> None:
        """Remove everything, once; nothing is put any more."""
        if self._is_over:
            return
        self._is_over = True
        if self._task is not None:
            self._task.cancel()
        try:
            await self._sink.withdraw(self.held.place)
        except TokenSinkError as error:
            self._log.error(
                "could not remove the token in %s: %s", self.held.place.folder, error
            )

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _begin(self, work: Any) -> None:
        """Start a piece of work, unless one is under way: that one brings the newest."""
        if self._is_over or (self._task is not None and not self._task.done()):
            work.close()
            return
        self._task = asyncio.create_task(work)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (fault := task.exception()):
            self._log.error(
                "renewing the token in %s broke", self.held.place.folder, exc_info=fault
            )

    async def _ask(self, source: TokenSource | None, user: User) -> None:
        """Ask for a token; what is there from before a restart of the hub may do."""
        if self._life is None:
            self._life = await self._look()
            if self._life is not None and not self._life.is_due(self._now()):
                return
        access = await _fresh(source, user)
        if access is not None:
            await self._take(access)
        # a better reason may have been told already
        if self._words:
            return
        if self._life is None:
            await self._tell(explain_missing(self._facility()))
        elif self._life.is_late(self._now()):
            await self._tell(explain_late(self._facility()))

    async def _look(self) -> TokenLife | None:
        try:
            return await self._sink.look(self.held.place)
        except TokenSinkError:
            return None

    async def _take(self, access: AccessToken) -> None:
        wish = self.held.wish
        try:
            mine = (
                await access.narrow(wish.audience or "", wish.scopes)
                if wish.is_narrow
                else access
            )
        except NarrowRefusedError as error:
            words = explain_refused(self._facility(), self.held.title)
            if str(words) != self._words:
                self._log.warning(
                    "no token for %s: %s", self.held.title, type(error).__name__
                )
            await self._tell(words)
        except AFError:
            # the IAM is silent: the next look says so, should it become late
            return
        else:
            await self._put(mine)

    async def _put(self, access: AccessToken) -> None:
        expires_at = access.expires_at or access.obtained_at + UNKNOWN_LIFETIME_SECONDS
        life = TokenLife(access.obtained_at, expires_at)
        if self._is_over or (life == self._life and not self._words):
            return
        try:
            await self._sink.put(self.held.place, access.value, life)
        except TokenSinkError as error:
            self._log.error(
                "could not put a token in %s: %s", self.held.place.folder, error
            )
            await self._tell(explain_broken(self._facility()))
        else:
            self._life, self._words = life, ""

    async def _tell(self, sentence: Sentence) -> None:
        """Have the person read why, once for each reason."""
        words = str(sentence)
        if self._is_over or words == self._words:
            return
        try:
            await self._sink.trouble(self.held.place, words)
        except TokenSinkError as error:
            self._log.error(
                "could not tell of the token in %s: %s", self.held.place.folder, error
            )
        else:
            self._words = words


async def _fresh(source: TokenSource | None, user: User) -> AccessToken | None:
    """Return a fresh token, or None where nobody has one."""
    if source is None:
        return None
    try:
        return await source.fresh_token(user)
    except AFError:
        return None
