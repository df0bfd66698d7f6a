"""A secret in a file that nobody but its owner can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from jupyterhub_af.policy.errors import AFError

_LONGEST = 4096


class SecretFileError(AFError):
    """Say why a file does not count as a secret's place."""


def read_secret(path: Path) -> str:
    """Return the secret, read anew each time so that a changed one needs no restart.

    Raises
    ------
    SecretFileError
        If the file is absent or empty, others may read it, or it is somebody else's.
    """
    try:
        with path.open(encoding="ascii") as file:
            status = os.fstat(file.fileno())
            secret = file.read(_LONGEST).strip()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"The secret file {path} cannot be read ({type(error).__name__})."
        raise SecretFileError(msg) from None
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 or status.st_uid not in (0, os.geteuid()):
        msg = (
            f"The secret file {path} has mode {mode:04o} and owner {status.st_uid}; "
            "only its owner, the hub or root, may have access: give it mode 0600."
        )
        raise SecretFileError(msg)
    if not secret:
        msg = f"The secret file {path} is empty."
        raise SecretFileError(msg)
    return secret
