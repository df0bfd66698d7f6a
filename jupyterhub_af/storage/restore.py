"""Bring files of a generation back into a tree that people write in, and lose nothing.

What comes back is first copied into a folder beside, which only the agent can enter,
and then takes its name in one step; what had that name is renamed before. So neither a
link somebody puts in the way nor a death in the middle leads elsewhere or loses a file.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from jupyterhub_af.policy.restore_messages import RestoreReply
from jupyterhub_af.policy.storage import Tree

from .beneath import rename_if_free
from .ensure import Volume
from .errors import AgentError

_STAGE, _COPY = ".af-restore-", "copy"
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES = 100
_LONGEST_SAID = 300
_NOWHERE = ("", ".", "..")


class RestoreError(AgentError):
    """Say why nothing was brought back."""

    def __init__(self, message: str, *, rule: str, status: int = 409) -> None:
        super().__init__(message, rule=rule, status=status)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A path of a generation, and the tree it comes back into; empty: everything."""

    tree: Tree
    generation: str
    path: str = ""

    @property
    def generation_path(self) -> str:
        """Return where the generation lies on the volume."""
        return f"{self.tree.backups}/{self.generation}"

    def split(self) -> tuple[str, str]:
        """Return folder and name of the path below the tree; the name is empty for all.

        Raises
        ------
        RestoreError
            If the path leads out of the tree.
        """
        if not self.path:
            return "", ""
        if any(part in _NOWHERE for part in self.path.split("/")) or "\0" in self.path:
            msg = f"{self.path!r} is no path below the tree: write it as folder/file."
            raise RestoreError(msg, rule="path-form", status=400)
        folder, _, name = self.path.rpartition("/")
        return folder, name


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder below the tree, and the name in it; empty: all of it."""

    folder: str
    name: str


def restore_live(volume: Volume, wanted: Wanted, *, at: float) -> RestoreReply:
    """Bring a path back to where it was; what is there now is kept beside.

    Raises
    ------
    RestoreError
        If the generation does not have it, or its folder is not in the tree any more.
    """
    folder, name = wanted.split()
    source_fd = _open_source(volume, wanted, folder)
    try:
        names = _names_of(source_fd, name, wanted)
        live = "/".join(filter(None, (wanted.tree.source, folder)))
        with _opened(volume, live) as live_fd:
            _sweep(live_fd)
            place = _Place(folder, name)
            return _bring_back(source_fd, live_fd, names, place, at)
    finally:
        os.close(source_fd)


def copy_out(volume: Volume, wanted: Wanted, target_fd: int) -> tuple[str, ...]:
    """Copy a path of a generation into a folder; what is there is never touched.

    Raises
    ------
    RestoreError
        If the folder has such a name already, or the generation does not have it.
    """
    folder, name = wanted.split()
    source_fd = _open_source(volume, wanted, folder)
    try:
        names = _names_of(source_fd, name, wanted)
        for found in names:
            if _look(target_fd, found) is not None:
                msg = f"{found!r} is there already, and nothing was copied."
                raise RestoreError(msg, rule="target-taken")
        for found in names:
            _copy(source_fd, found, target_fd)
        return tuple(names)
    finally:
        os.close(source_fd)


def _open_source(volume: Volume, wanted: Wanted, folder: str) -> int:
    path = "/".join(filter(None, (wanted.generation_path, folder)))
    try:
        return volume.open(path)
    except FileNotFoundError as error:
        raise _not_in(wanted) from error


def _not_in(wanted: Wanted) -> RestoreError:
    what = f"{wanted.path!r} is not in it" if wanted.path else "there is none"
    msg = (
        f"The backup {wanted.generation} of {wanted.tree.area}/{wanted.tree.owner}: "
        f"{what}. jupyterhub-af backup list shows which there are."
    )
    return RestoreError(msg, rule="not-in-backup", status=404)


def _names_of(source_fd: int, name: str, wanted: Wanted) -> list[str]:
    if not name:
        with os.scandir(source_fd) as entries:
            return sorted(entry.name for entry in entries)
    if _look(source_fd, name) is None:
        raise _not_in(wanted)
    return [name]


@contextmanager
def _opened(volume: Volume, path: str) -> Iterator[int]:
    try:
        found = volume.open(path)
    except FileNotFoundError as error:
        msg = f"The folder {path!r} is not there any more: bring that back as a whole."
        raise RestoreError(msg, rule="no-folder") from error
    try:
        yield found
    finally:
        os.close(found)


def _bring_back(
    source_fd: int, live_fd: int, names: list[str], place: _Place, at: float
) -> RestoreReply:
    kept: list[str] = []
    with _stage(live_fd) as stage_fd, _copied(source_fd, stage_fd, place) as copy_fd:
        for name in names:
            kept += _put(copy_fd, live_fd, name, at)
        os.fsync(live_fd)
    return RestoreReply(
        is_done=True,
        restored=tuple(_shown(place.folder, name) for name in names),
        kept=tuple(_shown(place.folder, name) for name in kept),
    )


@contextmanager
def _copied(source_fd: int, stage_fd: int, place: _Place) -> Iterator[int]:
    """Copy in one go, so that several names of one file stay so; yield where it lies."""
    os.mkdir(_COPY, 0o700, dir_fd=stage_fd)
    copy_fd = os.open(_COPY, _FLAGS, dir_fd=stage_fd)
    try:
        _copy(source_fd, place.name or ".", copy_fd)
        yield copy_fd
    finally:
        os.close(copy_fd)


def _put(stage_fd: int, live_fd: int, name: str, at: float) -> list[str]:
    """Give a copy its name in the tree; return what was renamed for it."""
    kept: list[str] = []
    for _ in range(_TRIES):
        try:
            rename_if_free(stage_fd, name, live_fd, name)
        except FileExistsError:
            kept.append(_keep(live_fd, name, at))
        else:
            return kept
    msg = f"{name!r} is made anew all the time; try again when nobody works there."
    raise RestoreError(msg, rule="path-busy")


def _keep(live_fd: int, name: str, at: float) -> str:
    """Rename what is there to a name that says why, and that nothing has."""
    when = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(at))
    for n in range(1, _TRIES):
        number = f"-{n}" if n > 1 else ""
        beside = f"{_shortened(name)}.before-restore-{when}{number}"
        try:
            rename_if_free(live_fd, name, live_fd, beside)
        except FileExistsError:
            continue
        except FileNotFoundError:
            return beside
        return beside
    msg = f"{name!r} has been restored {_TRIES} times within a second."
    raise RestoreError(msg, rule="path-busy")


def _shortened(name: str) -> str:
    """Return a name that leaves room for what is appended: names have 255 bytes."""
    raw = os.fsencode(name)
    return name if len(raw) <= 200 else os.fsdecode(raw[:200])


@contextmanager
def _stage(live_fd: int) -> Iterator[int]:
    """Make a folder in the tree that only the agent can enter, and remove it again."""
    name = f"{_STAGE}{secrets.token_hex(8)}"
    os.mkdir(name, 0o700, dir_fd=live_fd)
    stage_fd = os.open(name, _FLAGS, dir_fd=live_fd)
    try:
        # whoever writes in the tree could have put another folder in its place
        if os.fstat(stage_fd).st_uid != os.geteuid():
            msg = "The folder was exchanged while it was used; nothing was changed."
            raise RestoreError(msg, rule="path-busy")
        yield stage_fd
    finally:
        os.close(stage_fd)
        _sweep(live_fd)


def _sweep(live_fd: int) -> None:
    """Remove what restores, also those that were killed, have left in a folder."""
    with os.scandir(live_fd) as entries:
        names = [e.name for e in entries if e.name.startswith(_STAGE)]
    for name in names:
        status = _look(live_fd, name)
        if status is not None and status.st_uid == os.geteuid():
            _run(["/bin/rm", "-rf", "--one-file-system", "--", f"./{name}"], live_fd)


def _copy(source_fd: int, name: str, target_fd: int) -> None:
    """Copy with everything kept; links as links."""
    to = f"--target-directory=/proc/self/fd/{target_fd}"
    _run(["/bin/cp", "--archive", to, "--", f"./{name}"], source_fd, target_fd)


def _run(command: list[str], cwd_fd: int, *more: int) -> None:
    done = subprocess.run(
        command,
        cwd=f"/proc/self/fd/{cwd_fd}",
        pass_fds=(cwd_fd, *more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"LC_ALL": "C.UTF-8"},
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[:_LONGEST_SAID]
        msg = f"Nothing was brought back: {said}"
        raise RestoreError(msg, rule="restore-failed", status=503)


def _look(folder_fd: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _shown(folder: str, name: str) -> str:
    path = f"{folder}/{name}" if folder else name
    return os.fsencode(path).decode("utf8", "replace")
