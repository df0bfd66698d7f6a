"""Copies of the facility's own databases and keys, and how they are put back.

A database is copied through SQLite, so that the copy is whole while its process writes.
Without the accounts a volume is files of nobody: uids, gids and names are there only.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from jupyterhub_af.policy.backup_messages import GENERATION_PATTERN
from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.storage import BACKUPS

# the agent's own, which no mount shows
FOLDER = f"{BACKUPS}/.facility"
KEPT = 48
_DATABASES = (
    "service/af.sqlite",
    "hub/jupyterhub.sqlite",
    "gateway/dask-gateway.sqlite",
)
# without these the databases open to nobody: who is logged in, clusters, the IAM client
_KEYS = (
    "admin-secret",
    "agent/service-secret",
    "gateway/database-key",
    "gateway/proxy-token",
    "gateway/service-secret",
    "hub/agent-secret",
    "hub/client-secret",
    "hub/cookie-secret",
    "hub/crypt-key",
    "hub/service-secret",
)
_TIME = re.compile(GENERATION_PATTERN)
_BUSY_SECONDS = 60


class DatabaseError(AFError):
    """Say which database or key could not be copied."""


def copy_facility(data: Path, volume: Path, *, at: float) -> str:
    """Copy what a facility on one machine needs beside the volume; return where to.

    Copies are for root alone and whole: they get their name when all is written. The
    newest ``KEPT`` stay.

    Raises
    ------
    DatabaseError
        If something could not be copied; then nothing new is there.
    """
    folder = volume / FOLDER
    ensure_folder(folder)
    name = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(at))
    part = folder / f".part-{os.getpid()}"
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(mode=0o700)
        for path in (*_DATABASES, *_KEYS):
            _copy(data, part, path)
        part.rename(folder / name)
    except (OSError, sqlite3.Error) as error:
        msg = f"The facility's databases in {data} were not copied: {error}."
        raise DatabaseError(msg) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for old in list_copies(volume)[KEPT:]:
        shutil.rmtree(folder / old)
    return f"{FOLDER}/{name}"


def list_copies(volume: Path) -> list[str]:
    """Return the times of all whole copies, newest first."""
    try:
        names = [path.name for path in (volume / FOLDER).iterdir()]
    except FileNotFoundError:
        return []
    return sorted((name for name in names if _TIME.fullmatch(name)), reverse=True)


def put_back_facility(data: Path, copy: Path) -> tuple[str, ...]:
    """Put databases and keys of a copy where there are none; return what was put.

    Raises
    ------
    DatabaseError
        If something is there already: what a facility knows is never overwritten.
    """
    found = [path for path in (*_DATABASES, *_KEYS) if (copy / path).exists()]
    there = [path for path in found if (data / path).exists()]
    if there:
        msg = (
            f"{data} has {', '.join(there)} already, and nothing was put back. Move the "
            "old folder away first."
        )
        raise DatabaseError(msg)
    for path in found:
        target = data / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _copy_file(copy / path, target)
    return tuple(found)


def ensure_folder(folder: Path) -> None:
    """Make the folder of the copies for root alone; backups' own folder as agents do."""
    if not folder.parent.is_dir():
        folder.parent.mkdir()
        folder.parent.chmod(0o711)
    folder.mkdir(mode=0o700, exist_ok=True)


def _copy(data: Path, part: Path, path: str) -> None:
    source, target = data / path, part / path
    if not source.exists():
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path in _DATABASES:
        _copy_database(source, target)
    else:
        _copy_file(source, target)


def _copy_database(source: Path, target: Path) -> None:
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    uri = f"{source.absolute().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as one,
        closing(sqlite3.connect(target)) as other,
    ):
        one.backup(other)
        # one file: what SQLite keeps beside it would be copied apart
        other.execute("PRAGMA journal_mode = DELETE")
    _own(source, target)


def _copy_file(source: Path, target: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with (
        source.open("rb") as one,
        os.fdopen(os.open(target, flags, 0o600), "wb") as two,
    ):
        shutil.copyfileobj(one, two)
    _own(source, target)


def _own(source: Path, target: Path) -> None:
    """Give a copy the owner of what it is a copy of; as root only."""
    if os.geteuid() == 0:
        status = source.stat()
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    with target.open("rb") as file:
        os.fsync(file.fileno())
