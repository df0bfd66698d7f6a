"""What runs in the JupyterHub process."""

from __future__ import annotations

from pathlib import Path


def templates_dir() -> str:
    """Return the folder of our pages, for ``c.JupyterHub.template_paths``."""
    return str(Path(__file__).parent / "templates")
