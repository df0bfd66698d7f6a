"""Files below a folder, opened without ever following a link.

A path that comes from the browser is a row of names (`names_of`); each is opened in
the folder that the one before it opened (`open_beneath`), so that neither ``..`` nor a
link, not even one that is put there in between, leads out of the folder. Everything
happens under the person's own uid.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LONGEST_PATH = 4096
LONGEST_NAME = 255
# to go through a folder, the right to list it is not needed
_WALK = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# a FIFO must not keep us waiting
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class UnsafePathError(ValueError):
    """A path is none that could be below a folder."""


def names_of(path: str) -> tuple[str, ...]:
    """Return the names that a path below a folder is made of; none for the folder.

    Raises
    ------
    UnsafePathError
        If it begins at the root, goes up, or holds what no name can.
    """
    if not path:
        return ()
    names = tuple(path.split("/"))
    if len(path) > LONGEST_PATH or not all(map(is_name, names)):
        raise UnsafePathError(path)
    return names


def is_name(name: str) -> bool:
    """Return whether `name` can be that of a file, and nothing else."""
    try:
        length = len(os.fsencode(name))
    except UnicodeEncodeError:
        return False
    return name not in {"", ".", ".."} and length <= LONGEST_NAME and "\0" not in name


@contextmanager
def open_root(path: Path) -> Iterator[int]:
    """Give a descriptor of a folder that is ours to name, to open others beneath it."""
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def open_beneath(
    top: int, names: Sequence[str], flags: int = _WALK, *, make: bool = False
) -> Iterator[int]:
    """Give a descriptor of what `names` lead to below the folder `top`.

    With `make`, folders on the way that are absent are made.

    Raises
    ------
    OSError
        If a name is not there, is a link, or is no folder on the way.
    """
    descriptor = os.open(".", _WALK if names else flags, dir_fd=top)
    try:
        for position, name in enumerate(names, start=1):
            if make:
                _make_folder(descriptor, name)
            opens = flags if position == len(names) else _WALK
            inner = os.open(name, opens, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _make_folder(folder: int, name: str) -> None:
    try:
        os.mkdir(name, dir_fd=folder)
    except FileExistsError:
        return


def find(folder: int, name: str) -> os.stat_result | None:
    """Return what is called `name` in the folder, a link itself; None if nothing is."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
