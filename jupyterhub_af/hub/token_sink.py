"""Where a server's access token is put: files now, a Secret of Kubernetes later.

``FileTokenSink`` owns the folders below its root, one for each server, and every file
in them. The person's server and Dask workers see such a folder read-only, as it is:
files are written beside and renamed, so that a reader has the old token or the new one,
and the folder itself stays the same one as long as anything may have it mounted.

A folder that cannot be written is a ``TokenSinkError`` and nothing more: what was there
stays, and membership is looked at all the same.
"""

from __future__ import annotations

import asyncio
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.token import (
    EXPIRES_AT,
    LIFETIME,
    PROBLEM,
    TOKEN,
)
from jupyterhub_af.policy.token_life import TokenLife

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LONGEST_NUMBER = 12
# what is done to a folder that is open
_Act = Callable[[int], None]


class TokenSinkError(AFError):
    """Say that a token could not be put down; it never holds the token."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose token it is: the name of the server's folder, and the person's ids."""

    folder: str
    uid: int
    gid: int


class TokenSink(ABC):
    """Put a server's token where its person alone can read it."""

    @abstractmethod
    async def prepare(self, place: Place) -> None:
        """Make the place, with nothing of an earlier server in it."""

    @abstractmethod
    async def put(self, place: Place, token: str, life: TokenLife) -> None:
        """Replace the token, at once for every reader; what was a problem is none now."""

    @abstractmethod
    async def trouble(self, place: Place, words: str) -> None:
        """Say why the token is not renewed; the token itself stays until its time."""

    @abstractmethod
    async def withdraw(self, place: Place) -> None:
        """Remove the token and all that goes with it; nothing there is no error."""

    @abstractmethod
    async def look(self, place: Place) -> TokenLife | None:
        """Return how long the token there is good; None where there is none."""


class FileTokenSink(TokenSink):
    """Put tokens into files of this machine, below a folder of this process's own."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # a server's token is one thing: nobody withdraws between two of its files
        self._turn = asyncio.Lock()
        self._works: set[asyncio.Task[None]] = set()

    def path(self, place: Place) -> Path:
        """Return the folder that the server sees."""
        return self._root / place.folder

    async def prepare(self, place: Place) -> None:
        """Make the folder; raise ``TokenSinkError`` if it cannot be."""
        await self._in_turn(place, _empty)

    async def put(self, place: Place, token: str, life: TokenLife) -> None:
        """Write the token beside, then rename it; ``TokenSinkError`` leaves the old one."""

        def write(folder: int) -> None:
            # the times last: whoever sees new ones finds the new token
            _replace(folder, TOKEN, f"{token}\n", place)
            _replace(folder, LIFETIME, f"{life.lifetime_seconds:.0f}\n")
            _replace(folder, EXPIRES_AT, f"{life.expires_at:.0f}\n")
            _remove(folder, PROBLEM)

        await self._in_turn(place, write)

    async def trouble(self, place: Place, words: str) -> None:
        """Write the words into a file of their own."""
        await self._in_turn(
            place, lambda folder: _replace(folder, PROBLEM, f"{words}\n")
        )

    async def withdraw(self, place: Place) -> None:
        """Remove the files and leave the folder: clusters may still have it mounted."""
        if await asyncio.to_thread(self.path(place).is_dir):
            await self._in_turn(place, _empty)

    async def look(self, place: Place) -> TokenLife | None:
        """Read the times back."""
        found: list[float | None] = []

        def read(folder: int) -> None:
            found.extend(_read_number(folder, name) for name in (EXPIRES_AT, LIFETIME))

        if not await asyncio.to_thread(self.path(place).is_dir):
            return None
        await self._in_turn(place, read)
        expires_at, lifetime = found
        if expires_at is None or lifetime is None:
            return None
        return TokenLife(expires_at - lifetime, expires_at)

    async def _in_turn(self, place: Place, act: _Act) -> None:
        """Do one thing at a time; who is cancelled meanwhile does not give the turn away."""
        work = asyncio.create_task(self._do(place, act))
        self._works.add(work)
        work.add_done_callback(self._forget)
        await asyncio.shield(work)

    async def _do(self, place: Place, act: _Act) -> None:
        async with self._turn:
            # a thread goes on also where who waits for it has been cancelled
            await asyncio.to_thread(self._act, place, act)

    def _forget(self, work: asyncio.Task[None]) -> None:
        self._works.discard(work)
        if not work.cancelled():
            # where nobody waits any more nobody else asks for it
            work.exception()

    def _act(self, place: Place, act: _Act) -> None:
        try:
            with self._opened(place) as folder:
                act(folder)
                os.fsync(folder)
        except OSError as error:
            msg = f"the folder of tokens could not be written ({error.strerror})"
            raise TokenSinkError(msg) from None

    @contextmanager
    def _opened(self, place: Place) -> Iterator[int]:
        """Open the server's folder, made where it is missing, never through a link."""
        root = os.open(self._root, _FOLDER)
        try:
            folder = _open_folder(root, place.folder)
        finally:
            os.close(root)
        try:
            yield folder
        finally:
            os.close(folder)


def _open_folder(root: int, name: str) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=root)
    folder = os.open(name, _FOLDER, dir_fd=root)
    if os.fstat(folder).st_uid != os.geteuid():
        os.close(folder)
        msg = f"The folder {name} of a token is somebody else's."
        raise TokenSinkError(msg)
    # inside the sandbox the person enters it; outside nobody passes the root
    os.fchmod(folder, 0o755)
    return folder


def _replace(folder: int, name: str, text: str, owner: Place | None = None) -> None:
    """Write a file beside and rename it: for its owner alone, or for everybody to read."""
    aside = f".{name}.new"
    _remove(folder, aside)
    descriptor = os.open(aside, _NEW_FILE, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii", errors="replace") as file:
            file.write(text)
            file.flush()
            if owner is None:
                os.fchmod(file.fileno(), 0o444)
            else:
                _give(file.fileno(), owner)
            os.fsync(file.fileno())
        os.rename(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        _remove(folder, aside)
        raise


def _give(descriptor: int, owner: Place) -> None:
    """Make a file its owner's alone; an ordinary user's hub has one owner for all."""
    os.fchmod(descriptor, 0o400)
    if os.geteuid() == 0:
        os.fchown(descriptor, owner.uid, owner.gid)


def _remove(folder: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _empty(folder: int) -> None:
    for name in os.listdir(folder):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            msg = "There is a folder where only a token's files belong."
            raise TokenSinkError(msg)
        _remove(folder, name)


def _read_number(folder: int, name: str) -> float | None:
    try:
        descriptor = os.open(name, _OLD_FILE, dir_fd=folder)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
        text = file.read(_LONGEST_NUMBER + 2).strip()
    is_number = text.isdecimal() and len(text) <= _LONGEST_NUMBER
    return float(text) if is_number else None
