"""What an administrator asks about backups, and what service and agent answer.

``owner`` is a person's hub name or a folder's name. Work that takes long is asked for
again until it is done.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .backup_messages import GenerationName
from .messages import Message, Name
from .storage_messages import Count, TreeName, TreePath

MOST_SHOWN = 1000


class AdminRun(Message):
    """command line → service: back up an area's trees now, or one; empty: all."""

    actor: Name
    area: Annotated[str, Field(max_length=255)] = ""
    owner: Annotated[str, Field(max_length=255)] = ""


class AdminList(AdminRun):
    """command line → service: tell the newest ``count`` generations; 0: only states."""

    count: Annotated[int, Field(ge=0, le=10000)] = 100


class AdminVerify(Message):
    """command line → service: compare a tree with one of its generations."""

    actor: Name
    area: Name
    owner: Name
    generation: GenerationName


class AdminRestore(AdminVerify):
    """command line → service: bring a path of a generation back into the live tree."""

    path: TreePath = ""


class AdminCopy(AdminRestore):
    """command line → service: a path is about to be copied out; it goes to the audit."""


class AdminPurge(Message):
    """command line → service: take a path of a tree out of all its generations."""

    actor: Name
    area: Name
    owner: Name
    path: Annotated[TreePath, Field(min_length=1)]


class TreeVerify(Message):
    """service → agent: compare a tree with one of its generations."""

    tree: TreeName
    generation: GenerationName


class TreeRestore(TreeVerify):
    """service → agent: bring a path of a generation back; empty: all of it."""

    path: TreePath = ""


class VerifyReply(Message):
    """agent →: the first differences, a line each, and how many there are."""

    is_done: bool
    differences: Annotated[tuple[str, ...], Field(max_length=MOST_SHOWN)] = ()
    count: Count = 0


class RestoreReply(Message):
    """agent →: what was brought back, and what was there before and is beside it now."""

    is_done: bool
    restored: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class CopyReply(Message):
    """service → command line: which tree is meant."""

    tree: TreeName
