"""Jupyter's own fixtures, and a server that lets nobody in without a token."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ("pytest_jupyter.jupyter_server",)


@pytest.fixture
def jp_server_config() -> dict[str, object]:
    """Load our extension; a route without authentication is then an error."""
    return {
        "ServerApp": {
            "jpserver_extensions": {"jupyterlab": True, "jupyterlab_af": True},
            "allow_unauthenticated_access": False,
            "reraise_server_extension_failures": True,
        }
    }


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder that every uid of the machine can get into."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
