"""Alarm clocks for tokens in running servers: each rings while a quarter of a life is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from jupyterhub_af.policy.freshness import renew_at

from .auth_record import AuthRecord, is_known

if TYPE_CHECKING:
    from jupyterhub.user import User

SHORTEST_SECONDS = 5.0
AGAIN_SECONDS = 30.0


class Renewals:
    """One alarm for each person with a running server."""

    def __init__(
        self, renew: Callable[[User], object], now: Callable[[], float]
    ) -> None:
        self._renew = renew
        self._now = now
        self._alarms: dict[int, asyncio.TimerHandle] = {}

    def set(self, user: User, record: AuthRecord) -> None:
        """Ring when this token is to be renewed, and for no other of the person's."""
        obtained, expires = record.token_obtained_at, record.token_expires_at
        if obtained is not None and expires is not None:
            self._set(user, renew_at(obtained, expires) - self._now())

    def _set(self, user: User, seconds: float) -> None:
        self.stop(user.id)
        self._alarms[user.id] = asyncio.get_running_loop().call_later(
            max(seconds, SHORTEST_SECONDS), self._ring, user
        )

    def _ring(self, user: User) -> None:
        if not is_known(user) or not user.active:
            return
        # a renewal sets the next alarm in its place; this one is for an IAM that is silent
        self._set(user, AGAIN_SECONDS)
        self._renew(user)

    def stop(self, user_id: int) -> None:
        """Stop a person's alarm."""
        alarm = self._alarms.pop(user_id, None)
        if alarm is not None:
            alarm.cancel()

    def close(self) -> None:
        """Stop them all."""
        for user_id in list(self._alarms):
            self.stop(user_id)
