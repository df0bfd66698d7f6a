"""What a scheduler says of itself, read as what it is: the words of a person's code.

A scheduler may name only addresses of its own kind, so that the gateway never forwards
or asks anything anywhere else for it.

Source: ``dask_gateway/scheduler_preload.py``, 2026.3.0.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from dask_gateway_server.backends.base import PublicException
from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_WORKERS = 10_000
WorkerName = Annotated[str, Field(max_length=255)]


class Heartbeat(BaseModel):
    """One heartbeat; ``count`` is how many workers the scheduler wants."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    scheduler_address: Annotated[str, Field(max_length=255)]
    dashboard_address: Annotated[str, Field(max_length=255)] = ""
    api_address: Annotated[str, Field(max_length=255)]
    count: Annotated[int, Field(ge=0, le=MAX_WORKERS)]
    active_workers: Annotated[list[WorkerName], Field(max_length=MAX_WORKERS)]
    closing_workers: Annotated[list[WorkerName], Field(max_length=MAX_WORKERS)]
    closed_workers: Annotated[list[WorkerName], Field(max_length=MAX_WORKERS)]


def read_heartbeat(msg: Any, *, host: str) -> Heartbeat:
    """Return a heartbeat, or refuse it; ``host`` is where schedulers run, if one place."""
    try:
        news = Heartbeat.model_validate(msg)
    except ValidationError as error:
        raise PublicException(
            f"A heartbeat of another form: {error.error_count()} faults."
        ) from None
    _check_address(news.scheduler_address, "tls", host)
    _check_address(news.api_address, "http", host)
    if news.dashboard_address:
        _check_address(news.dashboard_address, "http", host)
    return news


def _check_address(address: str, scheme: str, host: str) -> None:
    try:
        parts = urlsplit(address)
        is_own = bool(parts.port) and parts.scheme == scheme
        is_own = is_own and not (parts.path or parts.query or parts.username)
        is_own = is_own and (parts.hostname == host if host else bool(parts.hostname))
    except ValueError:
        is_own = False
    if not is_own:
        raise PublicException(f"{address[:80]!r} is no address of a scheduler here.")


def clamp(news: Heartbeat, most: int) -> dict[str, Any]:
    """Return a scheduler's news with at most so many workers wanted."""
    # no dashboard: the stock proxy would show it to everybody
    return {
        **news.model_dump(),
        "count": min(news.count, most),
        "dashboard_address": "",
    }
