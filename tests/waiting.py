"""Waits for what another process does in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_until(
    is_true: Callable[[], Any], *, seconds: float = 60.0, what: str = ""
) -> Any:
    """Return the first true answer; fail with words after the time.

    The time is a bound, not an expectation: the machine may be five times slower.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := is_true():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what or is_true}")
