"""The server extension of the analysis facility; it runs in a person's own server.

This module owns the wiring only: what Jupyter asks an extension for, and what is
done once when the server loads it.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from jupyterlab_af.exercises import deliver_exercises
from jupyterlab_af.routes import setup_routes
from jupyterlab_af.service import ServiceAddress

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

__version__ = version("jupyterlab_af")

EXERCISES = Path("share/jupyterhub-af/exercises")


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Tell JupyterLab where the prebuilt plugin lies in a development install."""
    return [{"src": "labextension", "dest": "jupyterlab-af"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Tell Jupyter Server which module is the extension."""
    return [{"module": "jupyterlab_af"}]


def _load_jupyter_server_extension(server_app: ServerApp) -> None:
    """Add the routes, and deliver the image's exercises."""
    setup_routes(server_app.web_app, ServiceAddress.from_environ(os.environ))
    deliver_exercises(Path(sys.prefix) / EXERCISES, Path.home(), log=server_app.log)
