"""A copy of the volume in another place, made and brought back by restic.

What goes there: the areas as they are, of each tree the newest generation, the
facility's databases and keys, and a manifest to verify with. The password is in a file,
whose name alone restic is told.

Source: restic.readthedocs.io, "Backing up" and "Restoring from backup".
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jupyterhub_af.policy.backup_messages import GENERATION_PATTERN
from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.names import is_component
from jupyterhub_af.policy.storage import BACKUPS

from .backup.place import RECORDS
from .beneath import choose_opener
from .databases import FOLDER, copy_facility, list_copies
from .manifest import Walk, write_manifest

MANIFEST = "manifest.jsonl"
_AREAS = ("private", "shared", "collab", "classes")
_TAG = "jupyterhub-af"
_GENERATION = re.compile(GENERATION_PATTERN)
_SOME_UNREAD = 3
_LONGEST_SAID = 1000


class OffsiteError(AFError):
    """Say what restic said, or why it was not asked."""


@dataclass(frozen=True, slots=True)
class Repository:
    """Where restic keeps copies, and the file with its password."""

    place: str
    password_file: Path

    def check(self) -> None:
        """Refuse a password file that others can read.

        Raises
        ------
        OffsiteError
            If it is open to others or not there.
        """
        try:
            mode = self.password_file.stat().st_mode
        except OSError as error:
            msg = f"The password file {self.password_file} cannot be read: {error.strerror}."
            raise OffsiteError(msg) from error
        if mode & 0o077:
            msg = f"Others can read the password file: chmod 600 {self.password_file}"
            raise OffsiteError(msg)

    def has_copies(self) -> bool:
        """Tell whether there is a repository that the password opens."""
        return self._run("cat", "config", "--quiet").returncode == 0

    def make(self) -> None:
        """Make a new, empty repository."""
        self.run("init", "--quiet")

    def run(self, *arguments: str, cwd: Path | None = None) -> None:
        """Run restic; what it could not do is said in its words.

        Raises
        ------
        OffsiteError
            If it did not do all.
        """
        done = self._run(*arguments, cwd=cwd)
        if done.returncode == 0:
            return
        said = done.stderr.decode(errors="replace").strip()[-_LONGEST_SAID:]
        if done.returncode == _SOME_UNREAD and arguments[0] == "backup":
            msg = f"A copy was made, but some files could not be read: {said}"
        else:
            msg = f"restic {arguments[0]} did not do it: {said}"
        raise OffsiteError(msg)

    def _run(
        self, *arguments: str, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        # the place may hold a name and a password, so it is no argument either
        told = {
            "RESTIC_REPOSITORY": self.place,
            "RESTIC_PASSWORD_FILE": str(self.password_file.resolve()),
        }
        restic = shutil.which("restic")
        if restic is None:
            msg = "restic is not installed: apt install restic"
            raise OffsiteError(msg)
        return subprocess.run(
            [restic, *arguments],
            cwd=cwd,
            env={**os.environ, **told},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )


def save(repository: Repository, data: Path, volume: Path) -> int:
    """Copy everything that a restore needs; return how many entries were listed.

    Raises
    ------
    AFError
        If something was not copied.
    """
    repository.check()
    if not repository.has_copies():
        msg = (
            "There is no repository that this password opens. Make one first with "
            "--init; a wrong address would look the same."
        )
        raise OffsiteError(msg)
    now = time.time()
    folder = copy_facility(data, volume, at=now)
    roots = tuple(find_roots(volume))
    listed = _write_manifest(volume, folder, roots, now)
    with tempfile.NamedTemporaryFile() as names:
        names.write(b"".join(os.fsencode(path) + b"\0" for path in (*roots, folder)))
        names.flush()
        repository.run(
            *("backup", "--quiet", "--tag", _TAG, "--files-from-raw", names.name),
            cwd=volume,
        )
    return listed


def restore(repository: Repository, volume: Path) -> Path:
    """Bring the newest copy back into an empty folder; return the manifest's path.

    Raises
    ------
    OffsiteError
        If the folder holds something, or restic did not bring back everything.
    """
    repository.check()
    volume.mkdir(exist_ok=True)
    if any(volume.iterdir()):
        msg = f"{volume} is not empty, and nothing was restored: give an empty folder."
        raise OffsiteError(msg)
    target = str(volume.resolve())
    # closed until everything in it has its owners and modes again
    volume.chmod(0o700)
    repository.run("restore", "latest", "--quiet", "--tag", _TAG, "--target", target)
    copies = list_copies(volume)
    if not copies:
        msg = "The copy that was restored has no manifest: it was not made by this command."
        raise OffsiteError(msg)
    (volume / FOLDER).chmod(0o700)
    volume.chmod(0o711)
    return volume / FOLDER / copies[0] / MANIFEST


def find_roots(volume: Path) -> Iterator[str]:
    """Return the areas, and of every tree the newest generation."""
    for name in _AREAS:
        if (volume / name).is_dir():
            yield name
    for area in _names_in(volume / BACKUPS):
        for owner in _names_in(volume / BACKUPS / area):
            path = f"{BACKUPS}/{area}/{owner}"
            made = [p.name for p in (volume / path).iterdir()]
            whole = sorted(name for name in made if _GENERATION.fullmatch(name))
            if whole:
                yield f"{path}/{whole[-1]}"
                record = f"{RECORDS}/{area}/{owner}/{whole[-1]}.json"
                yield from (record,) if (volume / record).is_file() else ()


def _names_in(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if is_component(p.name))


def _write_manifest(
    volume: Path, folder: str, roots: tuple[str, ...], now: float
) -> int:
    root_fd = os.open(volume, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    path = volume / folder / MANIFEST
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            walk = Walk(root_fd, choose_opener())
            return write_manifest(file, walk, roots, made_at=now)
    finally:
        os.close(root_fd)
