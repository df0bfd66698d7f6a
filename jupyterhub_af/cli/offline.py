"""What root does with a volume's folder while no facility runs: a disk was lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jupyterhub_af.policy.errors import AFError, UnsafeNameError
from jupyterhub_af.policy.names import is_component, make_slug
from jupyterhub_af.policy.restore_messages import AdminRestore, RestoreReply
from jupyterhub_af.policy.storage import AreaKind, Tree, make_tree

if TYPE_CHECKING:
    from jupyterhub_af.storage.ensure import Volume

T = TypeVar("T")


class UsageError(AFError):
    """Say what the command line lacks."""


class Offline:
    """A volume, and what the storage agent would do with it.

    The room of the agent is imported only where it is needed: the base install is for
    looking at files.
    """

    def __init__(self, volume: Path) -> None:
        if not volume.is_dir():
            msg = f"There is no volume at {volume}: name its folder with --volume DIR."
            raise UsageError(msg)
        self._volume = volume

    def compare_manifest(self, manifest: Path) -> Iterator[str]:
        """Return every difference from a manifest."""
        from jupyterhub_af.storage.compare import compare_manifest

        return (str(found) for found in compare_manifest(self._volume, manifest))

    def compare(self, area: str, owner: str, generation: str) -> Iterator[str]:
        """Return every difference of a tree from a generation of it."""
        from jupyterhub_af.storage.compare import compare_generation
        from jupyterhub_af.storage.restore import Wanted

        wanted = Wanted(self._find_tree(area, owner), generation)
        found = self._with_volume(
            lambda volume: [str(d) for d in compare_generation(volume, wanted)]
        )
        return iter(found)

    def restore(self, asked: AdminRestore) -> RestoreReply:
        """Bring something back into the live tree."""
        from jupyterhub_af.storage.restore import Wanted, restore_live

        tree = self._find_tree(asked.area, asked.owner)
        wanted = Wanted(tree, asked.generation, asked.path)
        return self._with_volume(
            lambda volume: restore_live(volume, wanted, at=time.time())
        )

    def copy_out(self, asked: AdminRestore, to: Path) -> tuple[str, ...]:
        """Copy something into a folder that is there."""
        from jupyterhub_af.storage.restore import Wanted, copy_out

        tree = self._find_tree(asked.area, asked.owner)
        wanted = Wanted(tree, asked.generation, asked.path)
        try:
            to_fd = os.open(to, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            msg = f"{to} is no folder to copy into: {error.strerror}."
            raise UsageError(msg) from error
        try:
            return self._with_volume(lambda volume: copy_out(volume, wanted, to_fd))
        finally:
            os.close(to_fd)

    def _with_volume(self, work: Callable[[Volume], T]) -> T:
        from jupyterhub_af.storage.beneath import choose_opener
        from jupyterhub_af.storage.ensure import Volume

        try:
            root_fd = os.open(self._volume, os.O_RDONLY | os.O_DIRECTORY)
            try:
                return work(Volume(root_fd, choose_opener()))
            finally:
                os.close(root_fd)
        except OSError as error:
            msg = f"{error.filename or self._volume}: {error.strerror}."
            raise UsageError(msg) from error

    def _find_tree(self, area: str, owner: str) -> Tree:
        """Return a tree by what lies on the volume: no facility says the area's kind."""
        try:
            for kind in ("collab", "shared"):
                if is_component(area) and (self._volume / kind / area).is_dir():
                    return self._make(kind, area, owner)
            return self._make("private", area, owner)
        except UnsafeNameError as error:
            raise UsageError(str(error)) from error

    def _make(self, kind: str, area: str, owner: str) -> Tree:
        kinds: dict[str, AreaKind] = {
            "collab": "collab",
            "shared": "shared",
            "private": "private",
        }
        # a hub name, or already the name of its directory
        is_there = (
            is_component(owner) and (self._volume / "backups" / area / owner).is_dir()
        )
        name = owner if kind == "collab" or is_there else make_slug(owner)
        return make_tree(kinds[kind], area, name)
