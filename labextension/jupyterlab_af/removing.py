"""Delete a file or a folder for good, under the person's own uid.

Lab's own delete puts things into a trash, which lies in the same private area and makes
no room, and leaves hidden files alone, which caches are. Here nothing goes to a trash,
no link is followed, and nothing that is mounted is deleted, nor what it lies in.
"""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

from jupyterlab_af.beneath import find, names_of, open_beneath, open_root
from jupyterlab_af.trouble import NOT_THERE, UNSAFE_PATH, Trouble, telling_trouble

if TYPE_CHECKING:
    from jupyterlab_af.generations import Shelf

MOUNTED = Trouble(
    "mounted", 409, "{path} is an area, or holds one, and cannot be deleted."
)
OUTSIDE = Trouble("outside", 409, "{path} is in no area of yours.")
IN_PART = Trouble(
    "in-part",
    409,
    "Some of {path} could not be deleted; what you may not delete is still there.",
)


def remove(shelf: Shelf, path: str) -> None:
    """Delete what is at a path of an area.

    Raises
    ------
    TroubleError
        If it cannot be, in words.
    """
    try:
        names = names_of(path)
    except ValueError:
        raise UNSAFE_PATH.error(path) from None
    _check_place(shelf, names, path)
    with (
        telling_trouble(path),
        open_root(shelf.root) as root,
        open_beneath(root, names[:-1]) as folder,
    ):
        status = find(folder, names[-1])
        if status is None:
            raise NOT_THERE.error(path)
        if stat.S_ISDIR(status.st_mode):
            _remove_folder(folder, names[-1], path)
        else:
            os.unlink(names[-1], dir_fd=folder)


def _check_place(shelf: Shelf, names: tuple[str, ...], path: str) -> None:
    """Return if the path is in an area, and neither an area nor around one."""
    place = shelf.root.joinpath(*names)
    mounts = shelf.mounts()
    if not names or any(mount.is_relative_to(place) for mount in mounts):
        raise MOUNTED.error(path)
    inside = {parent for parent in place.parents if parent.is_relative_to(shelf.root)}
    if (inside - {shelf.root}).isdisjoint(mounts):
        raise OUTSIDE.error(path)


def _remove_folder(folder: int, name: str, path: str) -> None:
    kept: list[str] = []

    def note(_: object, at: str, __: object) -> None:
        kept.append(at)

    shutil.rmtree(name, onerror=note, dir_fd=folder)
    if kept:
        raise IN_PART.error(path)
