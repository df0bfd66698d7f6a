"""How a refusal reaches a person: the same words on the form and by the API."""

from __future__ import annotations

from tornado import web

from .compat import SpawnException


def make_spawn_refusal(message: str, *, rule: str, status: int = 403) -> web.HTTPError:
    """Return the exception that refuses a start: words for the person, a rule for metrics."""
    error = SpawnException(message, reason=rule, status_code=status)
    error.jupyterhub_message = message
    return error
