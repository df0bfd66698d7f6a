"""How full a tree is, and what follows from it: pure, so that all say the same."""

from __future__ import annotations

from typing import Literal

from .sentence import Sentence, say
from .storage_messages import TreeUsage, UsageReply
from .units import format_memory

NEAR = 0.9
# below this no server could write even its own settings into a home
LEAST_FREE_BYTES = 16 * 1024**2

Fullness = Literal["ok", "near", "full"]


def fullness_of(usage: TreeUsage) -> Fullness:
    """Return how full a tree is: from 90 % near, from 100 % full; not counted is ok.

    A file system that holds a tree to its quota refuses a write before the last byte is
    used, so such a tree is full when next to nothing fits.
    """
    if usage.quota_bytes is None or usage.used_bytes is None:
        return "ok"
    left = usage.quota_bytes - usage.used_bytes
    is_held = usage.enforced_by not in (None, "accounting")
    if left <= (_least_left(usage.quota_bytes) if is_held else 0):
        return "full"
    return "near" if usage.used_bytes >= NEAR * usage.quota_bytes else "ok"


def _least_left(quota_bytes: int) -> int:
    return min(LEAST_FREE_BYTES, quota_bytes // 50)


def needs_rescue(reply: UsageReply) -> bool:
    """Tell whether a server can only start with its home elsewhere.

    So it is where the person's private tree is full, or the whole volume is.
    """
    return explain_rescue(reply) is not None


def explain_rescue(reply: UsageReply) -> Sentence | None:
    """Return the words for a person whose next server is a rescue, None if it is none."""
    for usage in reply.usages:
        if usage.tree.kind == "private" and fullness_of(usage) == "full":
            return say(
                "Your area {area} is full: {used} of {quota}. This server will be one to "
                "clean up with: your files are there, its home is elsewhere and goes "
                "with it. Delete what you no longer need, then start it again.",
                area=usage.tree.area,
                used=format_memory(usage.used_bytes or 0),
                quota=format_memory(usage.quota_bytes or 0),
            )
    if reply.free_bytes < LEAST_FREE_BYTES:
        return say(
            "The facility's disk is full, so nothing can be saved. This server will be "
            "one to clean up with: your files are there, its home is elsewhere and goes "
            "with it. The administrators see it too."
        )
    return None
