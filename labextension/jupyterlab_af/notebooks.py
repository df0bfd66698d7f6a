"""What changed in a notebook, shown side by side by nbdime in a page of our own server.

nbdime computes and draws; this module reads the two notebooks, as every other route of
earlier versions does, and lets no page but Lab's own show it. Where nbdime is not
installed there is no such page.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import stat
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import tornado
from jinja2 import Environment, FileSystemLoader
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado.web import HTTPError, StaticFileHandler

from jupyterlab_af.beneath import READ
from jupyterlab_af.difference import TOO_LARGE
from jupyterlab_af.trouble import Trouble, telling_trouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyterlab_af.generations import Shelf, Spot

LIMIT_BYTES = 20 * 1024**2
NOT_A_NOTEBOOK = Trouble(
    "not-a-notebook", 415, "{path} is no notebook that can be read, now or then."
)
# only Lab's own pages show it, and what a notebook holds runs nothing in it
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
)
PAGE = "difftool.html"
ROUTE = "jupyterlab-af/notebooks"


@dataclass(frozen=True, slots=True)
class NotebookDifference:
    """A notebook as it was, and what changed since, as nbdime writes it."""

    base: Any
    diff: Any


@cache
def find_nbdime() -> Path | None:
    """Return the folder of nbdime's page; None where nbdime is not installed."""
    spec = importlib.util.find_spec("nbdime")
    return Path(spec.origin).parent / "webapp" if spec and spec.origin else None


def diff_notebook(shelf: Shelf, spot: Spot, generation: str) -> NotebookDifference:
    """Return what changed in a notebook since a version.

    Raises
    ------
    TroubleError
        If there is no such version, or one of the two is no notebook.
    """
    from nbdime import diff_notebooks  # type: ignore[import-untyped]

    shelf.check_generation(spot, generation)
    then = _read(shelf, (*spot.backups, generation, *spot.rest), spot.path)
    now = _read(shelf, (*spot.tree, *spot.rest), spot.path)
    return NotebookDifference(then, diff_notebooks(then, now))


def _read(shelf: Shelf, place: Sequence[str], path: str) -> Any:
    with telling_trouble(path), shelf.open(place, READ) as opened:
        status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode):
            raise NOT_A_NOTEBOOK.error(path)
        if status.st_size > LIMIT_BYTES:
            raise TOO_LARGE.error(path)
        with os.fdopen(os.dup(opened), "rb") as file:
            raw = file.read(LIMIT_BYTES)
    try:
        return nbformat.reads(raw.decode(), as_version=4)
    except Exception as error:
        # nbformat lets through whatever its parser and its upgrades stumble over
        raise NOT_A_NOTEBOOK.error(path) from error


class NotebookPageHandler(JupyterHandler):
    """`GET /jupyterlab-af/notebooks?path=&generation=`: nbdime's page of a difference."""

    @property
    def content_security_policy(self) -> str:
        """Return who may show the page and what may run in it."""
        return POLICY

    def set_default_headers(self) -> None:
        """Set the page's own policy, whatever the hub sets for others."""
        super().set_default_headers()
        self.set_header("Content-Security-Policy", POLICY)

    @tornado.web.authenticated
    async def get(self) -> None:
        """Answer with the page, which asks for the difference itself."""
        folder = find_nbdime()
        if folder is None:
            raise HTTPError(404, "nbdime is not installed in this image.")
        base_url = url_path_join(self.base_url, ROUTE)
        config = {
            "base": self.get_query_argument("generation", "", strip=False),
            "remote": self.get_query_argument("path", "", strip=False),
            "baseUrl": base_url,
            "closable": False,
            "savable": False,
            "hideUnchanged": True,
            "collapseIdentical": 2,
        }
        loader = FileSystemLoader(folder / "templates")
        page = Environment(loader=loader, autoescape=True).get_template(PAGE)
        self.write(
            page.render(
                config_data=config,
                static_url=lambda name: url_path_join(base_url, "static", name),
            )
        )


class NotebookStaticHandler(JupyterHandler, StaticFileHandler):
    """`GET /jupyterlab-af/notebooks/static/<name>`: what nbdime's page is made of."""

    @tornado.web.authenticated
    async def get(self, path: str, include_body: bool = True) -> None:
        """Answer with a file."""
        await StaticFileHandler.get(self, path, include_body)

    @tornado.web.authenticated
    async def head(self, path: str) -> None:
        """Answer with the head of a file."""
        await StaticFileHandler.head(self, path)


def parse_notebook_wish(body: Any) -> tuple[str, str]:
    """Return path and generation of what nbdime's page asks.

    Raises
    ------
    HTTPError
        400 in words, if it asks something else.
    """
    wish = body if isinstance(body, dict) else {}
    path, generation = wish.get("remote"), wish.get("base")
    if not isinstance(path, str) or not isinstance(generation, str):
        raise HTTPError(400, "%s", "Give base, a generation, and remote, a path.")
    return path, generation


async def answer_notebook(shelf: Shelf, path: str, generation: str) -> str:
    """Return the answer that nbdime's page expects, found in a thread."""

    def find() -> str:
        found = diff_notebook(shelf, shelf.find_spot(path), generation)
        return json.dumps({"base": found.base, "diff": found.diff})

    return await asyncio.to_thread(find)
