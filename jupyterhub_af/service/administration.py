"""What the command line of an administrator asks: accounts, backups and the audit.

Open to the secret that only who may read the facility's folder has. Every act is in the
audit with the Unix name that the command line says.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import Any, ClassVar

from jupyterhub_af.line.peer import PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.account_messages import (
    AccountAct,
    AccountExport,
    AccountList,
    PersonTrees,
)
from jupyterhub_af.policy.audit_messages import AuditQuery
from jupyterhub_af.policy.names import make_slug
from jupyterhub_af.policy.restore_messages import (
    AdminCopy,
    AdminList,
    AdminPurge,
    AdminRestore,
    AdminRun,
    AdminVerify,
)

from .account_acts import AccountActs
from .accounts import Accounts
from .agent_line import agent_of, to_refused
from .audit_book import read_page
from .backup_acts import BackupActs
from .desk import Desk
from .hub_api import HubApi
from .internal import InternalRoute


class AdminRoute(InternalRoute):
    """Open to the command line alone."""

    opens_to: ClassVar = {"admin": ("GET", "POST")}

    def initialize(self, desk: Desk, acts: AccountActs) -> None:  # type: ignore[override]
        """Take the parts of the service, and the acts."""
        super().initialize(desk)
        self.acts = acts


class AccountBook(AdminRoute):
    """List accounts, and do something to one."""

    route = "admin-accounts"

    async def get(self) -> None:
        """Answer with every account."""
        self.write_message(AccountList(accounts=await self.acts.list()))

    async def post(self) -> None:
        """Do an act as far as it goes now, and say whether it is done."""
        asked = self.read_body(AccountAct.model_validate_json)
        self.write_message(await self.acts.perform(asked))


class AccountFile(AdminRoute):
    """Tell all that is kept about one account."""

    route = "admin-account-record"

    async def get(self) -> None:
        """Answer with the account and the audit's lines about its person."""
        name = self.get_query_argument("name", default="")
        run, accounts = self.desk.store.run, self.acts.accounts
        self.write_message(await run(accounts.record, name))


class AccountCopy(AdminRoute):
    """Hand out a person's files as a tar, as the storage agent makes it."""

    route = "admin-account-export"
    is_timed = False

    async def post(self) -> None:
        """Pass the agent's stream on; one that breaks is no whole answer."""
        asked = self.read_body(AccountExport.model_validate_json)
        agent = agent_of(self.desk)
        line = await self.acts.record_export(asked.name, asked.actor)
        wanted = PersonTrees(person=make_slug(line.name), uid=line.uid)
        try:
            stream = agent.stream("/accounts/export", wanted)
            # closed with the connection, also where that ends in the middle
            async with aclosing(stream) as parts:
                async for part in parts:
                    self.write(part)
                    await self.flush()
        except PeerRefusedError as error:
            raise to_refused(error) from error
        except PeerAwayError as error:
            if not self._headers_written:
                raise to_refused(error) from error
            self._break_off()

    def _break_off(self) -> None:
        """Close the connection without the end that a whole answer has."""
        self.desk.log.warning("Broke off the export: the storage agent did")
        self.detach().close()


class AuditBook(InternalRoute):
    """Tell who did what, page by page."""

    route = "admin-audit"
    opens_to: ClassVar = {"admin": ("POST",)}

    async def post(self) -> None:
        """Answer with a page of lines."""
        query = self.read_body(AuditQuery.model_validate_json)
        self.write_message(await read_page(self.desk, query))


class Backups(InternalRoute):
    """Do something with backups, and answer with what came of it."""

    route = "admin-backups"
    opens_to: ClassVar = {"admin": ("POST",)}

    def initialize(self, desk: Desk, acts: BackupActs) -> None:  # type: ignore[override]
        """Take the parts of the service, and the acts."""
        super().initialize(desk)
        self.acts = acts

    async def post(self, act: str) -> None:
        """Do what the address says, with the message that it takes."""
        acts: dict[str, tuple[Callable[[bytes], Any], Callable[[Any], Any]]] = {
            "run": (AdminRun.model_validate_json, self.acts.run),
            "list": (AdminList.model_validate_json, self.acts.list),
            "verify": (AdminVerify.model_validate_json, self.acts.verify),
            "restore": (AdminRestore.model_validate_json, self.acts.restore),
            "copy": (AdminCopy.model_validate_json, self.acts.copy),
            "purge": (AdminPurge.model_validate_json, self.acts.purge),
        }
        parse, perform = acts[act]
        self.write_message(await perform(self.read_body(parse)))


def make_administration_routes(
    desk: Desk, accounts: Accounts, hub: HubApi
) -> list[Any]:
    """Return the routes of the command line."""
    parts = {"desk": desk, "acts": AccountActs(desk, accounts, hub)}
    backups = {"desk": desk, "acts": BackupActs(desk, accounts)}
    return [
        (r"/internal/admin/accounts", AccountBook, parts),
        (r"/internal/admin/accounts/record", AccountFile, parts),
        (r"/internal/admin/accounts/export", AccountCopy, parts),
        (r"/internal/admin/audit", AuditBook, {"desk": desk}),
        (
            r"/internal/admin/backups/(run|list|verify|restore|copy|purge)",
            Backups,
            backups,
        ),
    ]
