"""What the command line of an administrator asks: accounts.

Open to the secret that only who may read the facility's folder has. Every act is in the
audit with the Unix name that the command line says.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, ClassVar

from jupyterhub_af.line.peer import PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.account_messages import (
    AccountAct,
    AccountExport,
    AccountList,
    PersonTrees,
)
from jupyterhub_af.policy.names import make_slug

from .account_acts import AccountActs
from .desk import Desk
from .internal import InternalRoute
from .refusal import RefusedError


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
        if self.desk.agent is None:
            message = (
                "This service has no line to a storage agent (ServiceApp.agent_url)."
            )
            raise RefusedError(503, "agent-away", message)
        line = await self.acts.record_export(asked.name, asked.actor)
        wanted = PersonTrees(person=make_slug(line.name), uid=line.uid)
        try:
            stream = self.desk.agent.stream("/accounts/export", wanted)
            # closed with the connection, also where that ends in the middle
            async with aclosing(stream) as parts:
                async for part in parts:
                    self.write(part)
                    await self.flush()
        except PeerRefusedError as error:
            raise RefusedError(error.status, error.refusal.rule, str(error)) from error
        except PeerAwayError as error:
            if not self._headers_written:
                raise RefusedError(503, "agent-away", str(error)) from error
            self._break_off()

    def _break_off(self) -> None:
        """Close the connection without the end that a whole answer has."""
        self.desk.log.warning("Broke off the export: the storage agent did")
        self.detach().close()


def make_administration_routes(desk: Desk, acts: AccountActs) -> list[Any]:
    """Return the routes of the command line."""
    parts = {"desk": desk, "acts": acts}
    return [
        (r"/internal/admin/accounts", AccountBook, parts),
        (r"/internal/admin/accounts/record", AccountFile, parts),
        (r"/internal/admin/accounts/export", AccountCopy, parts),
    ]
