"""What hub and service ask the storage agent about trees, and what it answers.

A *tree* is one person's or one folder's part of an area (``storage.Tree``). Sizes are
in bytes, times are seconds since 1970 (UTC).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .messages import Message, Name
from .storage import AreaKind

Bytes = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
# who holds a tree to its quota: its file system, or the agent by counting
Enforcement = Literal["btrfs", "xfs", "accounting"]
# a path below a tree; a file system's names need not be text, and a byte that is none
# is shown replaced: such a name is read, but not asked for
TreePath = Annotated[str, Field(max_length=4096)]


class TreeName(Message):
    """Which tree is meant: ``owner`` is a person's directory name, or a folder's name."""

    area: Name
    kind: AreaKind
    owner: Name

    def audit_target(self, user: str | None = None) -> str:
        """Return what the audit says it is about: a person's own, or nobody's alone.

        ``user`` is the hub name of the person; without it, their directory's name.
        """
        if self.kind == "collab":
            return f"{self.area}:{self.owner}"[:255]
        return f"{user or self.owner}/{self.area}"[:255]


class TreesRequest(Message):
    """hub or service → agent: tell how full these trees are.

    Where one looks full, it is counted again first, if that takes no longer than
    ``patience_seconds``: who just made room need not wait for the next count.
    """

    trees: Annotated[tuple[TreeName, ...], Field(max_length=256)]
    patience_seconds: Annotated[float, Field(ge=0, le=10)] = 0


class TreeUsage(Message):
    """What a tree holds. ``used_bytes`` and ``counted_at`` are None until it is counted.

    ``quota_bytes`` is None where the file gives none, and then so is ``enforced_by``.
    """

    tree: TreeName
    used_bytes: Bytes | None
    files: Count | None
    counted_at: float | None
    quota_bytes: Bytes | None
    enforced_by: Enforcement | None


class UsageReply(Message):
    """agent → hub or service: the trees in the order asked, and the volume's free space.

    ``free_bytes`` is what the file system still gives to people.
    """

    usages: tuple[TreeUsage, ...]
    free_bytes: Bytes


class LargestRequest(Message):
    """service → agent: tell what fills a tree, below a folder of it (empty: all)."""

    tree: TreeName
    path: TreePath = ""
    count: Annotated[int, Field(ge=1, le=100)] = 20


class LargeEntry(Message):
    """A file or a folder with all below it; ``path`` is relative to the tree."""

    path: TreePath
    is_folder: bool
    used_bytes: Bytes
    files: Count
    modified_at: float


class LargestReply(Message):
    """agent → service: what lies directly in the folder, and the largest files below it.

    Both are largest first. ``counted_at`` is None until the tree was counted.
    """

    entries: tuple[LargeEntry, ...]
    largest_files: tuple[LargeEntry, ...]
    used_bytes: Bytes
    files: Count
    counted_at: float | None


class RecountRequest(Message):
    """service → agent: count these trees again.

    ``is_asked``: a person wants it now, and it waits in front of what is due anyway.
    """

    trees: Annotated[tuple[TreeName, ...], Field(min_length=1, max_length=256)]
    is_asked: bool = False


class RecountReply(Message):
    """agent → service: whether a count began, or when one will.

    A tree is counted at most once in a while: ``again_at`` is when it is possible next,
    and, where none began, when it is done by itself. ``counted_at`` is when the last
    count ended.
    """

    has_begun: bool
    again_at: float
    counted_at: float | None
