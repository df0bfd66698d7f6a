"""How full a tree is, and what follows from it: pure, so that all say the same."""

from __future__ import annotations

from typing import Literal

from .storage_messages import TreeUsage, UsageReply

NEAR = 0.9
# below this no server could write even its own settings into a home
LEAST_FREE_BYTES = 16 * 1024**2

Fullness = Literal["ok", "near", "full"]


def fullness_of(usage: TreeUsage) -> Fullness:
    """Return how full a tree is: from 90 % near, from 100 % full; not counted is ok."""
    if usage.quota_bytes is None or usage.used_bytes is None:
        return "ok"
    if usage.used_bytes >= usage.quota_bytes:
        return "full"
    return "near" if usage.used_bytes >= NEAR * usage.quota_bytes else "ok"


def needs_rescue(reply: UsageReply) -> bool:
    """Tell whether a server can only start with its home elsewhere.

    So it is where the person's private tree is full, or the whole volume is.
    """
    if reply.free_bytes < LEAST_FREE_BYTES:
        return True
    return any(
        usage.tree.kind == "private" and fullness_of(usage) == "full"
        for usage in reply.usages
    )
