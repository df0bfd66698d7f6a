"""Who is told when a person's access token is new, or is to be taken away.

The engine of the re-checks renews tokens; what puts them into servers is a ``Receiver``.
A receiver that fails is logged and harms nobody else: a re-check has its answer before
anything is handed out.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from jupyterhub_af.policy.errors import AFError

if TYPE_CHECKING:
    from jupyterhub.user import User

Narrow = Callable[[str, tuple[str, ...]], Awaitable["AccessToken"]]


class NarrowRefusedError(AFError):
    """Say that the IAM gives no token of the audience and the scopes asked for."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token of a person's. Times are seconds since 1970.

    ``expires_at`` is None where the IAM did not say. ``narrow`` asks the IAM for a token
    of one audience and of scopes, in the person's turn; it raises ``NarrowRefusedError``
    or ``IAMAwayError``, and never gives this token instead.
    """

    value: str = field(repr=False)
    obtained_at: float
    expires_at: float | None
    narrow: Narrow = field(repr=False, compare=False)


class Receiver(Protocol):
    """What keeps a person's token somewhere."""

    async def renewed(self, user: User, access: AccessToken) -> None:
        """Take up a new token."""

    async def withdrawn(self, user: User, rule: str) -> None:
        """Take the token away; ``rule`` is the status of the re-check, such as denied."""


@runtime_checkable
class TokenSource(Protocol):
    """What an authenticator offers to spawners about tokens."""

    hand_outs: HandOuts

    async def fresh_token(self, user: User) -> AccessToken | None:
        """Return a token with at least a fifth of its life left; None: there is none."""

    async def narrow_token(
        self, user: User, audience: str, scopes: tuple[str, ...]
    ) -> AccessToken:
        """Return a token of one audience and of scopes, or raise; never a wider one."""


class HandOuts:
    """The receivers of one hub."""

    def __init__(
        self,
        log: logging.Logger,
        *,
        on_end: Callable[[User, str], None] = lambda user, rule: None,
    ) -> None:
        self._log = log
        self._on_end = on_end
        self._receivers: list[Receiver] = []

    def register(self, receiver: Receiver) -> None:
        """Tell a receiver from now on; the same one again changes nothing."""
        if receiver not in self._receivers:
            self._receivers.append(receiver)

    @property
    def has_receivers(self) -> bool:
        """Tell whether anybody wants tokens: else none is renewed for its own sake."""
        return bool(self._receivers)

    async def renewed(self, user: User, access: AccessToken) -> None:
        """Tell all of a new token."""
        for receiver in self._receivers:
            try:
                await receiver.renewed(user, access)
            except Exception:
                self._log.exception("could not hand out the token of %s", user.name)

    async def withdrawn(self, user: User, rule: str) -> None:
        """Tell all that a person's token is to be taken away, with their access."""
        self._on_end(user, rule)
        for receiver in self._receivers:
            try:
                await receiver.withdrawn(user, rule)
            except Exception:
                self._log.exception("could not withdraw the token of %s", user.name)
