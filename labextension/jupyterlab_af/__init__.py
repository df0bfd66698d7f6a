"""What a person's server brings to the analysis facility.

This module owns the names that Jupyter looks for, and imports nothing: a notebook
imports a module of this package too, and must not wait for a web server's.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

__version__ = version("jupyterlab_af")


def token() -> str:
    """Return the person's access token for data elsewhere, as fresh as it is now.

    Ask each time you need it, and keep no copy: it is replaced before it expires.
    ``NoTokenError`` says why there is none, and what to do.
    """
    from jupyterlab_af.bearer import find_token

    return find_token()


def token_expires_at() -> float:
    """Return when that token expires, in seconds since 1970 (UTC)."""
    from jupyterlab_af.bearer import find_expiry

    return find_expiry()


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Tell JupyterLab where the prebuilt plugin lies in a development install."""
    return [{"src": "labextension", "dest": "jupyterlab-af"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell Jupyter Server which class is the extension."""
    from jupyterlab_af.app import FacilityApp

    return [{"module": "jupyterlab_af", "app": FacilityApp}]
