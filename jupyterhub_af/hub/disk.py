"""What the hub asks of disks: whether a person's next server must be a rescue.

A disk that is full must not keep anybody from cleaning up, and an agent that does not
know must not keep anybody from starting: every doubt means a usual start.
"""

from __future__ import annotations

import asyncio

from pydantic import ValidationError

from jupyterhub_af.line.peer import Peer, PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.access import Access
from jupyterhub_af.policy.names import make_slug
from jupyterhub_af.policy.quota import explain_rescue
from jupyterhub_af.policy.sentence import Sentence
from jupyterhub_af.policy.storage import trees_of
from jupyterhub_af.policy.storage_messages import TreeName, TreesRequest, UsageReply

# how long a start, and the form, wait for a new count where the last one says full: who
# made room must not read that there is none
PATIENCE_SECONDS = 5.0
FORM_PATIENCE_SECONDS = 2.0
_ANSWER_SECONDS = 3.0


async def explain_disk(
    agent: Peer, access: Access, *, patience_seconds: float = 0
) -> Sentence | None:
    """Return why the next server is a rescue, None if it is none or nobody knows."""
    request = TreesRequest(
        trees=_private_trees(access), patience_seconds=patience_seconds
    )
    try:
        async with asyncio.timeout(_ANSWER_SECONDS + patience_seconds):
            reply = await agent.ask("/usage", request, UsageReply)
    except (PeerAwayError, PeerRefusedError, TimeoutError, ValidationError):
        return None
    return explain_rescue(reply)


def _private_trees(access: Access) -> tuple[TreeName, ...]:
    mounts = [mount for area in access.storage for mount in area.mounts]
    return tuple(
        TreeName(area=tree.area, kind=tree.kind, owner=tree.owner)
        for tree in trees_of(mounts, person=make_slug(access.identity.user))
        if tree.kind == "private"
    )
