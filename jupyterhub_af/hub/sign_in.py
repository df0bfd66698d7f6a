"""The way through the IAM and back: handlers, and a page for everything that stops it.

Whoever cannot log in gets a page that says why and where to go; nothing that the IAM
or the address bar sent is shown on it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from jupyterhub.handlers import BaseHandler
from oauthenticator.oauth2 import OAuthCallbackHandler, OAuthLoginHandler
from tornado.httputil import url_concat

from .asking import to_words
from .flood import is_stranger
from .pages import FacilityPage
from .refused_login import SignInError, cancelled, iam_said_no, not_usable, stale

if TYPE_CHECKING:
    from jupyterhub.user import User

_LONGEST_NEXT = 2048


def _derive(purpose: str, cookie: str) -> str:
    digest = hashlib.sha256(f"{purpose}:{cookie}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def nonce_of(cookie: str) -> str:
    """Return the nonce that belongs to a state cookie: a token for it fits no other."""
    return _derive("nonce", cookie)


def state_of(cookie: str) -> str:
    """Return the ``state`` parameter that belongs to a state cookie."""
    return _derive("state", cookie)


async def show_page(handler: BaseHandler, error: SignInError) -> None:
    """Answer with the page of an error: its words, and a way to try again."""
    login_url = handler.authenticator.login_url(handler.hub.base_url)
    handler.set_status(error.status)
    handler.set_header("Cache-Control", "no-store")
    page = await handler.render_template(
        error.template,
        problem=error,
        title=to_words(error.title),
        message=to_words(error.sentence),
        again_url=login_url,
        other_account_url=url_concat(login_url, {"prompt": "login"}),
    )
    handler.finish(page)


class IAMLoginHandler(FacilityPage, OAuthLoginHandler):
    """Send a person to the IAM, if it is there."""

    async def get(self) -> None:
        """Find the IAM's endpoints, then go there."""
        if len(self.get_argument("next", "")) > _LONGEST_NEXT:
            # it would not fit into the state cookie, and the login would fail later
            self.redirect(self.authenticator.login_url(self.hub.base_url))
            return
        try:
            await self.authenticator.find_iam()
        except SignInError as error:
            await show_page(self, error)
            return
        super().get()

    def set_state_cookie(self, state_cookie_value: str) -> None:
        """Keep the cookie's value: nonce and state are made of it."""
        self.state_cookie_value = state_cookie_value
        super().set_state_cookie(state_cookie_value)

    def authorize_redirect(
        self,
        *args: Any,
        extra_params: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Redirect with a nonce, and with a state that only this browser can answer."""
        params = dict(extra_params or {})
        params["state"] = state_of(self.state_cookie_value)
        params["nonce"] = nonce_of(self.state_cookie_value)
        if self.get_argument("prompt", "") == "login":
            prompts = str(params.get("prompt", "")).split()
            params["prompt"] = " ".join(dict.fromkeys(["login", *prompts]))
        super().authorize_redirect(*args, extra_params=params, **kwargs)


class IAMCallbackHandler(FacilityPage, OAuthCallbackHandler):
    """Take a person back from the IAM: logged in, or with a page that says why not."""

    async def get(self) -> None:
        """Check the request, log the person in, and send them on."""
        try:
            self.check_arguments()
            user = await self.login_user()
            if user is None:
                raise not_usable(self.authenticator.facility())
        except SignInError as error:
            await show_page(self, error)
            return
        await self.authenticator.note_login(user)
        self.redirect(self.get_next_url(user))

    def set_login_cookie(self, user: User) -> None:
        """Log somebody in, who is no stranger from here on."""
        is_stranger.set(False)
        super().set_login_cookie(user)

    def check_error(self) -> None:
        """Refuse in our words what the IAM refused; its own text is not shown."""
        error = self.get_argument("error", "")
        if not error:
            return
        facility = self.authenticator.facility()
        if error == "access_denied":
            raise cancelled(facility)
        raise iam_said_no(facility, error)

    def check_code(self) -> None:
        """Refuse a callback without a code as a stale one."""
        if not self.get_argument("code", ""):
            raise stale(self.authenticator.facility())

    def check_state(self) -> None:
        """Refuse an answer to a login that this browser did not begin, or not last."""
        cookie = self.get_state_cookie()
        state = self.get_argument("state", "").encode()
        if not cookie or not hmac.compare_digest(state, state_of(cookie).encode()):
            raise stale(self.authenticator.facility())
