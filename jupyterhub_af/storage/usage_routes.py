"""What hub and service ask about trees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jupyterhub_af.policy.messages import Message
from jupyterhub_af.policy.storage_messages import (
    LargestRequest,
    RecountRequest,
    TreesRequest,
)

from .routes import BodyRoute


class UsageRoute(BodyRoute):
    """Tell how full trees are."""

    opens_to: ClassVar = ("hub", "service")

    async def obey(self) -> Message:
        """Answer from the last counts; nothing is counted first, unless one is patient."""
        request = self.read_body(TreesRequest.model_validate_json, "question")
        return await self.server.answers.usage(request)


class LargestRoute(BodyRoute):
    """Tell what fills a tree."""

    async def obey(self) -> Message:
        """Answer from the last count."""
        request = self.read_body(LargestRequest.model_validate_json, "question")
        return await self.server.answers.largest(request)


class RecountRoute(BodyRoute):
    """Have trees counted again."""

    async def obey(self) -> Message:
        """Answer at once; the count goes on."""
        request = self.read_body(RecountRequest.model_validate_json, "question")
        return await self.server.answers.recount(request)


ROUTES: Mapping[str, type[BodyRoute]] = {
    "/usage": UsageRoute,
    "/largest": LargestRoute,
    "/recount": RecountRoute,
}
