"""Who may use this server: the hub's word, and a courtesy after it says no.

When a person loses access the hub accepts none of their credentials any more, but
their server runs on until the courtesy ends, so that work can be saved. This module
keeps a credential that the server accepted before that denial good *in this server
only*, until the deadline that the facility's service keeps. Whoever was not accepted
before is asked to log in at the hub, as ever.

It also keeps the server's own token in this process: a stock single-user server writes
it into the page of each error and into `jpserver-<pid>.json`.

Words: a *credential* is a token and the browser's session; only its hash is kept, in
memory. The *owner* is whose server it is: nobody else has a courtesy here.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from jupyterhub.services.auth import HubOAuth
from jupyterhub.singleuser.extension import JupyterHubIdentityProvider
from tornado.web import HTTPError
from traitlets import Callable, Instance, Integer, Unicode, default

from jupyterlab_af.courtesy import Courtesy, Remembered, hash_credential
from jupyterlab_af.service import ServiceAddress

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from jupyter_server.auth import User
    from jupyter_server.base.handlers import JupyterHandler

HUB_AWAY = (
    "JupyterHub does not answer, so this server cannot know who you are. What runs in "
    "it goes on, and your files are safe. Try again in a moment."
)
NO_LOGIN = (
    "JupyterHub lets nobody new into this server just now. Open the hub's home page: "
    "it says why, and whom to ask."
)


class FacilityHubAuth(HubOAuth):
    """Ask the hub who somebody is; keep an accepted owner good during the courtesy."""

    owner = Unicode(help="Whose server this is. Default: $JUPYTERHUB_USER")
    answer_seconds = Integer(
        5, config=True, help="For how long an answer that refuses is not asked again."
    )
    clock = Callable(time.time, help="What tells the time, in seconds since 1970.")
    remembered = Instance(Remembered, args=())
    courtesy = Instance(Courtesy)

    @default("owner")
    def _default_owner(self) -> str:
        return os.environ.get("JUPYTERHUB_USER", "")

    @default("courtesy")
    def _default_courtesy(self) -> Courtesy:
        address = ServiceAddress.from_environ(os.environ)
        return Courtesy(
            address, self.is_server_refused, answer_seconds=self.answer_seconds
        )

    def user_for_token(
        self,
        token: str,
        use_cache: bool = True,
        session_id: str = "",
        *,
        sync: bool = True,
    ) -> Any:
        """Return who a token is of, or None; blocking callers get the hub's word alone."""
        if sync:
            return super().user_for_token(token, use_cache, session_id, sync=True)
        return self._identify(token, session_id, use_cache=use_cache)

    def token_for_code(
        self, code: str, *, sync: bool = True, **more: Any
    ) -> str | Awaitable[str]:
        """Return the token of a login; say in words that the hub gives none."""
        asked = super().token_for_code(code, sync=sync, **more)
        return asked if sync else _in_words(asked)

    async def _identify(
        self, token: str, session_id: str, *, use_cache: bool
    ) -> dict[str, Any] | None:
        key = hash_credential(token, session_id)
        now = self.clock()
        known = self.remembered.find(key)
        if known is not None and use_cache and known.is_fresh(now, self.cache_max_age):
            return known.model
        is_away = False
        if known is None or not known.is_refused_lately(now, self.answer_seconds):
            try:
                # the stock cache would hold a no for as long as a yes
                model = await super().user_for_token(
                    token, False, session_id, sync=False
                )
            except HTTPError:
                is_away, model = True, None
            if model is not None:
                self.remembered.accept(key, model, now)
                return dict(model)
            self.remembered.refuse(key, now, is_away=is_away)
        return await self._keep(key, is_away=is_away)

    async def _keep(self, key: str, *, is_away: bool) -> dict[str, Any] | None:
        """Return the owner whom the hub no longer vouches for, while the courtesy lasts."""
        known, now = self.remembered.find(key), self.clock()
        if known is not None and self._is_owner(known.model):
            latest = (known.refused_since or now) + self.cache_max_age
            if now < await self.courtesy.until(now, latest):
                return known.model
        if is_away or (known is not None and known.is_away):
            raise HTTPError(503, HUB_AWAY, reason="JupyterHub does not answer")
        self.remembered.forget(key)
        return None

    def _is_owner(self, model: dict[str, Any]) -> bool:
        return model.get("kind", "user") == "user" and model["name"] == self.owner

    async def is_server_refused(self) -> bool:
        """Return whether the hub refuses this server's own token too, or is away."""
        try:
            own = await super().user_for_token(self.api_token, False, sync=False)
        except HTTPError:
            return True
        return own is None


class FacilityIdentityProvider(JupyterHubIdentityProvider):
    """Identify people as a facility does; the server's own token stays in the process."""

    @default("hub_auth")
    def _default_hub_auth(self) -> HubOAuth:
        return FacilityHubAuth(parent=self)

    async def get_user(self, handler: JupyterHandler) -> User | None:
        """Return who asks; where the hub does not say, there is a page that does."""
        try:
            user: User | None = await super().get_user(handler)
        except HTTPError:
            # the page of an error asks once more who it is for
            handler.current_user = None
            raise
        return user

    @property
    def token(self) -> str:
        """Return nothing: what Jupyter Server shows of it is for a server without a hub."""
        return ""


async def _in_words(asked: Awaitable[str]) -> str:
    try:
        return await asked
    except HTTPError:
        # a page of the callback shows the reason alone
        raise HTTPError(503, NO_LOGIN, reason=NO_LOGIN) from None
