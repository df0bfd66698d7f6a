"""The differences between JupyterHub 5.5 and 6.1, all of them here."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from jupyterhub import version_info
from tornado import web

IS_HUB_5 = version_info[0] < 6

try:
    from jupyterhub.spawner import SpawnException
except ImportError:  # JupyterHub 5.5

    class SpawnException(web.HTTPError):  # type: ignore[no-redef]
        """Stand for the class of JupyterHub 6: a refusal without a traceback."""

        def __init__(
            self, message: str, *, reason: str, status_code: int = 400
        ) -> None:
            # a reason phrase would go into the status line, where a label has no place
            super().__init__(status_code, message.replace("%", "%%"))
            self.message = message
            self.rule = reason


def options_of_body(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what the spawn API's own handler takes a body for.

    JupyterHub 6 takes the choice out of ``user_options`` itself; 5.5 takes the whole
    body for the choice. None: start with the choice of last time.
    """
    if not IS_HUB_5:
        return body
    is_wrapped = "user_options" in body or "display_name" in body
    return (body.get("user_options") if is_wrapped else body) or None


def options_of_query(query: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the choice in a query string, by the rule of JupyterHub 6.

    If any field begins with ``opt-``, those are the choice, without it; 5.5 hands
    everything over as it came.
    """
    if not IS_HUB_5:
        return query
    marked = {
        key.removeprefix("opt-"): values
        for key, values in query.items()
        if key.startswith("opt-")
    }
    return marked or query


class QuietStaleCookies(logging.Filter):
    """Drop JupyterHub 6.1's traceback for the cookie of somebody whose access ended.

    It takes them for not logged in, as it should, but by an attribute that only requests
    with a token have; each request would be a traceback in the log.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is any other."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, AttributeError):
            return True
        return error.name != "_token_authenticated"


quiet_stale_cookies = QuietStaleCookies()

__all__ = [
    "SpawnException",
    "options_of_body",
    "options_of_query",
    "quiet_stale_cookies",
]
