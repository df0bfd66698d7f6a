"""Why a tree could not be backed up, in words for the administrator."""

from __future__ import annotations

import os

from jupyterhub_af.policy.errors import AFError


class BackupError(AFError):
    """Say why there is no new generation; the earlier ones are whole."""


class RacedError(BackupError):
    """Say that folders were exchanged so fast that rsync trusted its own list no more."""


def to_backup_error(error: OSError) -> BackupError:
    """Return what the file system said, in words."""
    said = os.strerror(error.errno) if error.errno else str(error)
    return BackupError(f"The file system said {said!r}; the earlier ones are whole.")
