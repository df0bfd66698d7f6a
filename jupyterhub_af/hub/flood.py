"""What strangers can make the hub write and keep: bounded, before anybody is logged in.

Anybody can ask for any address as often as they like, and each request writes a line
or three. In a minute the first ``LINES_A_MINUTE`` lines of strangers are written, cut
to ``LONGEST_LINE``; the rest is counted, on the page of metrics and in one line of the
next minute. What people who are logged in do is written as ever.

A request is a stranger's until somebody is known: ``StrangersGate`` says so of every
request, ``KnownCaller`` and the log function of what they find later. A task that a
known person's request starts inherits it, so its lines are written whoever floods.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from jupyterhub.log import log_request
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPServerRequest
from tornado.log import access_log, app_log, gen_log
from tornado.routing import Router
from tornado.web import HTTPError, RequestHandler

from .metrics import count_left_out_line

if TYPE_CHECKING:
    from jupyterhub.app import JupyterHub
    from jupyterhub.handlers import BaseHandler

    Handlers = list[tuple[Any, ...]]
else:
    BaseHandler = object

LINES_A_MINUTE = 300
TRACEBACKS_A_MINUTE = 20
LONGEST_LINE = 2000
LARGEST_BODY_BYTES = 4 * 1024 * 1024
_WINDOW_SECONDS = 60.0
# JupyterHub puts its prefix before a pattern: what is behind the bar is every address
_EVERY_ADDRESS = ".*|/.*"

# whether what is being answered is a request of somebody who is not logged in
is_stranger: ContextVar[bool] = ContextVar("is_stranger", default=False)


class StrangersBound(logging.Filter):
    """Let the lines of strangers through up to a number in each minute."""

    def __init__(
        self, log: logging.Logger, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._log = log
        self._clock = clock
        self._began = clock()
        self._written = 0
        self._tracebacks = 0
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is written; one of the next window says what was not."""
        self._turn_window()
        if not is_stranger.get():
            return True
        if not self._has_room(record):
            self._left_out += 1
            count_left_out_line()
            return False
        _shorten(record)
        return True

    def _has_room(self, record: logging.LogRecord) -> bool:
        # a bug must be seen while somebody floods, and be no way to flood
        if record.exc_info:
            self._tracebacks += 1
            return self._tracebacks <= TRACEBACKS_A_MINUTE
        self._written += 1
        return self._written <= LINES_A_MINUTE

    def _turn_window(self) -> None:
        now = self._clock()
        if now - self._began < _WINDOW_SECONDS:
            return
        left_out, self._left_out = self._left_out, 0
        self._began, self._written, self._tracebacks = now, 0, 0
        if left_out:
            self._log.warning(
                "left out %d lines about requests of people who are not logged in",
                left_out,
            )


def _shorten(record: logging.LogRecord) -> None:
    message = record.getMessage()
    if len(message) > LONGEST_LINE:
        record.msg, record.args = f"{message[:LONGEST_LINE]}…", ()


class StrangersGate(Router):
    """Be passed by every request before anything reads it, and answer none."""

    def find_handler(self, request: HTTPServerRequest, **_: Any) -> None:
        """Call the request a stranger's, and bound the body that is read into memory."""
        is_stranger.set(True)
        if isinstance(request.connection, HTTP1Connection):
            request.connection.set_max_body_size(LARGEST_BODY_BYTES)


class KnownCaller(BaseHandler):
    """Say who asks as soon as it is known; to be put before a handler of the hub."""

    async def prepare(self) -> None:
        """Find out who asks."""
        await super().prepare()
        is_stranger.set(self.current_user is None)


def _is_known(handler: RequestHandler) -> bool:
    try:
        return handler.current_user is not None
    except (HTTPError, RuntimeError):
        # the hub's handlers raise where nobody has looked yet
        return False


def make_log_function(
    write: Callable[[RequestHandler], None],
) -> Callable[[RequestHandler], None]:
    """Return what writes a request's own line, and counts it, within the bound."""

    def log_within_bound(handler: RequestHandler) -> None:
        if handler.request.method not in handler.SUPPORTED_METHODS:
            # each invented one would be kept for ever, as a label of the metrics
            handler.request.method = "INVENTED"
        before = is_stranger.set(not _is_known(handler))
        try:
            write(handler)
        finally:
            is_stranger.reset(before)

    return log_within_bound


def bound_strangers(app: JupyterHub) -> Handlers:
    """Put the bound on a hub's loggers; return what goes before all its handlers."""
    bound = StrangersBound(app.log)
    for logger in (app.log, access_log, app_log, gen_log):
        for old in [f for f in logger.filters if isinstance(f, StrangersBound)]:
            logger.removeFilter(old)
        logger.addFilter(bound)
    write = app.tornado_settings.get("log_function", log_request)
    app.tornado_settings["log_function"] = make_log_function(write)
    return [(_EVERY_ADDRESS, StrangersGate())]
