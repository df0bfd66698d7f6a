"""How long an accepted credential stays good after the hub says no.

The deadline is the service's: it stops this server when it has passed. This module
asks for it with the server's own token, keeps each answer for a few seconds, and
remembers who was accepted. Nothing here is written anywhere.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jupyterlab_af.service import FacilityUnavailableError, Service
from jupyterlab_af.wire import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jupyterlab_af.service import ServiceAddress

# browsers and programs of one person, each with each of their sessions
CREDENTIALS = 256
ASK_SECONDS = 3.0


def hash_credential(token: str, session_id: str) -> str:
    """Return what a credential is remembered by."""
    text = f"{len(session_id)}:{session_id}:{token}"
    return hashlib.sha256(text.encode("utf8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Accepted:
    """Whom the hub vouched for, when last, and since when it no longer does.

    ``is_away``: it did not say no, it said nothing.
    """

    model: dict[str, Any] = field(repr=False)
    at: float
    refused_since: float | None = None
    refused_at: float = 0.0
    is_away: bool = False

    def is_fresh(self, now: float, seconds: float) -> bool:
        """Return whether the hub's yes is young enough not to ask again."""
        return self.refused_since is None and 0 <= now - self.at < seconds

    def is_refused_lately(self, now: float, seconds: float) -> bool:
        """Return whether the hub's no is young enough not to ask again."""
        is_refused = self.refused_since is not None
        return is_refused and 0 <= now - self.refused_at < seconds


class Remembered:
    """Whom this server accepted; the longest unused is forgotten first."""

    def __init__(self, limit: int = CREDENTIALS) -> None:
        self._limit = limit
        self._known: OrderedDict[str, Accepted] = OrderedDict()

    def __len__(self) -> int:
        """Return how many credentials are remembered."""
        return len(self._known)

    def find(self, key: str) -> Accepted | None:
        """Return what is known of a credential."""
        if key in self._known:
            self._known.move_to_end(key)
        return self._known.get(key)

    def accept(self, key: str, model: dict[str, Any], now: float) -> None:
        """Remember that the hub vouched for a credential."""
        self._known[key] = Accepted(model, now)
        self._known.move_to_end(key)
        while len(self._known) > self._limit:
            self._known.popitem(last=False)

    def refuse(self, key: str, now: float, *, is_away: bool) -> None:
        """Remember that the hub, just asked, did not vouch for a credential."""
        known = self._known.get(key)
        if known is not None:
            since = now if known.refused_since is None else known.refused_since
            self._known[key] = replace(
                known, refused_since=since, refused_at=now, is_away=is_away
            )

    def forget(self, key: str) -> None:
        """Remember a credential no longer."""
        self._known.pop(key, None)


class Courtesy:
    """Until when the owner may go on: the service's deadline, or a short while.

    The hub may say no a moment before the service announces the end. Where it refuses
    this server's own token too, the person is meant, and not one lost browser: then an
    accepted credential stays good for the short while that the hub's yes is kept for.
    """

    def __init__(
        self,
        address: ServiceAddress | None,
        is_server_refused: Callable[[], Awaitable[bool]],
        *,
        answer_seconds: float,
    ) -> None:
        self._address = address
        self._is_server_refused = is_server_refused
        self._seconds = answer_seconds
        self._ends_at: float | None = None
        self._is_refused = False
        self._asked_at: float | None = None
        self._asking: asyncio.Task[None] | None = None

    async def until(self, now: float, latest: float) -> float:
        """Return when an accepted credential ends; `latest` where no end is announced."""
        if self._asked_at is None or not 0 <= now - self._asked_at < self._seconds:
            await self._ask_once(now)
        if self._ends_at is not None:
            return self._ends_at
        return latest if self._is_refused else 0.0

    async def _ask_once(self, now: float) -> None:
        """Ask, or wait for who asks already."""
        loop = asyncio.get_running_loop()
        asking = self._asking
        # a blocking caller has a loop of its own, while ours stands still
        if asking is None or asking.done() or asking.get_loop() is not loop:
            asking = self._asking = loop.create_task(self._ask(now))
        await asyncio.shield(asking)

    async def _ask(self, now: float) -> None:
        if self._ends_at is not None and self._ends_at <= now:
            # it may have been lifted while nobody asked: it says nothing of another end
            self._ends_at = None
        if self._address is not None:
            # without an answer, an end that was announced holds
            with suppress(FacilityUnavailableError):
                self._ends_at = await ask_end(self._address)
            self._is_refused = self._ends_at is None and await self._is_server_refused()
        self._asked_at = now


async def ask_end(address: ServiceAddress) -> float | None:
    """Return when this server ends because its person lost access, None if it does not.

    Raises
    ------
    FacilityUnavailableError
        If the service does not say.
    """
    service = Service(replace(address, timeout_seconds=ASK_SECONDS))
    try:
        answer = await service.get("api/access", {})
    except Refused as error:
        raise FacilityUnavailableError("refused", error.detail) from None
    finally:
        await service.close()
    return end_of(answer)


def end_of(answer: Any) -> float | None:
    """Return when the end is that an answer tells of.

    Raises
    ------
    FacilityUnavailableError
        If it is not what the service says of access.
    """
    end = answer.get("end", answer) if isinstance(answer, dict) else answer
    if end is None:
        return None
    ends_at = end.get("ends_at") if isinstance(end, dict) else None
    if isinstance(ends_at, bool) or not isinstance(ends_at, (int, float)):
        raise FacilityUnavailableError("unexpected", "no end")
    return float(ends_at)
