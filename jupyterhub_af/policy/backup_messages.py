"""What the command line and the service ask the agent about backups, and its answers.

A *generation* is one copy of a tree, named by its time; its *record* says how it was
made. A run is asked for and goes on by itself: who asked looks at the trees' states
until they are idle. Sizes are in bytes, times are seconds since 1970 (UTC).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .messages import Message, Name, Number
from .storage_messages import Bytes, Count, TreeName, TreePath

MOST_PATHS = 50
GENERATION_PATTERN = r"^\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}Z$"
GenerationName = Annotated[str, Field(pattern=GENERATION_PATTERN)]
Paths = Annotated[tuple[TreePath, ...], Field(max_length=MOST_PATHS)]


class GenerationRecord(Message):
    """How one generation was made, and what in it is not as it should be.

    ``files`` counts everything in the tree, folders too; ``new_bytes`` is what had to be
    copied because the generation before did not have it. Of long lists of paths the
    first ``MOST_PATHS`` are kept, and the counts beside them are whole.
    ``unstable``: still changed while it was copied for the last time; ``unparsable``:
    new notebooks that are no JSON; ``unread``: what the file system did not give.
    ``seen_at`` is when the tree was last found to be as this generation is.
    """

    name: GenerationName
    tree: TreeName
    started_at: float
    finished_at: float
    seen_at: float
    files: Count
    bytes: Bytes
    new_files: Count
    new_bytes: Bytes
    passes: Count
    unstable: Paths = ()
    unstable_count: Count = 0
    unparsable: Paths = ()
    unparsable_count: Count = 0
    unread: Paths = ()
    unread_count: Count = 0


class BackupFailure(Message):
    """Why the last backup of a tree failed, and when."""

    at: float
    message: Annotated[str, Field(max_length=500)]


class TreeBackups(Message):
    """A tree's generations, newest first, and what happens to it now.

    ``failure`` is None when the last run went well; ``tried_at`` is None until this
    agent ran one.
    """

    tree: TreeName
    state: Literal["idle", "waiting", "running"]
    tried_at: float | None
    failure: BackupFailure | None
    generations: tuple[GenerationRecord, ...]


class WhichTrees(Message):
    """One tree, or those of one area, or (neither is given) all that are backed up."""

    tree: TreeName | None = None
    area: Name | None = None

    @model_validator(mode="after")
    def _is_one(self) -> WhichTrees:
        if self.tree is not None and self.area is not None:
            msg = "give a tree or an area, not both"
            raise ValueError(msg)
        return self


class BackupRunRequest(WhichTrees):
    """→ agent: back these trees up now, each after what its area has before it."""


class BackupRunReply(Message):
    """agent →: the trees that wait or run now; ask for their list until all are idle."""

    trees: tuple[TreeName, ...]


class BackupListRequest(WhichTrees):
    """→ agent: tell the newest ``count`` generations of these trees."""

    count: Annotated[int, Field(ge=0, le=10000)] = 100


class BackupListReply(Message):
    """agent →: each tree's backups; ``space_bytes`` is what areas' generations take.

    An area whose space has not been counted is not in it.
    """

    trees: tuple[TreeBackups, ...]
    space_bytes: dict[Name, Bytes]


class BackupPurgeRequest(Message):
    """service → agent: take a path of a tree out of all its generations.

    With ``uid``, only if all of it belongs to that person, in every generation; None is
    an administrator's wish.
    """

    tree: TreeName
    path: Annotated[TreePath, Field(min_length=1)]
    uid: Number | None = None


class BackupPurgeReply(Message):
    """agent → service: how many generations had it."""

    generations: Count
