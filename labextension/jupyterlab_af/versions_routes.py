"""The routes of earlier versions, below `/jupyterlab-af/versions`, and of deleting.

Whatever is wrong comes back as ``{"message": words, "code": code}``. A restore is told
to the facility's service, for the person to read again later; one that cannot be told
is done all the same.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import tornado
from tornado.web import HTTPError

from jupyterlab_af.asked import FacilityHandler, Parts
from jupyterlab_af.deleted import find_deleted
from jupyterlab_af.difference import find_difference
from jupyterlab_af.generations import Shelf
from jupyterlab_af.notebooks import (
    NotebookPageHandler,
    NotebookStaticHandler,
    answer_notebook,
    find_nbdime,
    parse_notebook_wish,
)
from jupyterlab_af.removing import remove
from jupyterlab_af.restore import restore
from jupyterlab_af.routes import NAMESPACE
from jupyterlab_af.trouble import TroubleError
from jupyterlab_af.versions import list_versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server.base.handlers import JupyterHandler

    from jupyterlab_af.generations import Spot

WAYS = ("in-place", "copy")


class VersionsRoute(FacilityHandler):
    """A route about earlier versions."""

    def initialize(self, parts: Parts, shelf: Shelf | None = None) -> None:
        """Keep where versions are, and whom to tell."""
        super().initialize(parts)
        if shelf is not None:
            self.shelf = shelf

    async def found(self, find: Callable[[Spot], Any], path: str) -> Any:
        """Return what `find` finds at a path, in a thread: the disk may be slow."""
        return await asyncio.to_thread(lambda: find(self.shelf.find_spot(path)))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the words and the code of what is wrong."""
        error = kwargs.get("exc_info", (None, None))[1]
        if not isinstance(error, TroubleError):
            super().write_error(status_code, **kwargs)
            return
        self.set_status(error.status)
        self.finish(json.dumps({"message": str(error), "code": error.code}))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log what is wrong in a line; it is no fault of the server."""
        if isinstance(value, TroubleError):
            self.log.info("a question about files was refused: %s", value.code)
        else:
            super().log_exception(typ, value, tb)


class VersionsHandler(VersionsRoute):
    """`GET /jupyterlab-af/versions?path=`: what is kept of a file or folder."""

    @tornado.web.authenticated
    async def get(self) -> None:
        """Answer with the versions, newest first."""
        path = self.get_query_argument("path", "", strip=False)
        found = await self.found(lambda spot: list_versions(self.shelf, spot), path)
        self.finish(
            json.dumps({**asdict(found), "has_nbdime": find_nbdime() is not None})
        )


class DeletedHandler(VersionsRoute):
    """`GET /jupyterlab-af/versions/deleted?path=`: what is gone below a folder."""

    @tornado.web.authenticated
    async def get(self) -> None:
        """Answer with what is gone, the newest first."""
        path = self.get_query_argument("path", "", strip=False)
        found = await self.found(lambda spot: find_deleted(self.shelf, spot), path)
        self.finish(json.dumps(asdict(found)))


class DifferenceHandler(VersionsRoute):
    """`GET /jupyterlab-af/versions/difference?path=&generation=`: what changed since."""

    @tornado.web.authenticated
    async def get(self) -> None:
        """Answer with the groups of changed lines."""
        path = self.get_query_argument("path", "", strip=False)
        generation = self.get_query_argument("generation", "", strip=False)
        found = await self.found(
            lambda spot: find_difference(self.shelf, spot, generation), path
        )
        self.finish(json.dumps(asdict(found)))


class RestoreHandler(VersionsRoute):
    """`POST /jupyterlab-af/versions/restore`: bring a version back."""

    @tornado.web.authenticated
    async def post(self) -> None:
        """Answer with where it is, and where what was there is kept."""
        path, generation, how = self._asked()
        done = await self.found(
            lambda spot: restore(self.shelf, spot, generation, how), path
        )
        self.log.info("brought back a version of %s", generation)
        if self.parts.teller is not None:
            self.parts.teller.tell({"path": path, "generation": generation, "how": how})
        self.finish(json.dumps(asdict(done)))

    def _asked(self) -> tuple[str, str, Any]:
        """Return path, generation and way of the request.

        Raises
        ------
        HTTPError
            400 in words, if they are not these three.
        """
        body = self.get_json_body()
        keys = ("path", "generation", "how")
        if not isinstance(body, dict) or set(body) != set(keys):
            raise HTTPError(400, "%s", "Give path, generation and how, no more.")
        path, generation, how = (body[key] for key in keys)
        if not (isinstance(path, str) and isinstance(generation, str)):
            raise HTTPError(400, "%s", "path and generation are texts.")
        if how not in WAYS:
            raise HTTPError(400, "%s", "how is one of: in-place, copy.")
        return path, generation, how


class PurgeHandler(VersionsRoute):
    """`POST /jupyterlab-af/versions/purge`: have all versions of something removed."""

    @tornado.web.authenticated
    async def post(self) -> None:
        """Answer with how many versions had it; whose it is is not ours to say."""
        body = self.get_json_body()
        if not (isinstance(body, dict) and list(body) == ["path"]):
            raise HTTPError(400, "%s", "Give path, no more.")
        if not isinstance(body["path"], str):
            raise HTTPError(400, "%s", "path is a text.")
        spot = await self.found(lambda spot: spot, body["path"])
        said = await self.said(self.service().post("api/purge", {"path": spot.path}))
        if not (isinstance(said, dict) and isinstance(said.get("generations"), int)):
            raise HTTPError(503, "The facility's service gave an unexpected answer.")
        self.finish(json.dumps({"generations": said["generations"]}))


class NotebookDifferenceHandler(VersionsRoute):
    """`POST /jupyterlab-af/notebooks/api/diff`: what nbdime's page asks."""

    @tornado.web.authenticated
    async def post(self) -> None:
        """Answer with a notebook as it was, and what changed since."""
        path, generation = parse_notebook_wish(self.get_json_body())
        self.finish(await answer_notebook(self.shelf, path, generation))


