"""Writes into the audit what becomes of clusters, as their persons and teachers read it."""

from __future__ import annotations

from typing import Any, Literal

from jupyterhub_af.line.audit import AuditWriter
from jupyterhub_af.policy.messages import AuditEvent

PROCESS = "dask-gateway"
# the person, or their notebook; the cluster itself, with nothing to do; its scheduler broke
StopRule = Literal["asked", "cluster-idle", "cluster-failed"]


class Ledger(AuditWriter):
    """Enters what happens to clusters."""

    def note_start(self, user: str, server_name: str, cluster_name: str) -> None:
        """Enter that a cluster starts for a server."""
        target = f"{user}/{server_name}/{cluster_name}"
        self.add(_entry(user, "cluster.start", target, "done"))

    def note_refusal(self, user: str, server_name: str, reason: str) -> None:
        """Enter that a server got no cluster, with the words that were said."""
        target = f"{user}/{server_name}"
        event = _entry(user, "cluster.start", target, "refused", "dask", reason)
        self.add(event)

    def note_stop(self, cluster: Any, rule: StopRule) -> None:
        """Enter that a cluster ended, by which rule."""
        user = cluster.username
        target = f"{user}/{cluster.config.server_name}/{cluster.name}"
        actor = user if rule == "asked" else PROCESS
        self.add(_entry(actor, "cluster.stop", target, "done", rule))


def _entry(
    actor: str,
    action: str,
    target: str,
    result: Literal["refused", "done"],
    rule: str = "",
    detail: str = "",
) -> AuditEvent:
    # words may repeat what a notebook sent, and half a surrogate is no text
    words = detail.encode(errors="backslashreplace").decode()
    return AuditEvent(
        actor=actor,
        action=action,
        target=target[:255],
        rule=rule,
        result=result,
        detail=words[:500],
    )
