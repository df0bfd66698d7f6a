"""File systems that are slow, refuse, or keep less than they say: stand-ins for NFS.

``small_file_system`` is a server of directories in memory that speaks FUSE with the
kernel itself, so that the agent's own system calls wait and fail. ``bindfs`` shows a
folder with less power. Neither is NFS; each does one thing that an NFS server does.

Source: ``linux/fuse.h``, protocol 7.31.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

LOOKUP, FORGET, GETATTR, SETATTR, MKDIR, STATFS = 1, 2, 3, 4, 9, 17
SETXATTR, GETXATTR, INIT, OPENDIR, RELEASEDIR = 21, 22, 26, 27, 29
INTERRUPT, BATCH_FORGET = 36, 42
_SILENT = (FORGET, BATCH_FORGET, INTERRUPT)
_IN, _OUT = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ")
_ATTR = struct.Struct("<6Q10I")
_ENTRY, _ATTR_OUT = struct.Struct("<4QII"), struct.Struct("<QII")
_SET = struct.Struct("<IIQQQQQQ8I")
_INIT = struct.Struct("<IIIIHHIIHH8I")
_ROOT, _BUFFER = 1, 1 << 20


@dataclass
class _Directory:
    """A directory's mode and owner, and what is in it by name."""

    mode: int = stat.S_IFDIR | 0o755
    uid: int = 0
    gid: int = 0
    names: dict[str, int] = field(default_factory=dict)


@dataclass
class SmallFileSystem:
    """Answer the kernel: ``delay`` seconds late, or with an error for a kind of call.

    ``makes_as`` is the owner of whatever is made, as where root is squashed.
    """

    device: int
    delay: float = 0.0
    refused: Mapping[int, int] = field(default_factory=dict)
    makes_as: int = 0
    inodes: dict[int, _Directory] = field(default_factory=lambda: {1: _Directory()})

    def serve(self) -> None:
        """Answer until the file system is unmounted."""
        while True:
            try:
                request = os.read(self.device, _BUFFER)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return
            _, kind, unique, node, *_ = _IN.unpack_from(request)
            if kind in _SILENT:
                continue
            number, body = self._answer(kind, node, request[_IN.size :])
            head = _OUT.pack(_OUT.size + len(body), -number, unique)
            try:
                os.write(self.device, head + body)
            except OSError:
                # the call was given up meanwhile
                continue

    def _answer(self, kind: int, node: int, body: bytes) -> tuple[int, bytes]:
        if kind != INIT:
            time.sleep(self.delay)
        if kind in self.refused:
            return self.refused[kind], b""
        answers: dict[int, Callable[[int, bytes], bytes | None]] = {
            INIT: lambda _node, _body: _INIT.pack(
                7, 31, 1 << 16, 0, 12, 9, 1 << 16, 1, 1, 0, *(0,) * 8
            ),
            LOOKUP: self._lookup,
            GETATTR: lambda node, _body: self._attributes(node),
            SETATTR: self._change,
            MKDIR: self._make,
            OPENDIR: lambda _node, _body: bytes(16),
            RELEASEDIR: lambda _node, _body: b"",
            STATFS: lambda _node, _body: struct.pack(
                "<5Q4I6I", 1000, 1000, 1000, 1000, 1000, 4096, 255, 4096, *(0,) * 7
            ),
        }
        if kind not in answers:
            return errno.ENOSYS, b""
        found = answers[kind](node, body)
        return (errno.ENOENT, b"") if found is None else (0, found)

    def _entry(self, node: int) -> bytes:
        # valid for no time at all: every look comes here
        return _ENTRY.pack(node, 0, 0, 0, 0, 0) + self._packed(node)

    def _packed(self, node: int) -> bytes:
        one = self.inodes[node]
        return _ATTR.pack(
            *(node, 4096, 8, 0, 0, 0),
            *(0, 0, 0, one.mode, 2, one.uid, one.gid, 0, 4096, 0),
        )

    def _attributes(self, node: int) -> bytes:
        return _ATTR_OUT.pack(0, 0, 0) + self._packed(node)

    def _lookup(self, node: int, body: bytes) -> bytes | None:
        found = self.inodes[node].names.get(os.fsdecode(body.rstrip(b"\0")))
        return None if found is None else self._entry(found)

    def _make(self, node: int, body: bytes) -> bytes:
        mode, _umask = struct.unpack_from("<II", body)
        new = len(self.inodes) + 1
        one = _Directory(stat.S_IFDIR | mode, self.makes_as, self.makes_as)
        self.inodes[new] = one
        self.inodes[node].names[os.fsdecode(body[8:].rstrip(b"\0"))] = new
        return self._entry(new)

    def _change(self, node: int, body: bytes) -> bytes:
        valid, *rest = _SET.unpack_from(body)
        mode, _, uid, gid, _ = rest[-5:]
        one = self.inodes[node]
        if valid & 1:
            one.mode = stat.S_IFDIR | stat.S_IMODE(mode)
        one.uid = uid if valid & 2 else one.uid
        one.gid = gid if valid & 4 else one.gid
        return self._attributes(node)


@contextmanager
def mounted_device(folder: Path) -> Iterator[int]:
    """Mount FUSE at a folder; closing the device ends every wait."""
    assert os.geteuid() == 0, "mounting needs root"
    assert Path("/dev/fuse").exists(), "a kernel with FUSE is needed"
    folder.mkdir(parents=True, exist_ok=True)
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    libc, name = ctypes.CDLL(None, use_errno=True), os.fsencode(folder)
    try:
        answer = libc.mount(b"small", name, b"fuse", 0, options)
        assert answer == 0, os.strerror(ctypes.get_errno())
        yield device
    finally:
        os.close(device)
        libc.umount2(name, 2)


@contextmanager
def hanging_file_system(folder: Path) -> Iterator[None]:
    """Mount a file system whose server never answers."""
    with mounted_device(folder):
        yield


@contextmanager
def small_file_system(folder: Path, **options: object) -> Iterator[SmallFileSystem]:
    """Mount a file system of directories in memory, as slow and as strict as asked."""
    with mounted_device(folder) as device:
        server = SmallFileSystem(device, **options)
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
            thread.join(10)


@contextmanager
def weaker_view(folder: Path, *options: str) -> Iterator[None]:
    """Show a folder in its own place by bindfs, with less power over it."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["bindfs", "-o", "nonempty", *options, str(folder), str(folder)]
    subprocess.run(command, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def small_disk(folder: Path, image: Path, *, mebibytes: int = 4) -> Iterator[None]:
    """Mount an ext4 of its own: a disk that can be filled."""
    folder.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(mebibytes * 1024**2)
    subprocess.run(
        ["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", str(image)],
        check=True,
    )
    subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)
