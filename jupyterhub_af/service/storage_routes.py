"""What the Lab asks about its person's trees: what fills one, count it, purge versions.

A tree is the asking server's if its plan mounts it writable and its person's groups
still give it today. Names of files pass through here and are kept nowhere.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from jupyterhub_af.line.peer import Peer, PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.access import resolve_access
from jupyterhub_af.policy.backup_messages import BackupPurgeReply, BackupPurgeRequest
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.messages import AuditEvent, Message
from jupyterhub_af.policy.panel import Purge
from jupyterhub_af.policy.plan import ServerPlan
from jupyterhub_af.policy.storage import AREAS_ROOT, Tree, path_of, trees_of
from jupyterhub_af.policy.storage_messages import (
    LargestReply,
    LargestRequest,
    RecountReply,
    RecountRequest,
    TreeName,
)

from .live import LabRoute, to_target
from .refusal import RefusedError
from .storage import to_name, trees_in

Reply = TypeVar("Reply", bound=Message)
# what the hub's proxy says of a service that is away must not look like a word of ours
_AGENT_AWAY = 424


class TreeRoute(LabRoute):
    """Be asked about one tree of the person whose server asks."""

    async def tree_asked_for(self) -> TreeName:
        """Return the tree that the query names, or refuse one that is not theirs."""
        start = await self.start_that_asks()
        area = self.get_query_argument("area", "", strip=False)
        owner = self.get_query_argument("owner", "", strip=False)
        for name in map(to_name, await self.trees_of(start.plan)):
            if (name.area, name.owner) == (area, owner):
                return name
        message = (
            f"{owner[:80]!r} in the area {area[:80]!r} is nothing that this server's "
            "person writes in."
        )
        raise RefusedError(409, "tree-not-yours", message)

    async def trees_of(self, plan: ServerPlan) -> list[Tree]:
        """Return the trees of the plan that today's groups still give."""
        facility = (await self.desk.facility()).facility
        groups = (await self.view()).groups
        access = resolve_access(facility, make_identity(plan.user, groups))
        mounts = [mount for area in access.storage for mount in area.mounts]
        today = set(trees_of(mounts, person=plan.person))
        return [tree for tree in trees_in(plan) if tree in today]

    async def ask_agent(self, path: str, message: Message, reply: type[Reply]) -> Reply:
        """Return the agent's answer; its no, and its silence, in words."""
        try:
            return await self._agent().ask(path, message, reply)
        except PeerRefusedError as error:
            # its own faults are none of this service
            status = error.status if error.status < 500 else _AGENT_AWAY
            raise RefusedError(status, error.refusal.rule, str(error)) from None
        except PeerAwayError as error:
            raise RefusedError(_AGENT_AWAY, "agent-away", str(error)) from None

    def _agent(self) -> Peer:
        if self.desk.agent is None:
            message = "This facility's service knows no storage agent to ask."
            raise RefusedError(_AGENT_AWAY, "agent-none", message)
        return self.desk.agent


class Largest(TreeRoute):
    """Tell what fills a tree."""

    route = "largest"

    async def get(self) -> None:
        """Answer with what is largest below a folder of the tree."""
        tree = await self.tree_asked_for()
        path = self.get_query_argument("path", "", strip=False)
        try:
            request = LargestRequest(tree=tree, path=path.strip("/"))
        except ValidationError:
            message = "The path is longer than a path can be."
            raise RefusedError(400, "path-form", message) from None
        self.write_message(await self.ask_agent("/largest", request, LargestReply))


class Recount(TreeRoute):
    """Have a tree counted again, as its person changed it."""

    route = "recount"

    async def post(self) -> None:
        """Answer with whether a count began, or when; the panel says what came of it."""
        tree = await self.tree_asked_for()
        request = RecountRequest(trees=(tree,), is_asked=True)
        reply = await self.ask_agent("/recount", request, RecountReply)
        self.desk.disks.expect(tree)
        self.write_message(reply)


class PurgeWish(TreeRoute):
    """Have all versions of something that the person made removed."""

    route = "purge"

    async def post(self) -> None:
        """Answer with how many versions had it; nobody sees it in them any more."""
        plan = (await self.start_that_asks()).plan
        asked = self.read_body(Purge.model_validate_json)
        request = await self._to_request(plan, asked.path)
        reply = await self.ask_agent("/backup/purge", request, BackupPurgeReply)
        event = AuditEvent(
            actor=plan.user,
            action="storage.purge",
            target=to_target(plan.user, asked.path),
            result="done",
            detail=f"{reply.generations} versions",
        )
        await self.desk.record(event)
        self.write_message(reply)

    async def _to_request(self, plan: ServerPlan, path: str) -> BackupPurgeRequest:
        """Return which path of which tree is meant, of this person's alone."""
        whole = f"{AREAS_ROOT}/{path}"
        for tree in await self.trees_of(plan):
            place = f"{path_of(tree, plan.mounts)}/"
            if whole.startswith(place) and whole != place:
                below = whole.removeprefix(place)
                return BackupPurgeRequest(tree=to_name(tree), path=below, uid=plan.uid)
        message = f"{path[:80]!r} is nothing in an area that you write in."
        raise RefusedError(409, "tree-not-yours", message)
