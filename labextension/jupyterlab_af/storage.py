"""The routes about disks: what fills a tree of mine, and count it again.

What is whose is the service's to say; this module hands on the question, and the
answer if it has the shape that the plugin reads.

Words: a *tree* is what a person, or a folder's group, has of an area.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import tornado
from tornado.web import HTTPError

from jupyterlab_af.asked import FacilityHandler

if TYPE_CHECKING:
    from collections.abc import Awaitable

LONGEST_PATH = 4096


class TreeHandler(FacilityHandler):
    """A question about one tree, named by `area` and `owner`."""

    def tree(self) -> dict[str, str]:
        """Return the tree that the query names.

        Raises
        ------
        HTTPError
            400, if a name is missing or longer than names are.
        """
        named = {key: self.get_query_argument(key, "") for key in ("area", "owner")}
        for key, value in named.items():
            if not 0 < len(value) <= 255:
                raise HTTPError(400, "%s", f"Say which tree: {key} is missing.")
        return named

    async def hand_on(self, asking: Awaitable[Any], key: str) -> None:
        """Answer with what the service says, if it says `key`."""
        said = await self.said(asking)
        if not isinstance(said, dict) or key not in said:
            raise HTTPError(503, "The facility's service gave an unexpected answer.")
        self.finish(json.dumps(said))


class LargestHandler(TreeHandler):
    """`GET /jupyterlab-af/largest?area=&owner=&path=`: what fills a tree of mine."""

    @tornado.web.authenticated
    async def get(self) -> None:
        """Answer with the largest files and folders below a folder."""
        path = self.get_query_argument("path", "", strip=False)
        if len(path) > LONGEST_PATH:
            raise HTTPError(400, "The path is longer than a path can be.")
        query = {**self.tree(), "path": path}
        await self.hand_on(self.service().get("api/largest", query), "entries")


class RecountHandler(TreeHandler):
    """`POST /jupyterlab-af/recount?area=&owner=`: count a tree of mine again."""

    @tornado.web.authenticated
    async def post(self) -> None:
        """Answer with whether a count began, and when the next one may."""
        await self.hand_on(
            self.service().post("api/recount", {}, query=self.tree()), "again_at"
        )


TREE_ROUTES: dict[str, type[FacilityHandler]] = {
    "largest": LargestHandler,
    "recount": RecountHandler,
}
