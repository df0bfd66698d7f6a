"""The facility as the hub sees it now: read again when the file has changed.

A bad edit never takes effect and never takes the good one away: it is logged, and the
last good facility stays in force.
"""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from jupyterhub_af.policy.errors import ConfigError, Problem
from jupyterhub_af.policy.facility import Facility, replace_issuer
from jupyterhub_af.policy.facility_text import parse_facility

_Stamp = tuple[int, int, int]


def load_facility(path: Path, issuer: str = "") -> Facility:
    """Read and parse a facility file; ``issuer`` takes the place of the file's if given.

    Raises
    ------
    ConfigError
        With every problem of the file, or because somebody else could have written it.
    """
    status = path.stat()
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & stat.S_IWOTH:
        message = (
            "must belong to root or to the hub's user, and nobody else may write it"
        )
        raise ConfigError(str(path), (Problem(0, "", message),))
    facility = parse_facility(path.read_text(encoding="utf8"), file_name=str(path))
    return replace_issuer(facility, issuer) if issuer else facility


class Catalogue:
    """One facility file, kept up to date by looking at it when asked."""

    def __init__(self, path: Path, issuer: str, log: logging.Logger) -> None:
        self._path = path
        self._issuer = issuer
        self._log = log
        self._stamp = self._read_stamp()
        self._facility = load_facility(path, issuer)

    def current(self) -> Facility:
        """Return the last good facility, after a look at whether the file changed."""
        try:
            stamp = self._read_stamp()
            if stamp != self._stamp:
                self._stamp = stamp
                self._facility = load_facility(self._path, self._issuer)
                self._log.info("read the changed facility file %s", self._path)
        except (OSError, UnicodeDecodeError, ConfigError) as error:
            self._log.error(
                "kept the last good facility; the file is not usable: %s", error
            )
        return self._facility

    def _read_stamp(self) -> _Stamp:
        """Return what changes with the file; the path is followed anew each time."""
        status = self._path.stat()
        return (status.st_mtime_ns, status.st_size, status.st_ino)


_catalogues: dict[tuple[str, str], Catalogue] = {}


def shared_catalogue(path: Path, issuer: str, log: logging.Logger) -> Catalogue:
    """Return the process's one catalogue of a file: authenticator and spawners share it."""
    key = (str(path), issuer)
    if key not in _catalogues:
        _catalogues[key] = Catalogue(path, issuer, log)
    return _catalogues[key]
