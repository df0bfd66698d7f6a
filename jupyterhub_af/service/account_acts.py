"""What an administrator does to an account, step by step over hub and storage agent.

Each act is asked for again until it is done: a call does what it can in a few seconds
and says what still goes on. What was begun is in the database, so that an act cut off at
any step is completed by the next call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from jupyterhub_af.policy.account_messages import (
    AccountAct,
    AccountLine,
    ActReply,
    MoveTrees,
    PersonTrees,
    TreesReply,
)
from jupyterhub_af.policy.facility import StorageArea
from jupyterhub_af.policy.messages import AuditEvent
from jupyterhub_af.policy.names import make_slug
from jupyterhub_af.policy.storage_messages import TreeName

from .accounts import Accounts
from .agent_line import ask_agent
from .asking import AskError
from .desk import Desk
from .hub_api import HubApi
from .refusal import RefusedError

# nothing was moved yet: the old name can stay
UNTOUCHED = "trees-in-the-way"


@dataclass(frozen=True, slots=True)
class AccountActs:
    """The acts, and what they work with."""

    desk: Desk
    accounts: Accounts
    hub: HubApi

    async def perform(self, asked: AccountAct) -> ActReply:
        """Do an act as far as it goes now.

        Raises
        ------
        RefusedError
            If it may not be, or another process does not do its part.
        """
        acts: dict[str, Callable[[AccountAct], Awaitable[ActReply]]] = {
            "rename": self._rename,
            "retire": self._retire,
            "reopen": self._reopen,
            "delete": self._delete,
        }
        try:
            return await acts[asked.act](asked)
        except RefusedError as error:
            await self._record(asked, "refused", rule=error.rule)
            raise
        except AskError as error:
            raise RefusedError(503, "hub-away", str(error)) from error

    async def list(self) -> tuple[AccountLine, ...]:
        """Return every account, with its running servers where the hub says them."""
        found = await self.desk.store.run(self.accounts.all)
        areas = (await self.desk.facility()).facility.storage
        lines = tuple(
            line.model_copy(update={"used_bytes": self._used_bytes(line, areas)})
            for line in found
        )
        try:
            live = [user for user, _ in (await self.hub.live()).servers]
        except AskError:
            return lines
        return tuple(
            line.model_copy(update={"servers": live.count(line.name)}) for line in lines
        )

    def _used_bytes(
        self, line: AccountLine, areas: Iterable[StorageArea]
    ) -> int | None:
        """Return what a person's trees take, as far as they were counted."""
        slug = make_slug(line.name)
        trees = (
            self.desk.disks.find(TreeName(area=a.name, kind=a.kind, owner=slug))
            for a in areas
            if a.kind in ("private", "shared")
        )
        known = [t.used_bytes for t in trees if t and t.used_bytes is not None]
        return sum(known) if known else None

    async def find(self, name: str) -> AccountLine:
        """Return the account of a name, of today or of before."""
        return await self.desk.store.run(self.accounts.find, name)

    async def record_export(self, name: str, actor: str) -> AccountLine:
        """Keep that somebody takes a copy of a person's files, before they do."""
        line = await self.find(name)
        event = AuditEvent(
            actor=actor,
            action="account.export",
            target=f"{line.name}/",
            result="allowed",
        )
        await self.desk.record(event)
        return line

    async def _rename(self, asked: AccountAct) -> ActReply:
        line = await self.find(asked.name)
        if line.name == asked.new_name:
            return ActReply(is_done=True, words=f"The account is {line.name} already.")
        run = self.desk.store.run
        if await run(self.accounts.begin_rename, line.name, asked.new_name):
            await self._record(asked, "allowed", detail=f"to {asked.new_name}")
        # looked at after it was written down: from then on nothing new starts
        if servers := await self.hub.servers_of(line.name):
            await run(self.accounts.cancel_rename, line.name)
            message = (
                f"{len(servers)} of {line.name}'s servers run, and what is open there "
                "could be lost: have them stopped first."
            )
            raise RefusedError(409, "server-runs", message)
        await self.hub.delete_user(line.name)
        trees = await self._move(line, asked.new_name)
        if not trees.is_done:
            return _working(f"The files of {line.name} are being moved.")
        await run(self.accounts.finish_rename, line.name)
        await self._record(
            asked, "done", name=asked.new_name, detail=f"from {line.name}"
        )
        words = (
            f"The account {line.name} is {asked.new_name} now; uid {line.uid} stays."
        )
        return ActReply(is_done=True, words=words)

    async def _move(self, line: AccountLine, new_name: str) -> TreesReply:
        person = make_slug(line.name)
        wanted = MoveTrees(person=person, uid=line.uid, to=make_slug(new_name))
        try:
            return await ask_agent(self.desk, "/accounts/move", wanted, TreesReply)
        except RefusedError as error:
            if error.rule == UNTOUCHED:
                await self.desk.store.run(self.accounts.cancel_rename, line.name)
            raise

    async def _retire(self, asked: AccountAct) -> ActReply:
        line = await self.find(asked.name)
        is_changed = line.state == "active"
        if is_changed:
            await self._record(asked, "allowed")
        is_changed = await self.desk.store.run(self.accounts.retire, line.name)
        if still := await self._stop_servers(line.name):
            return _working(f"{line.name} is out; {still} servers are being stopped.")
        is_gone = await self.hub.delete_user(line.name)
        if is_changed or is_gone:
            await self._record(asked, "done")
        words = f"The account {line.name} is retired: nobody can log in with it; the files are kept."
        return ActReply(is_done=True, words=words)

    async def _reopen(self, asked: AccountAct) -> ActReply:
        line = await self.find(asked.name)
        if await self.desk.store.run(self.accounts.reopen, line.name):
            await self._record(asked, "done")
        return ActReply(is_done=True, words=f"The account {line.name} is active.")

    async def _delete(self, asked: AccountAct) -> ActReply:
        line = await self.find(asked.name)
        if line.state == "deleted":
            words = f"The account {line.name} is deleted already."
            return ActReply(is_done=True, words=words)
        if await self.desk.store.run(self.accounts.begin_delete, line.name):
            await self._record(asked, "allowed")
        if still := await self._stop_servers(line.name):
            return _working(f"{still} servers of {line.name} are being stopped.")
        await self.hub.delete_user(line.name)
        wanted = PersonTrees(person=make_slug(line.name), uid=line.uid)
        trees = await ask_agent(self.desk, "/accounts/remove", wanted, TreesReply)
        if not trees.is_done:
            return _working(f"The files of {line.name} are being removed.")
        await self.desk.store.run(self.accounts.finish_delete, line.name)
        await self._record(asked, "done")
        words = (
            f"The account {line.name} is deleted, with its files and their backups. "
            f"The name and uid {line.uid} are never given again."
        )
        return ActReply(is_done=True, words=words)

    async def _stop_servers(self, user: str) -> int:
        """Have the hub stop a person's servers; return how many there still are."""
        servers = await self.hub.servers_of(user)
        for name, server in servers.items():
            if server.pending is None:
                await self.hub.stop_server(user, name)
        return len(servers)

    async def _record(
        self,
        asked: AccountAct,
        result: str,
        *,
        name: str = "",
        rule: str = "",
        detail: str = "",
    ) -> None:
        """Keep an event that the person reads too: it is about what is theirs."""
        event = {
            "actor": asked.actor,
            "action": f"account.{asked.act}",
            "target": f"{name or asked.name}/"[:255],
            "rule": rule,
            "result": result,
            "detail": detail,
        }
        await self.desk.record(AuditEvent.model_validate(event))


def _working(words: str) -> ActReply:
    return ActReply(is_done=False, words=words)