class EntriesHandler(VersionsRoute):
    """`DELETE /jupyterlab-af/entries?path=`: delete a file or folder for good."""

    @tornado.web.authenticated
    async def delete(self) -> None:
        """Answer when it is gone."""
        path = self.get_query_argument("path", "", strip=False)
        await asyncio.to_thread(remove, self.shelf, path)
        self.set_status(204)
        self.finish()


def versions_routes(
    parts: Parts, shelf: Shelf
) -> list[tuple[str, type[JupyterHandler], dict[str, Any]]]:
    """Return the routes: path below the server's own, handler, what it asks."""
    paths: dict[str, type[VersionsRoute]] = {
        "versions": VersionsHandler,
        "versions/deleted": DeletedHandler,
        "versions/difference": DifferenceHandler,
        "versions/restore": RestoreHandler,
        "versions/purge": PurgeHandler,
        "notebooks/api/diff": NotebookDifferenceHandler,
        "entries": EntriesHandler,
    }
    kept = {"parts": parts, "shelf": shelf}
    return [
        *((rf"/{NAMESPACE}/{path}", handler, kept) for path, handler in paths.items()),
        (rf"/{NAMESPACE}/notebooks", NotebookPageHandler, {}),
        *_nbdime_files(),
    ]


def _nbdime_files() -> list[tuple[str, type[JupyterHandler], dict[str, Any]]]:
    """Return the route of what nbdime's page is made of; none without nbdime."""
    folder = find_nbdime()
    if folder is None:
        return []
    path = {"path": str(folder / "static")}
    return [(rf"/{NAMESPACE}/notebooks/static/(.*)", NotebookStaticHandler, path)]
