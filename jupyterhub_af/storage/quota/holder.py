"""One interface to what holds a tree to its quota, and which of them it is.

The file system is asked about each tree: one volume may have trees that its file system
knows and older ones that it does not.
"""

from __future__ import annotations

import os
from typing import Protocol

from jupyterhub_af.policy.storage_messages import Enforcement

from . import btrfs, xfs


class Holder(Protocol):
    """A file system's own quotas, for one tree."""

    @property
    def name(self) -> Enforcement:
        """What it is called."""

    def hold(self, quota_bytes: int | None) -> bool:
        """Hold the tree to a quota (None: to none); tell whether it does now.

        Nothing is written where it does already.
        """

    def settle(self) -> None:
        """Have the numbers be of now, not of seconds ago; it may take a second."""

    def used_bytes(self) -> int | None:
        """Return what the file system counts; None where it is to be counted by hand."""


def find_holder(tree_fd: int) -> Holder | None:
    """Return what can hold a tree to its quota; None: only counting can."""
    return btrfs.find(tree_fd) or xfs.find(tree_fd)


def make_tree(parent_fd: int, name: str) -> bool:
    """Make a tree's directory as its file system wants one; False: a plain one will do.

    Raises
    ------
    FileExistsError
        If it is there.
    """
    return btrfs.make(parent_fd, name)


def describe(volume_fd: int) -> str:
    """Return in words how quotas are held on a volume: a note, no problem."""
    if btrfs.has_quotas(volume_fd):
        return (
            "Quotas are held by the file system (btrfs) for trees that were made since "
            "its quotas were switched on; older ones are only counted (accounting)."
        )
    if xfs.mount_of(os.fstat(volume_fd).st_dev) is not None:
        return (
            "Quotas are held by the file system (XFS projects) for trees that were "
            "empty when they got one; older ones are only counted (accounting)."
        )
    return (
        "Quotas are only counted (accounting): from 90 % people are warned, at 100 % a "
        "person's next server is one to clean up with, and no write is refused."
    )
