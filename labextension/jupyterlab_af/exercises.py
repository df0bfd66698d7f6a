"""Exercises of the image, copied once to the person's home.

This module owns `~/exercises/<name>.ipynb` until the file exists, and never after:
nothing there is overwritten, and a name that is taken (also by a link that leads
nowhere) is taken. Everything is done relative to an open folder that is not a link,
under the person's own uid. A home that is full or read-only costs one warning.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

FOLDER = "exercises"
FOLDER_MODE = 0o775
FILE_MODE = 0o664


def deliver_exercises(source: Path, home: Path, *, log: logging.Logger) -> None:
    """Copy each notebook of `source` that `home/exercises` does not have."""
    try:
        names = copy_absent(source, home)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        log.warning("could not deliver the exercises to %s: %s", home / FOLDER, reason)
        return
    if names:
        log.info("delivered %s exercises to %s", len(names), home / FOLDER)


def copy_absent(source: Path, home: Path) -> tuple[str, ...]:
    """Return the names of the notebooks that were copied, in order."""
    notebooks = sorted(source.glob("*.ipynb"))
    if not notebooks:
        return ()
    with open_folder(home / FOLDER) as folder_fd:
        return tuple(
            notebook.name
            for notebook in notebooks
            if notebook.is_file() and copy_one(notebook, folder_fd)
        )


@contextmanager
def open_folder(path: Path) -> Iterator[int]:
    """Give a descriptor of the folder `path`, made if absent; refuse a link."""
    with suppress(FileExistsError):
        path.mkdir(mode=FOLDER_MODE)
    folder_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield folder_fd
    finally:
        os.close(folder_fd)


def copy_one(notebook: Path, folder_fd: int) -> bool:
    """Copy `notebook` under its name unless the name is taken; say if it was."""
    if is_taken(notebook.name, folder_fd):
        return False
    # A name of its own, so that two servers starting at once never share it.
    aside = f".{notebook.name}.{secrets.token_hex(8)}"
    try:
        write_aside(notebook, aside, folder_fd)
        # A link never replaces: whoever came first between the two steps stays.
        os.link(
            aside,
            notebook.name,
            src_dir_fd=folder_fd,
            dst_dir_fd=folder_fd,
            follow_symlinks=False,
        )
    except FileExistsError:
        return False
    finally:
        with suppress(FileNotFoundError):
            os.unlink(aside, dir_fd=folder_fd)
    return True


def is_taken(name: str, folder_fd: int) -> bool:
    """Return whether the folder has anything called `name`, links included."""
    try:
        os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def write_aside(notebook: Path, aside: str, folder_fd: int) -> None:
    """Write the content of `notebook` to the new file `aside`, down to the disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    aside_fd = os.open(aside, flags, FILE_MODE, dir_fd=folder_fd)
    with notebook.open("rb") as reader, os.fdopen(aside_fd, "wb") as writer:
        shutil.copyfileobj(reader, writer)
        writer.flush()
        os.fsync(writer.fileno())
