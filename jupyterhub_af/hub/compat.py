"""The differences between JupyterHub 5.5 and 6.1, all of them here."""

from __future__ import annotations

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


__all__ = ["SpawnException"]
