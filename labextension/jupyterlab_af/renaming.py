"""Names given and exchanged in a folder without ever losing what had them.

The kernel does both in one step (``renameat2``); where a file system does not know
how, as some network ones, it takes several steps, each of which loses nothing either.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import stat
from functools import cache
from typing import TYPE_CHECKING

from jupyterlab_af.beneath import find

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_REPLACE = 1
_EXCHANGE = 2
_UNKNOWN = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR})


@cache
def _renameat2() -> Callable[..., int]:
    function: Callable[..., int] = ctypes.CDLL(None, use_errno=True).renameat2
    return function


def _rename(folder: int, old: str, new: str, flag: int) -> None:
    """Rename in the folder as `flag` says, in one step.

    Raises
    ------
    OSError
        If it cannot be; the number is the kernel's.
    """
    old_name, new_name = os.fsencode(old), os.fsencode(new)
    if _renameat2()(folder, old_name, folder, new_name, flag) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), old, None, new)


def give_name(folder: int, old: str, new: str) -> None:
    """Rename `old` to `new`.

    Raises
    ------
    FileExistsError
        If something has that name.
    """
    try:
        _rename(folder, old, new, _NO_REPLACE)
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
        _give_name_by_steps(folder, old, new)


def _give_name_by_steps(folder: int, old: str, new: str) -> None:
    status = find(folder, old)
    if status is not None and stat.S_ISDIR(status.st_mode):
        try:
            # a folder takes the place of an empty one at most
            os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            if error.errno in _TAKEN:
                raise FileExistsError(errno.EEXIST, "taken", new) from None
            raise
        return
    os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    os.unlink(old, dir_fd=folder)


def exchange_names(folder: int, one: str, other: str) -> str:
    """Let two names change what they are of; return the name of what `other` was of.

    That is `one`, but where it takes several steps and a third took it meanwhile.

    Raises
    ------
    FileNotFoundError
        If one of them is of nothing.
    FileExistsError
        If a third took `other` meanwhile, where it takes several steps; then `one` is of
        what it was, and what `other` was of is kept under another name.
    """
    try:
        _rename(folder, one, other, _EXCHANGE)
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
        return _exchange_by_steps(folder, one, other)
    return one


def _exchange_by_steps(folder: int, one: str, other: str) -> str:
    aside = f"{one[:100]}.{secrets.token_hex(4)}"
    give_name(folder, other, aside)
    try:
        give_name(folder, one, other)
    except FileExistsError:
        raise
    except OSError:
        give_name(folder, aside, other)
        raise
    try:
        give_name(folder, aside, one)
    except FileExistsError:
        return aside
    return one
