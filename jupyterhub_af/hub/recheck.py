"""The one route by which the service has somebody's membership looked at again.

The caller is the service itself, by its own token in the header; no holder of an
administrator's scopes is. The answer is a word and a time, never what the IAM said.
"""

from __future__ import annotations

from typing import Any

from jupyterhub import orm
from jupyterhub.apihandlers.base import APIHandler
from pydantic import ValidationError
from tornado import web

from jupyterhub_af.policy.recheck import RecheckReply, RecheckRequest

from .flood import is_stranger
from .rechecks import Why

SERVICE_NAME = "af"
_MAX_BODY_BYTES = 4096


class RecheckDoor(APIHandler):
    """Look again at one person, if that is due."""

    async def post(self) -> None:
        """Answer with how the person stands."""
        self._require_service()
        is_stranger.set(False)
        request = self._read_request()
        user = self.find_user(request.user)
        if user is None:
            self._answer(RecheckReply(status="unknown"))
            return
        why: Why = "ending" if request.is_ending else "keeper"
        # the look's own word: what is stored may be another text again by now
        standing = await self.authenticator.rechecks.look(user, why)
        status, at = standing.status, standing.checked_at
        self._answer(RecheckReply(status=status, checked_at=at))

    def _require_service(self) -> None:
        """Refuse everybody else: a person, another service, a cookie."""
        caller = self.current_user
        is_service = isinstance(caller, orm.Service) and caller.name == SERVICE_NAME
        if not is_service or self.get_auth_token() is None:
            msg = f"Only the service {SERVICE_NAME} may ask for this."
            raise web.HTTPError(403, msg)

    def _read_request(self) -> RecheckRequest:
        body = self.request.body
        try:
            if len(body) <= _MAX_BODY_BYTES:
                return RecheckRequest.model_validate_json(body)
        except ValidationError:
            pass
        msg = 'The body must be {"user": "name"}.'
        raise web.HTTPError(400, msg)

    def _answer(self, reply: RecheckReply) -> None:
        self.set_header("Cache-Control", "no-store")
        self.finish(reply.model_dump_json())


def make_recheck_handlers() -> list[tuple[str, Any]]:
    """Return the route."""
    return [(r"/api/af/recheck", RecheckDoor)]
