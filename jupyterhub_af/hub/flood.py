"""A log that strangers cannot fill: what is written while nobody is logged in has a bound.

Anybody can ask for the login pages as often as they like, and each request writes a
line or three. In a minute the first ``LINES_A_MINUTE`` lines of strangers are written,
cut to ``LONGEST_LINE``; the rest is counted, and one line says how many. A traceback is
always written, and so is everything of people who are logged in.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextvars import ContextVar

LINES_A_MINUTE = 300
LONGEST_LINE = 2000
_WINDOW_SECONDS = 60.0

# whether the request that is being answered is of somebody who is not logged in
is_stranger: ContextVar[bool] = ContextVar("is_stranger", default=False)


class StrangersBound(logging.Filter):
    """Let the lines of strangers through up to a number in each minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._began = clock()
        self._written = 0
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is written; one of the next window says what was not."""
        if not is_stranger.get() or record.exc_info:
            return True
        self._turn_window(record)
        self._written += 1
        if self._written > LINES_A_MINUTE:
            self._left_out += 1
            return False
        _shorten(record)
        return True

    def _turn_window(self, record: logging.LogRecord) -> None:
        now = self._clock()
        if now - self._began < _WINDOW_SECONDS:
            return
        left_out, self._left_out = self._left_out, 0
        self._began, self._written = now, 0
        if left_out:
            logging.getLogger(record.name).warning(
                "left out %d lines about requests of people who are not logged in",
                left_out,
            )


def _shorten(record: logging.LogRecord) -> None:
    message = record.getMessage()
    if len(message) > LONGEST_LINE:
        record.msg, record.args = f"{message[:LONGEST_LINE]}…", ()


def bound_strangers(*loggers: logging.Logger) -> None:
    """Put one bound on these loggers together."""
    bound = StrangersBound()
    for logger in loggers:
        for old in [f for f in logger.filters if isinstance(f, StrangersBound)]:
            logger.removeFilter(old)
        logger.addFilter(bound)
