"""What the service asks about all trees of one person: move, remove, copy out."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import aclosing
from functools import partial

from jupyterhub_af.policy.account_messages import MoveTrees, PersonTrees, TreesReply
from jupyterhub_af.policy.errors import UnsafeNameError
from jupyterhub_af.policy.messages import Message

from .agent import Agent
from .ensure import Volume
from .errands import Errands
from .errors import AgentError, PlanError, to_storage_error
from .export import export_trees
from .person_trees import Whose, move_trees, remove_trees
from .routes import BodyRoute, Rule, Server


class PersonRoute(BodyRoute):
    """Be about one person's trees."""

    def initialize(self, server: Server, errands: Errands) -> None:  # type: ignore[override]
        """Keep what goes on already."""
        super().initialize(server)
        self.errands = errands

    def whose(self, asked: PersonTrees) -> Whose:
        """Return whose trees are meant, or refuse a uid that is no person's."""
        if not self.server.agent.ranges.is_person(asked.uid):
            msg = f"The uid {asked.uid} is no person's."
            raise PlanError(msg, rule="plan-ids")
        return Whose(asked.person, asked.uid)

    async def see_to(
        self, verb: str, whose: Whose, work: Callable[[Volume, Whose], TreesReply]
    ) -> TreesReply:
        """Do the work as an errand: what is not done in time is asked for again."""
        errand = partial(_work_on, self.server.agent, whose, work)
        reply = await self.errands.wait(f"{verb}:{whose.person}", errand)
        if reply is None:
            return TreesReply(is_done=False)
        trees = ", ".join(reply.trees) or "nothing"
        self.server.log.info("Did %s the trees of %r: %s", verb, whose.person, trees)
        return reply


class MoveRoute(PersonRoute):
    """Call a person's trees otherwise."""

    async def obey(self) -> Message:
        """Move them."""
        asked = self.read_body(MoveTrees.model_validate_json, "request to move")
        work = partial(move_trees, to=asked.to)
        return await self.see_to("move", self.whose(asked), work)


class RemoveRoute(PersonRoute):
    """Remove a person's trees with their generations."""

    async def obey(self) -> Message:
        """Remove them."""
        asked = self.read_body(PersonTrees.model_validate_json, "request to remove")
        return await self.see_to("remove", self.whose(asked), remove_trees)


class ExportRoute(PersonRoute):
    """Hand out a person's files as a tar."""

    async def post(self) -> None:
        """Answer with the tar, part by part; one that broke off has no end."""
        try:
            asked = self.read_body(PersonTrees.model_validate_json, "request to export")
            whose = self.whose(asked)
            # closed with the connection, also where that ends in the middle
            async with aclosing(export_trees(self.server.agent, whose)) as parts:
                async for part in parts:
                    self.write(part)
                    await self.flush()
        except (AgentError, UnsafeNameError) as error:
            self._refuse_or_break_off(error)

    async def obey(self) -> Message:
        """Answer with no message: see ``post``."""
        raise NotImplementedError

    def _refuse_or_break_off(self, error: Exception) -> None:
        self.server.log.warning("Refused %s: %s", self.request.path, error)
        if self._headers_written:
            self.detach().close()
            return
        status = error.status if isinstance(error, AgentError) else 400
        rule = error.rule if isinstance(error, AgentError) else "unsafe-name"
        self.refuse(status, str(error), rule)


def _work_on(
    agent: Agent, whose: Whose, work: Callable[[Volume, Whose], TreesReply]
) -> TreesReply:
    """Do some work on the volume; runs in a thread."""
    try:
        root_fd = os.open(agent.volume, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return work(Volume(root_fd, agent.opener), whose)
        finally:
            os.close(root_fd)
    except UnsafeNameError as error:
        raise PlanError(str(error), rule="unsafe-name") from error
    except OSError as error:
        raise to_storage_error("of a person", error) from error


def account_routes(server: Server) -> tuple[Rule, ...]:
    """Return the routes; what goes on is known to all of them."""
    parts = {"server": server, "errands": Errands()}
    return (
        ("/accounts/move", MoveRoute, parts),
        ("/accounts/remove", RemoveRoute, parts),
        ("/accounts/export", ExportRoute, parts),
    )
