"""What is known of people's trees: how full each is, by the storage agent's last word.

Nothing here is kept on disk: the agent counts, and says it again. Until it said
something, a tree is one of which nothing is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from jupyterhub_af.policy.panel import StorageEvent, TreeOfMine
from jupyterhub_af.policy.plan import ServerPlan
from jupyterhub_af.policy.quota import LEAST_FREE_BYTES, Fullness, fullness_of
from jupyterhub_af.policy.storage import Tree, path_of, trees_of
from jupyterhub_af.policy.storage_messages import TreeName, TreeUsage, UsageReply
from jupyterhub_af.policy.units import format_memory


class Disks:
    """Remember the last word on each tree."""

    def __init__(self) -> None:
        self._usages: dict[TreeName, TreeUsage] = {}
        self._free_bytes: int | None = None
        # trees that are being counted because somebody waits for it
        self.expected: set[TreeName] = set()
        self.news = asyncio.Event()

    def expect(self, name: TreeName) -> None:
        """Note that a tree is being counted: whoever asks the agent asks soon."""
        self.expected.add(name)
        self.news.set()

    @property
    def is_volume_full(self) -> bool:
        """Tell whether nobody has room."""
        return self._free_bytes is not None and self._free_bytes < LEAST_FREE_BYTES

    def take(self, reply: UsageReply) -> tuple[TreeUsage, ...]:
        """Take the agent's word; return what is different from before."""
        changed = tuple(u for u in reply.usages if self._usages.get(u.tree) != u)
        self._usages.update((usage.tree, usage) for usage in reply.usages)
        return changed

    def put_free(self, free_bytes: int) -> bool:
        """Take what is free on the disk; tell whether it is full now and was not, or was."""
        before, self._free_bytes = self.is_volume_full, free_bytes
        return before != self.is_volume_full

    def keep_only(self, names: Iterable[TreeName]) -> None:
        """Forget the trees that nobody works in."""
        wanted = set(names)
        self._usages = {n: u for n, u in self._usages.items() if n in wanted}

    def find(self, name: TreeName) -> TreeUsage | None:
        """Return what is known of a tree."""
        return self._usages.get(name)

    def notes(self) -> tuple[str, ...]:
        """Return which folders of groups are over their quota, for the administrators.

        Nothing stops who writes there: what a group works at is not to break in the
        middle of a write. Its people are warned in their panels.
        """
        found = ["The disk of the areas is full."] if self.is_volume_full else []
        found += [
            f"The folder {usage.tree.owner} of {usage.tree.area} holds "
            f"{format_memory(usage.used_bytes or 0)} of its "
            f"{format_memory(usage.quota_bytes or 0)}: its people are warned, and may "
            "still write."
            for usage in self._usages.values()
            if usage.tree.kind == "collab"
            and usage.enforced_by == "accounting"
            and fullness_of(usage) == "full"
        ]
        return tuple(found)

    def count(self, fullness: Fullness) -> int:
        """Return how many of the known trees are near their quota, or full."""
        return sum(fullness_of(usage) == fullness for usage in self._usages.values())


def to_name(tree: Tree) -> TreeName:
    """Return how a tree is called between processes."""
    return TreeName(area=tree.area, kind=tree.kind, owner=tree.owner)


def trees_in(plan: ServerPlan) -> tuple[Tree, ...]:
    """Return the trees that a server's person writes in."""
    return trees_of(plan.mounts, person=plan.person)


def make_storage(disks: Disks, plan: ServerPlan | None) -> StorageEvent:
    """Return what the panel says of the trees of a server."""
    trees = trees_in(plan) if plan else ()
    return StorageEvent(
        trees=tuple(_to_mine(disks, plan, tree) for tree in trees if plan),
        is_rescue=plan.is_rescue if plan else False,
        volume_is_full=disks.is_volume_full,
    )


def _to_mine(disks: Disks, plan: ServerPlan, tree: Tree) -> TreeOfMine:
    usage = disks.find(to_name(tree))
    return TreeOfMine(
        area=tree.area,
        kind=tree.kind,
        owner=tree.owner,
        path=path_of(tree, plan.mounts),
        used_bytes=usage.used_bytes if usage else None,
        files=usage.files if usage else None,
        counted_at=usage.counted_at if usage else None,
        quota_bytes=usage.quota_bytes if usage else None,
        enforced_by=usage.enforced_by if usage else None,
        fullness=fullness_of(usage) if usage else "ok",
    )
