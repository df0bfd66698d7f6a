"""The hub's pages that people pass on their way to a server, in our words.

Each page is JupyterHub's own handler with ``FacilityPage`` before it: the handler goes
on doing what it does, and the page gets the language of the browser and a content
security policy under which no script and no style in a page runs, only our files.
Pages of administrators (the admin panel, tokens) stay JupyterHub's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.handlers import default_handlers
from jupyterhub.handlers.base import BaseHandler, UserUrlHandler
from jupyterhub.handlers.login import LoginHandler
from jupyterhub.handlers.pages import (
    HomeHandler,
    ProxyErrorHandler,
    RootHandler,
    SpawnHandler,
    SpawnPendingHandler,
)
from tornado.web import StaticFileHandler

from .asking import Asking, asking, to_words
from .doors import PlainNext, StrictForm
from .flood import KnownCaller
from .language import load_languages

ASSETS = Path(__file__).parent / "static"
ASSETS_PATH = "af-static"
_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)


@cache
def _version(name: str) -> str:
    """Return what changes with a file, so that browsers keep it until then."""
    return hashlib.sha256((ASSETS / name).read_bytes()).hexdigest()[:12]


class FacilityPage(KnownCaller, PlainNext, BaseHandler):
    """Speak the browser's language, and run nothing that stands in a page."""

    async def prepare(self) -> None:
        """Say who asks to what is called from here."""
        await super().prepare()
        asking.set(Asking(self.locale.translate, self.posted_fields()))

    def posted_fields(self) -> dict[str, list[str]]:
        """Return the fields of a posted form, where one was."""
        return {}

    @property
    def content_security_policy(self) -> str:
        """Return the policy of our pages."""
        targets = ["'self'"]
        if self.settings.get("subdomain_host"):
            # pressing Start ends at the server, which has a host of its own there
            host = urlsplit(self.settings["subdomain_host"])
            targets.append(f"{host.scheme}://*.{host.netloc}")
        return "; ".join((*_POLICY, f"form-action {' '.join(targets)}"))

    @property
    def template_namespace(self) -> dict[str, Any]:
        """Return what every template gets, with the words and our files."""
        return {
            **super().template_namespace,
            "_": self.locale.translate,
            "language": self.locale.code,
            "asset": self.asset_url,
        }

    def asset_url(self, name: str) -> str:
        """Return the address of one of our files."""
        return f"{self.hub.base_url}{ASSETS_PATH}/{name}?v={_version(name)}"

    def render_template(
        self, name: str, sync: bool = False, **ns: Any
    ) -> str | Awaitable[str]:
        """Render a page, an error in our words; the stock pages keep the stock one."""
        if name in ("error.html", "404.html"):
            name = "facility_error.html"
        return super().render_template(name, sync=sync, **ns)


class RootPage(FacilityPage, RootHandler):
    """Send people on to their servers, or to the login."""


class HomePage(FacilityPage, HomeHandler):
    """Show a person's servers."""


class SpawnPage(FacilityPage, StrictForm, SpawnHandler):
    """Show the form, and start what it chose."""

    def posted_fields(self) -> dict[str, list[str]]:
        """Return what was posted, so that a refused form comes back as it was filled in."""
        return {
            name: [value.decode("utf8", "replace") for value in values]
            for name, values in self.request.body_arguments.items()
        }


class SpawnPendingPage(FacilityPage, SpawnPendingHandler):
    """Show how a start goes on."""


class ServerPage(FacilityPage, UserUrlHandler):
    """Stand for a server that does not run."""


class LoginPage(FacilityPage, LoginHandler):
    """Show the first page; to whom lost access while logged in, why."""

    def render_template(
        self, name: str, sync: bool = False, **ns: Any
    ) -> str | Awaitable[str]:
        """Render the page with what ended."""
        if name == "login.html":
            user = self.get_current_user_cookie()
            ended = self.authenticator.explain_end(user) if user else None
            ns["ended"] = to_words(ended) if ended else ""
        return super().render_template(name, sync=sync, **ns)


class ProxyErrorPage(FacilityPage, ProxyErrorHandler):
    """Show what the proxy could not do."""


_PAGES: dict[type, type[FacilityPage]] = {
    RootHandler: RootPage,
    HomeHandler: HomePage,
    SpawnHandler: SpawnPage,
    SpawnPendingHandler: SpawnPendingPage,
    UserUrlHandler: ServerPage,
    LoginHandler: LoginPage,
    ProxyErrorHandler: ProxyErrorPage,
}


def make_page_handlers() -> list[tuple[Any, ...]]:
    """Return our pages for the hub's own addresses, and our files."""
    load_languages()
    pages = [
        (path, _PAGES[handler])
        for path, handler, *_ in default_handlers
        if handler in _PAGES
    ]
    files = (rf"/{ASSETS_PATH}/(.*)", StaticFileHandler, {"path": str(ASSETS)})
    return [*pages, files]
