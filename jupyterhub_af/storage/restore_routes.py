"""What the service asks about one generation: compare it, bring something back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import TypeVar

from jupyterhub_af.policy.errors import UnsafeNameError
from jupyterhub_af.policy.messages import Message
from jupyterhub_af.policy.restore_messages import (
    MOST_SHOWN,
    RestoreReply,
    TreeRestore,
    TreeVerify,
    VerifyReply,
)
from jupyterhub_af.policy.storage import make_tree

from .agent import Agent
from .compare import compare_generation
from .ensure import Volume
from .errands import Errands
from .errors import PlanError, to_storage_error
from .restore import Wanted, restore_live
from .routes import BodyRoute, Rule, Server

T = TypeVar("T")


class GenerationRoute(BodyRoute):
    """Be about one generation of one tree."""

    def initialize(self, server: Server, errands: Errands) -> None:  # type: ignore[override]
        """Keep what goes on already."""
        super().initialize(server)
        self.errands = errands

    def wanted(self, asked: TreeVerify, path: str = "") -> Wanted:
        """Return what is meant, with names checked."""
        if asked.tree.kind == "cvmfs":
            msg = "Of CVMFS there are no backups."
            raise PlanError(msg, rule="tree-form")
        try:
            tree = make_tree(asked.tree.kind, asked.tree.area, asked.tree.owner)
        except UnsafeNameError as error:
            raise PlanError(str(error), rule="tree-form") from error
        return Wanted(tree, asked.generation, path)

    async def see_to(
        self, verb: str, wanted: Wanted, work: Callable[[Volume], T]
    ) -> T | None:
        """Do the work as an errand; None while it goes on."""
        name = f"{verb}:{wanted.generation_path}:{wanted.path}"
        agent, area = self.server.agent, wanted.tree.area
        return await self.errands.wait(name, partial(_work_on, agent, area, work))


class VerifyRoute(GenerationRoute):
    """Compare a tree with one of its generations."""

    async def obey(self) -> Message:
        """Answer with the differences."""
        asked = self.read_body(TreeVerify.model_validate_json, "request to verify")
        wanted = self.wanted(asked)
        reply = await self.see_to("verify", wanted, partial(_verify, wanted))
        return reply or VerifyReply(is_done=False)


class RestoreRoute(GenerationRoute):
    """Bring something back into the tree."""

    async def obey(self) -> Message:
        """Answer with what came back and what is kept beside."""
        asked = self.read_body(TreeRestore.model_validate_json, "request to restore")
        wanted = self.wanted(asked, asked.path)
        work = partial(restore_live, wanted=wanted, at=time.time())
        reply = await self.see_to("restore", wanted, work)
        if reply is None:
            return RestoreReply(is_done=False)
        places = (wanted.generation_path, len(reply.restored), len(reply.kept))
        self.server.log.info("Restored of %s: %s; kept beside: %s", *places)
        return reply


def _verify(wanted: Wanted, volume: Volume) -> VerifyReply:
    differences = compare_generation(volume, wanted)
    shown = tuple(str(difference) for difference in islice(differences, MOST_SHOWN))
    count = len(shown) + sum(1 for _ in differences)
    return VerifyReply(is_done=True, differences=shown, count=count)


def _work_on(agent: Agent, area: str, work: Callable[[Volume], T]) -> T:
    """Do some work on the volume; runs in a thread."""
    try:
        root_fd = os.open(agent.volume, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return work(Volume(root_fd, agent.opener))
        finally:
            os.close(root_fd)
    except OSError as error:
        raise to_storage_error(area, error) from error


def restore_routes(server: Server) -> tuple[Rule, ...]:
    """Return the routes; what goes on is known to all of them."""
    parts = {"server": server, "errands": Errands()}
    return (
        ("/backup/verify", VerifyRoute, parts),
        ("/backup/restore", RestoreRoute, parts),
    )
