"""What lies below some folders, entry by entry: for comparing copies with what was.

Entries come in one order, folder before content and names by their bytes, so that two
lists are compared in one pass and never held in memory. Links are entries, never
followed; sockets hold nothing and are left out.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, BinaryIO, Literal

from pydantic import Field

from jupyterhub_af.policy.messages import Message

from .beneath import Opener

FORMAT: Literal[1] = 1
Type = Literal["file", "folder", "link", "pipe", "device"]
_ACL, _DEFAULT_ACL = "system.posix_acl_access", "system.posix_acl_default"
_NO_ACL = frozenset({errno.ENODATA, errno.ENOTSUP, errno.EINVAL})
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TYPES: dict[int, Type] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


class Heading(Message):
    """The first line of a manifest: what it lists, and when it was made."""

    format: Literal[1]
    made_at: float
    roots: tuple[str, ...]


class Entry(Message):
    """One thing of a tree; path and target are written as ``to_text`` does.

    ``time_ns`` is when it was last written. ``same_as`` is the first path of the same
    file, where it has several. ``problem`` is why it could not be read.
    """

    path: str
    type: Type
    mode: Annotated[int, Field(ge=0)]
    uid: int
    gid: int
    time_ns: int
    size: int = 0
    sha256: str = ""
    target: str = ""
    acl: str = ""
    default_acl: str = ""
    same_as: str = ""
    problem: str = ""


def to_line(message: Message) -> bytes:
    """Return a message as one line of JSON; what is empty is left out."""
    return message.model_dump_json(exclude_defaults=True).encode() + b"\n"


def to_text(name: str) -> str:
    r"""Return a name as text, also one that is none: its odd bytes as ``\xff``.

    A backslash is written twice, so that no two names give the same text.
    """
    doubled = name.replace("\\", "\\\\")
    return os.fsencode(doubled).decode("utf8", "backslashreplace")


@dataclass(slots=True)
class Walk:
    """A look at everything below some folders of a volume."""

    root_fd: int
    opener: Opener
    _first: dict[tuple[int, int], str] = field(default_factory=dict)

    def entries(self, roots: Iterable[str]) -> Iterator[Entry]:
        """Return every entry, in the order of paths; a root that is missing is none."""
        for root in sorted(roots, key=lambda root: sort_key(to_text(root))):
            parent, _, name = root.rpartition("/")
            yield from self._below(parent, name)

    def _below(self, parent: str, name: str) -> Iterator[Entry]:
        waiting = [(parent, name)]
        while waiting:
            parent, name = waiting.pop()
            path = f"{parent}/{name}" if parent else name
            found = self._look(parent, name, path)
            if found is None:
                continue
            entry, inside = found
            yield entry
            waiting += [(path, child) for child in reversed(inside)]

    def _look(
        self, parent: str, name: str, path: str
    ) -> tuple[Entry, list[str]] | None:
        """Return an entry and the names inside it; None for what is gone, or a socket."""
        try:
            parent_fd = self.opener(self.root_fd, parent or ".")
        except FileNotFoundError:
            return None
        except OSError as error:
            return _unread(path, error), []
        try:
            status = os.stat(name, dir_fd=parent_fd, follow_symlinks=False)
            kind = _TYPES.get(stat.S_IFMT(status.st_mode))
            if kind is None:
                return None
            return self._read(parent_fd, name, path, status, kind)
        except FileNotFoundError:
            return None
        except OSError as error:
            return _unread(path, error), []
        finally:
            os.close(parent_fd)

    def _read(
        self, parent_fd: int, name: str, path: str, status: os.stat_result, kind: Type
    ) -> tuple[Entry, list[str]]:
        values: dict[str, object] = {
            "path": to_text(path),
            "type": kind,
            "mode": stat.S_IMODE(status.st_mode),
            "uid": status.st_uid,
            "gid": status.st_gid,
            "time_ns": status.st_mtime_ns,
        }
        inside: list[str] = []
        if kind == "link":
            values["target"] = to_text(os.readlink(name, dir_fd=parent_fd))
        elif kind == "file":
            values |= self._read_file(parent_fd, name, status)
        elif kind == "folder":
            more, inside = _read_folder(parent_fd, name)
            values |= more
        if kind != "folder" and status.st_nlink > 1:
            place, text = (status.st_dev, status.st_ino), to_text(path)
            first = self._first.setdefault(place, text)
            values["same_as"] = "" if first == text else first
        return Entry.model_validate(values), inside

    def _read_file(
        self, parent_fd: int, name: str, status: os.stat_result
    ) -> dict[str, object]:
        fd = os.open(name, _READ, dir_fd=parent_fd)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EAGAIN, "it was exchanged while it was read")
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return {"size": status.st_size, "sha256": digest, "acl": _acl(fd, _ACL)}


def sort_key(path: str) -> tuple[bytes, ...]:
    """Return what puts paths, as ``to_text`` writes them, in the order of a walk."""
    return tuple(part.encode() for part in path.split("/"))


def _read_folder(parent_fd: int, name: str) -> tuple[dict[str, object], list[str]]:
    fd = os.open(name, _READ | os.O_DIRECTORY, dir_fd=parent_fd)
    try:
        with os.scandir(fd) as entries:
            names = (entry.name for entry in entries)
            inside = sorted(names, key=lambda name: to_text(name).encode())
        return {"acl": _acl(fd, _ACL), "default_acl": _acl(fd, _DEFAULT_ACL)}, inside
    finally:
        os.close(fd)


def _acl(fd: int, name: str) -> str:
    """Return an access list as the kernel keeps it, in hexadecimal; empty: none."""
    try:
        return os.getxattr(fd, name).hex()
    except OSError as error:
        if error.errno in _NO_ACL:
            return ""
        raise


def _unread(path: str, error: OSError) -> Entry:
    said = error.strerror or type(error).__name__
    return Entry(
        path=to_text(path), type="file", mode=0, uid=0, gid=0, time_ns=0, problem=said
    )


def write_manifest(
    file: BinaryIO, walk: Walk, roots: tuple[str, ...], *, made_at: float
) -> int:
    """Write a heading and every entry, a line each; return how many entries."""
    file.write(to_line(Heading(format=FORMAT, made_at=made_at, roots=roots)))
    count = 0
    for entry in walk.entries(roots):
        file.write(to_line(entry))
        count += 1
    return count


def read_manifest(file: BinaryIO) -> tuple[Heading, Iterator[Entry]]:
    """Return the heading of a manifest and its entries, read one by one.

    Raises
    ------
    pydantic.ValidationError
        If a line is not what it should be.
    """
    heading = Heading.model_validate_json(file.readline())
    return heading, (Entry.model_validate_json(line) for line in file)
