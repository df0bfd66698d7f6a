"""Writes into the audit what becomes of clusters, as their persons and teachers read it.

An entry waits in memory until the service took it; the gateway never waits for that.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from typing import Any, Literal

from jupyterhub_af.line.peer import Peer, PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.messages import AuditEvent

MOST_WAITING = 1000
AFTER_FAILURE_SECONDS = 2.0
# a notebook that asks in a loop is one line, not thousands
SAME_SECONDS = 60.0
MOST_SAME = 1000

PROCESS = "dask-gateway"
# the person, or their notebook; the cluster itself, with nothing to do; its scheduler broke
StopRule = Literal["asked", "cluster-idle", "cluster-failed"]


class Ledger:
    """A task that hands on entries in their order."""

    def __init__(
        self, service: Peer, log: logging.Logger | logging.LoggerAdapter[logging.Logger]
    ) -> None:
        self._service = service
        self._log = log
        self._waiting: deque[AuditEvent] = deque()
        self._said: OrderedDict[AuditEvent, float] = OrderedDict()
        self._has_some = asyncio.Event()
        self._task = asyncio.create_task(self._write_for_ever())

    def add(self, event: AuditEvent) -> None:
        """Have an entry written soon; the same refusal is written once a minute."""
        if event.result == "refused" and self._was_just_said(event):
            return
        if len(self._waiting) >= MOST_WAITING:
            self._log.error(
                "The service is away too long: lost an audit entry: %s of %s, %s",
                *(event.action, event.target, event.result),
            )
            return
        self._waiting.append(event)
        self._has_some.set()

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

    async def stop(self) -> None:
        """Write no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _was_just_said(self, event: AuditEvent) -> bool:
        now = time.monotonic()
        if now - self._said.get(event, -SAME_SECONDS) < SAME_SECONDS:
            return True
        self._said[event] = now
        self._said.move_to_end(event)
        while len(self._said) > MOST_SAME:
            self._said.popitem(last=False)
        return False

    async def _write_for_ever(self) -> None:
        while True:
            await self._has_some.wait()
            if not self._waiting:
                self._has_some.clear()
                continue
            try:
                body = self._waiting[0].model_dump_json().encode()
                await self._service.call("POST", "/internal/audit", body=body)
            except PeerRefusedError as error:
                self._log.error("The service refused an audit entry: %s", error)
            except (PeerAwayError, OSError) as error:
                self._log.warning("Could not write into the audit: %s", error)
                await asyncio.sleep(AFTER_FAILURE_SECONDS)
                continue
            except Exception:
                # one entry of many: the next one may go well
                self._log.exception("Lost an audit entry by a fault of ours")
            self._waiting.popleft()


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
