"""What can be wrong with an earlier version, each with a status, a code and words.

The code is for the plugin, which says it in the person's language; the words are for
everybody else.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_SHOWN = 200
_NO_FOLDER = frozenset({errno.ENOTDIR, errno.ELOOP})


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that can be wrong; ``{path}`` in the words is the place of the value."""

    code: str
    status: int
    words: str

    def error(self, path: str) -> TroubleError:
        """Return the exception that says it of a path."""
        shown = path.encode("utf-8", "backslashreplace").decode()
        shown = "".join(c if c.isprintable() else "?" for c in shown)
        return TroubleError(self, shown[:_SHOWN])


class TroubleError(Exception):
    """Something is wrong, in words for the person."""

    def __init__(self, trouble: Trouble, path: str) -> None:
        super().__init__(trouble, path)
        self.code = trouble.code
        self.status = trouble.status
        self._words = trouble.words.replace("{path}", path)

    def __str__(self) -> str:
        """Return the words."""
        return self._words


UNSAFE_PATH = Trouble(
    "unsafe-path",
    400,
    "{path} is no path of a file here. Give one below the first folder, without '..'.",
)
NOT_THERE = Trouble("not-there", 404, "There is no {path}.")
IN_THE_WAY = Trouble(
    "in-the-way",
    409,
    "The way to {path} leads through a link, or through something that is no folder.",
)
NOT_YOURS = Trouble("not-yours", 403, "You may not read or change {path}.")
NO_ROOM = Trouble(
    "no-room",
    507,
    "There is no room for {path}. Nothing was changed; delete what you no longer need, "
    "then try again.",
)
FAILED = Trouble("failed", 500, "The disk of {path} failed. Nothing was changed.")


@contextmanager
def telling_trouble(path: str) -> Iterator[None]:
    """Say what the file system refused of `path` in words."""
    try:
        yield
    except FileNotFoundError:
        raise NOT_THERE.error(path) from None
    except OSError as error:
        if error.errno in _NO_FOLDER:
            raise IN_THE_WAY.error(path) from error
        if error.errno in READ_ONLY:
            raise NOT_YOURS.error(path) from error
        raise (NO_ROOM if error.errno in FULL else FAILED).error(path) from error
