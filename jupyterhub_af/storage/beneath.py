"""Open directories of the volume without ever following a link out of it.

People write in trees below the volume and may exchange what they own at any moment. A
path is therefore resolved once, by the kernel, into a descriptor, and every change is
made on that descriptor. ``openat2`` refuses links and escapes in one call; an older
kernel, or one that hides the call, gets the same by one step for each component.

Source: openat2(2), open(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from functools import cache

Opener = Callable[[int, str], int]

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPENAT2 = 437  # the same number on every architecture: the call is younger than them
_NOREPLACE = 1
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08


class _OpenHow(ctypes.Structure):
    """``struct open_how``."""

    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def open_with_openat2(root_fd: int, path: str) -> int:
    """Return a descriptor of a directory below ``root_fd``, resolved in one call."""
    how = _OpenHow(_FLAGS, 0, _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH)
    name, size = os.fsencode(path), ctypes.sizeof(how)
    while True:
        fd = _libc().syscall(_OPENAT2, root_fd, name, ctypes.byref(how), size)
        if fd >= 0:
            return int(fd)
        code = ctypes.get_errno()
        if code != errno.EINTR:
            raise OSError(code, os.strerror(code), path)


def open_step_by_step(root_fd: int, path: str) -> int:
    """Return a descriptor of a directory below ``root_fd``, one component at a time.

    Every step refuses a link, and names are checked before (no ``..``), so no step can
    leave the directory that the step before opened.
    """
    fd = os.dup(root_fd)
    for component in path.split("/"):
        try:
            next_fd = os.open(component, _FLAGS, dir_fd=fd)
        finally:
            os.close(fd)
        fd = next_fd
    return fd


def choose_opener() -> Opener:
    """Return the best opener of this kernel."""
    root_fd = os.open("/", _FLAGS)
    try:
        os.close(open_with_openat2(root_fd, "."))
    except OSError as error:
        # EPERM: a container's system call filter that does not know the call
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        return open_step_by_step
    finally:
        os.close(root_fd)
    return open_with_openat2


def rename_if_free(from_fd: int, name: str, to_fd: int, to: str) -> None:
    """Rename between opened directories, and never in place of something.

    Where the file system cannot promise that, it is looked at before: there, the caller
    must be the only one who writes in the second directory.

    Raises
    ------
    FileExistsError
        If the name is taken.
    """
    names = (from_fd, os.fsencode(name), to_fd, os.fsencode(to))
    if _libc().renameat2(*names, _NOREPLACE) == 0:
        return
    code = ctypes.get_errno()
    if code not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(code, os.strerror(code), to)
    try:
        os.stat(to, dir_fd=to_fd, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(name, to, src_dir_fd=from_fd, dst_dir_fd=to_fd)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), to)
