"""The differences between JupyterHub 5.5 and 6.1, all of them here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado import web

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


def unwrap_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the choice in what the spawn API got.

    JupyterHub 6 takes it under ``user_options``; 5.5 hands the whole body over, so a
    script written for 6 would send a choice with the one unknown key `user_options`.
    """
    inner = options.get("user_options")
    return inner if len(options) == 1 and isinstance(inner, Mapping) else options


__all__ = ["SpawnException", "unwrap_options"]
