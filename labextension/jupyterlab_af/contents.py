"""Files that cannot be written, said clearly.

Jupyter Server answers 500 where a storage area is read-only or full. The contents
manager here turns what the file system said into an answer that a person can act
on; it changes nothing of what is read or written. A new notebook or file that would
be made where nothing survives is made in the person's home instead. Switched on with
``--ServerApp.contents_manager_class=jupyterlab_af.contents.FacilityContentsManager``.

Words: a folder *survives* the server if it is on something mounted below the root.
"""

from __future__ import annotations

import asyncio
import errno
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import HTTPError
from traitlets import default

from jupyterlab_af.generations import Shelf
from jupyterlab_af.removing import remove
from jupyterlab_af.saver import note_saver, person_here
from jupyterlab_af.trouble import FULL, READ_ONLY, TroubleError

if TYPE_CHECKING:
    from collections.abc import Iterator

ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})


class FacilityContentsManager(AsyncLargeFileManager):
    """The large-file contents manager, with clear answers to failed writes."""

    @default("always_delete_dir")
    def _deletes_folders(self) -> bool:
        """Let a folder go with what is in it also where there is no trash."""
        return True

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Save a file, a notebook or a folder."""
        with clear_refusals(path):
            saved: dict[str, Any] = await super().save(model, path)
        if person := person_here():
            file = Path(self.root_dir) / path.strip("/")
            await asyncio.to_thread(note_saver, file, person)
        return saved

    async def new_untitled(
        self, path: str = "", type: str = "", ext: str = ""
    ) -> dict[str, Any]:
        """Make an untitled notebook, file or folder in a folder that survives."""
        if type != "directory":
            path = folder_for_new(Path(self.root_dir), path.strip("/"), Path.home())
        with clear_refusals(path):
            made: dict[str, Any] = await super().new_untitled(path, type, ext)
            return made

    async def delete_file(self, path: str) -> None:
        """Delete a file or a folder."""
        with clear_refusals(path):
            # Otherwise the trash refuses, and says neither what nor why.
            is_trashed = self.delete_to_trash and await self.has(path)
            if is_trashed and not self.is_writable(path):
                raise PermissionError(errno.EACCES, "not writable", path)
            try:
                await super().delete_file(path)
            except HTTPError as error:
                # The trash is the home's, and takes nothing of another mount.
                if not (is_trashed and is_word_of_trash(error)):
                    raise
                await asyncio.to_thread(remove_for_good, Path(self.root_dir), path)

    async def rename_file(self, old_path: str, new_path: str) -> None:
        """Rename or move a file or a folder."""
        folder = new_path.strip("/").rpartition("/")[0]
        refused = old_path if self.is_writable(folder) else new_path
        with clear_refusals(refused):
            await super().rename_file(old_path, new_path)

    async def has(self, path: str) -> bool:
        """Return whether there is a file or a folder at `path`."""
        return bool(await self.file_exists(path) or await self.dir_exists(path))

    async def create_checkpoint(self, path: str) -> dict[str, Any]:
        """Keep the file as it is now."""
        with clear_refusals(path):
            checkpoint: dict[str, Any] = await super().create_checkpoint(path)
            return checkpoint

    async def restore_checkpoint(self, checkpoint_id: str, path: str) -> None:
        """Put back the file that was kept."""
        with clear_refusals(path):
            await super().restore_checkpoint(checkpoint_id, path)


def is_word_of_trash(error: HTTPError) -> bool:
    """Return whether it is the trash that did not take something."""
    return str(error.log_message).startswith("send2trash")


def remove_for_good(root: Path, path: str) -> None:
    """Delete what the trash cannot take; say in words what stays."""
    try:
        remove(Shelf(root, mount_points), path.strip("/"))
    except TroubleError as error:
        raise HTTPError(error.status, str(error)) from error


def folder_for_new(root: Path, path: str, home: Path) -> str:
    """Return the folder below `root` for a new file: `path`, or home if it is lost there.

    Where the home is not below the root, or survives no better, it is `path`.
    """
    if survives(root, path) or not home.is_relative_to(root):
        return path
    at_home = home.relative_to(root).as_posix()
    return at_home if survives(root, at_home) else path


def survives(root: Path, path: str) -> bool:
    """Return whether `path` is on something that is mounted below `root`."""
    folder = root / path
    tops = {folder, *folder.parents} - {root, *root.parents}
    return not tops.isdisjoint(mount_points())


def mount_points() -> frozenset[Path]:
    """Return where something is mounted; a file system may be mounted onto itself."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return frozenset(Path(unescape(line.split(" ")[4])) for line in lines)


def unescape(field: str) -> str:
    """Return a path as it was before the kernel wrote its blanks as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)


@contextmanager
def clear_refusals(path: str) -> Iterator[None]:
    """Answer 403 or 507 in words where the file system refused a write to `path`."""
    try:
        yield
    except (OSError, HTTPError) as error:
        answer = answer_for(refusal_number(error), path.strip("/"))
        if answer is None:
            raise
        raise answer from error


def refusal_number(error: BaseException | None) -> int | None:
    """Return the errno of the refusal behind `error`, if a refusal is behind it.

    A failed write is often followed by a failed clean-up, so the whole chain counts;
    that something is absent may be the clean-up's word, so it counts last.
    """
    numbers = error_numbers(error)
    for refusals in (READ_ONLY | FULL, ABSENT):
        if found := next((n for n in numbers if n in refusals), None):
            return found
    return None


def error_numbers(error: BaseException | None) -> list[int]:
    """Return the errno of each operating system's error in a chain, newest first."""
    seen: set[int] = set()
    numbers = []
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno is not None:
            numbers.append(error.errno)
        error = error.__cause__ or error.__context__
    return numbers


def answer_for(number: int | None, path: str) -> HTTPError | None:
    """Return what to answer to a write to `path` that failed with `number`."""
    if number in READ_ONLY:
        return HTTPError(
            403,
            f"{path} is read-only for you. Save a copy in a folder of your own.",
        )
    if number in ABSENT:
        return HTTPError(
            404,
            f"The folder of {path} is not there, or not yours to see. Save it elsewhere.",
        )
    if number in FULL:
        return HTTPError(
            507,
            f"There is no room left to save {path}. Delete what you no longer need, "
            "then save again.",
        )
    return None
