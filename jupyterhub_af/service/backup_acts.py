"""What an administrator does with backups, over the storage agent.

The audit has it before the agent is asked, so that no look into somebody's files goes
unrecorded; of a person's tree the line is one that the person reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jupyterhub_af.policy.backup_messages import (
    BackupListReply,
    BackupListRequest,
    BackupPurgeReply,
    BackupPurgeRequest,
    BackupRunReply,
    BackupRunRequest,
    WhichTrees,
)
from jupyterhub_af.policy.messages import AuditEvent
from jupyterhub_af.policy.names import make_slug
from jupyterhub_af.policy.restore_messages import (
    AdminCopy,
    AdminList,
    AdminPurge,
    AdminRestore,
    AdminRun,
    AdminVerify,
    CopyReply,
    RestoreReply,
    TreeRestore,
    TreeVerify,
    VerifyReply,
)
from jupyterhub_af.policy.storage_messages import TreeName

from .accounts import Accounts
from .agent_line import ask_agent
from .desk import Desk
from .hub_name import show
from .refusal import RefusedError

# who asks later than this asks for another look
AGAIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _About:
    """What an act is about: trees for the agent, words for the audit."""

    which: WhichTrees
    target: str


@dataclass(frozen=True, slots=True)
class BackupActs:
    """The acts, and what they work with."""

    desk: Desk
    accounts: Accounts
    # what is asked for again until it is done, and is one act; and when it was last
    ongoing: dict[str, float] = field(default_factory=dict)

    async def run(self, asked: AdminRun) -> BackupRunReply:
        """Have trees backed up now."""
        about = await self._about(asked.area, asked.owner)
        await self._record(asked.actor, "run", about.target)
        wanted = BackupRunRequest(**about.which.model_dump())
        return await ask_agent(self.desk, "/backup/run", wanted, BackupRunReply)

    async def list(self, asked: AdminList) -> BackupListReply:
        """Tell which generations there are."""
        about = await self._about(asked.area, asked.owner)
        # whether trees are idle is no look at what is in them
        if asked.count:
            await self._record(asked.actor, "list", about.target)
        wanted = BackupListRequest(**about.which.model_dump(), count=asked.count)
        return await ask_agent(self.desk, "/backup/list", wanted, BackupListReply)

    async def verify(self, asked: AdminVerify) -> VerifyReply:
        """Compare a tree with one of its generations."""
        tree, target = await self._tree(asked.area, asked.owner)
        wanted = TreeVerify(tree=tree, generation=asked.generation)
        await self._begin(asked.actor, "verify", target, wanted)
        reply = await ask_agent(self.desk, "/backup/verify", wanted, VerifyReply)
        if not reply.is_done:
            self._goes_on("verify", wanted)
        return reply

    async def restore(self, asked: AdminRestore) -> RestoreReply:
        """Bring something back into the live tree."""
        tree, target = await self._tree(asked.area, asked.owner)
        wanted = TreeRestore(tree=tree, generation=asked.generation, path=asked.path)
        await self._begin(asked.actor, "restore", target, wanted)
        reply = await ask_agent(self.desk, "/backup/restore", wanted, RestoreReply)
        if not reply.is_done:
            self._goes_on("restore", wanted)
            return reply
        detail = f"{asked.generation}: {len(reply.restored)} brought back"
        await self._record(asked.actor, "restore", target, detail, "done")
        return reply

    async def copy(self, asked: AdminCopy) -> CopyReply:
        """Keep that somebody copies a path of a generation out, before they do."""
        tree, target = await self._tree(asked.area, asked.owner)
        await self._record(asked.actor, "copy", target, asked.generation)
        return CopyReply(tree=tree)

    async def purge(self, asked: AdminPurge) -> BackupPurgeReply:
        """Take a path out of all generations of a tree."""
        tree, target = await self._tree(asked.area, asked.owner)
        await self._record(asked.actor, "purge", target, asked.path[:500])
        wanted = BackupPurgeRequest(tree=tree, path=asked.path)
        return await ask_agent(self.desk, "/backup/purge", wanted, BackupPurgeReply)

    async def _about(self, area: str, owner: str) -> _About:
        if not area:
            return _About(WhichTrees(), "")
        if not owner:
            await self._kind_of(area)
            return _About(WhichTrees(area=area), area)
        tree, target = await self._tree(area, owner)
        return _About(WhichTrees(tree=tree), target)

    async def _tree(self, area: str, owner: str) -> tuple[TreeName, str]:
        """Return a tree, and the target of an event that its person reads."""
        kind = await self._kind_of(area)
        if kind == "collab":
            tree = TreeName(area=area, kind="collab", owner=owner)
            return tree, f"{area}:{owner}"[:255]
        line = await self.desk.store.run(self.accounts.find, owner)
        slug = make_slug(line.name)
        return TreeName(area=area, kind=kind, owner=slug), f"{line.name}/{area}"[:255]

    async def _kind_of(self, area: str) -> str:
        facility = (await self.desk.facility()).facility
        kinds = {found.name: found.kind for found in facility.storage}
        if kinds.get(area, "cvmfs") == "cvmfs":
            known = ", ".join(name for name, kind in kinds.items() if kind != "cvmfs")
            message = f"{show(area)} is no area with backups; the areas are {known}."
            raise RefusedError(404, "area-unknown", message)
        return kinds[area]

    async def _begin(
        self, actor: str, act: str, target: str, wanted: TreeVerify
    ) -> None:
        """Keep the beginning of an act, once for all its calls."""
        asked_at = self.ongoing.pop(_key(act, wanted), -AGAIN_SECONDS)
        if self.desk.clock() - asked_at >= AGAIN_SECONDS:
            await self._record(actor, act, target, wanted.generation)

    def _goes_on(self, act: str, wanted: TreeVerify) -> None:
        """Note that an act is not done, and is soon asked for again."""
        self.ongoing[_key(act, wanted)] = self.desk.clock()

    async def _record(
        self,
        actor: str,
        act: str,
        target: str,
        detail: str = "",
        result: str = "allowed",
    ) -> None:
        event = {
            "actor": actor,
            "action": f"backup.{act}",
            "target": target,
            "result": result,
            "detail": detail,
        }
        await self.desk.record(AuditEvent.model_validate(event))


def _key(act: str, wanted: TreeVerify) -> str:
    return f"{act}:{wanted.model_dump_json()}"
