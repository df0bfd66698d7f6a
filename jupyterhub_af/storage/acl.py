"""Access control lists of directories, in the kernel's own form.

A *default* list says what new files and directories may be, and the kernel then leaves
the umask aside; directories made below inherit it. The lists here have the three
entries that a mode has and nobody by name, so that what a directory's owner, its group
and the others may do is said in one place, its mode.

Source: acl(5), ``linux/posix_acl_xattr.h``.
"""

from __future__ import annotations

import errno
import os
import stat
import struct

DEFAULT = "system.posix_acl_default"
ACCESS = "system.posix_acl_access"
_HEADER, _ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_VERSION = 2
_OWNER, _GROUP, _OTHER = 0x01, 0x04, 0x20
_NOBODY_BY_NAME = 0xFFFFFFFF
# ENODATA: there is no list. The others: this file system keeps, or lets us keep, none.
_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})
_REFUSED = _UNSUPPORTED | {errno.EPERM, errno.EACCES}


def to_acl(mode: int) -> bytes:
    """Return the list that says the same as a mode."""
    entries = ((_OWNER, mode >> 6), (_GROUP, mode >> 3), (_OTHER, mode))
    return _HEADER.pack(_VERSION) + b"".join(
        _ENTRY.pack(tag, bits & 0o7, _NOBODY_BY_NAME) for tag, bits in entries
    )


def wanted_default(mode: int) -> bytes | None:
    """Return the default list for a directory of this mode, None where it needs none.

    Only a directory that hands on its group is written by several people.
    """
    return to_acl(mode) if mode & stat.S_ISGID else None


def read_acl(fd: int, name: str) -> bytes | None:
    """Return a list of an opened directory, None where there is none."""
    try:
        return os.getxattr(fd, name)
    except OSError as error:
        if error.errno == errno.ENODATA or error.errno in _UNSUPPORTED:
            return None
        raise


def is_refusal(error: OSError) -> bool:
    """Tell whether a file system has no lists, or lets the agent set none."""
    return error.errno in _REFUSED
