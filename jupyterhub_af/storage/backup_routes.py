"""What the service may ask about backups: run them, list them, purge a path."""

from __future__ import annotations

from jupyterhub_af.policy.backup_messages import (
    BackupListRequest,
    BackupPurgeRequest,
    BackupRunReply,
    BackupRunRequest,
)
from jupyterhub_af.policy.messages import Message

from .backup.rounds import Backups
from .routes import BodyRoute, Rule, Server


class BackupRoute(BodyRoute):
    """Answer about the backups that this agent makes."""

    backups: Backups

    # tornado hands over what the rule names
    def initialize(  # type: ignore[override]
        self, server: Server, backups: Backups
    ) -> None:
        """Keep what the routes share."""
        super().initialize(server)
        self.backups = backups


class BackupRunRoute(BackupRoute):
    """Back trees up now, each after what waits before it."""

    async def obey(self) -> Message:
        """Answer with the trees that wait; nobody waits for the copies."""
        request = self.read_body(BackupRunRequest.model_validate_json, "backup run")
        trees = await self.backups.run(request)
        self.server.log.info("Asked for the backup of %s trees", len(trees))
        return BackupRunReply(trees=trees)


class BackupListRoute(BackupRoute):
    """Tell what there is."""

    async def obey(self) -> Message:
        """Answer with the generations of the trees, newest first."""
        request = self.read_body(BackupListRequest.model_validate_json, "backup list")
        return await self.backups.list(request)


class BackupPurgeRoute(BackupRoute):
    """Take a path out of all generations of a tree."""

    async def obey(self) -> Message:
        """Answer with how many generations had it; nobody sees it any more."""
        request = self.read_body(BackupPurgeRequest.model_validate_json, "purge")
        reply = await self.backups.purge(request)
        tree = f"{request.tree.area}/{request.tree.owner}"
        counts = (tree, reply.generations)
        self.server.log.info("Purged a path of %s from %s generations", *counts)
        return reply


def backup_routes(server: Server, backups: Backups) -> tuple[Rule, ...]:
    """Return the routes about backups."""
    shared = {"server": server, "backups": backups}
    return (
        ("/backup/run", BackupRunRoute, shared),
        ("/backup/list", BackupListRoute, shared),
        ("/backup/purge", BackupPurgeRoute, shared),
    )
