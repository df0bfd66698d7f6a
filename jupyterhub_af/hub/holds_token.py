"""Spawners whose servers hold their person's access token, and who hands it to them.

``HoldsToken`` gives a spawner the ``ServerToken`` of its server, which it knows again
after a restart of the hub; ``SERVERS`` takes what the engine of the re-checks renews.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyterhub_af.policy.plan import ServerPlan

from .hand_outs import AccessToken, TokenSource
from .server_token import Held, ServerToken
from .start import PlannedStart
from .token_sink import TokenSink

if TYPE_CHECKING:
    from jupyterhub.user import User


class HoldsToken(PlannedStart):
    """Give a spawner the token of its server; ``make_token_sink`` says where it lies."""

    server_token: ServerToken | None = None
    _has_started = False

    if TYPE_CHECKING:
        authenticator: Any

    def make_token_sink(self) -> TokenSink | None:
        """Return where tokens are put; None where this kind of spawner cannot."""
        return None

    async def begin_token(self, plan: ServerPlan) -> bool:
        """Put the token of a start; tell whether the server has a place for it."""
        self._has_started = False
        self._hold(Held.of(plan))
        if self.server_token is None:
            return False
        return await self.server_token.begin(self._source(), self.user)

    def keep_token(self) -> None:
        """Look after the token from now on: the server runs."""
        self._has_started = True

    def _hold(self, held: Held | None) -> None:
        sink = self.make_token_sink()
        self.server_token = None
        if held is None or sink is None:
            return
        self.server_token = ServerToken(
            held, sink, facility=self.facility, log=self.log
        )
        if (source := self._source()) is not None:
            source.hand_outs.register(SERVERS)

    def _source(self) -> TokenSource | None:
        found = self.authenticator
        return found if isinstance(found, TokenSource) else None

    async def poll(self) -> int | None:
        """Tell whether the server runs, and look after its token on the way."""
        status: int | None = await super().poll()  # type: ignore[misc] # of the spawner
        if self.server_token is not None and self._has_started:
            if status is None:
                self.server_token.look_after(self._source(), self.user)
            else:
                await self.server_token.withdraw()
        return status

    async def run_post_stop_hook(self) -> Any:
        """Withdraw the token of a server that ended, however it did."""
        await self.withdraw_token()
        return await super().run_post_stop_hook()

    async def withdraw_token(self) -> None:
        """Withdraw the token, if there is one."""
        if self.server_token is not None:
            await self.server_token.withdraw()
            self.server_token = None

    def get_state(self) -> dict[str, Any]:
        """Return what knows the token's place again after a hub restart."""
        state = super().get_state()
        if self.server_token is not None:
            state["token"] = self.server_token.held.to_state()
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what ``get_state`` kept."""
        super().load_state(state)
        if kept := state.get("token"):
            self._hold(Held.from_state(kept))
            self._has_started = True


class RunningServers:
    """Hand a person's renewed token to each of their running servers."""

    async def renewed(self, user: User, access: AccessToken) -> None:
        """Put the token into each, narrowed where its profile wants less."""
        for token in _tokens_of(user):
            if token.held.wish.is_narrow:
                token.take_soon(access)
            else:
                await token.take(access)

    async def withdrawn(self, user: User, _rule: str) -> None:
        """Say in each that the token is not renewed any more."""
        for token in _tokens_of(user):
            await token.end()


SERVERS = RunningServers()


def _tokens_of(user: User) -> tuple[ServerToken, ...]:
    found = (spawner for spawner in user.spawners.values())
    tokens = (getattr(spawner, "server_token", None) for spawner in found)
    return tuple(token for token in tokens if token is not None)
