"""The facility file as this process last read it.

A file that changed is read again as a whole. One with problems changes nothing: the
last good facility stays in force and the problems show in ``/health``.
"""

from __future__ import annotations

import os
import stat
import threading
from dataclasses import dataclass
from pathlib import Path

from jupyterhub_af.policy.errors import ConfigError, Problem
from jupyterhub_af.policy.facility import Facility, facility_digest, replace_issuer
from jupyterhub_af.policy.facility_text import MAX_TEXT_BYTES, parse_facility

# Device, inode, size, times of change of content and of mode: a ConfigMap swaps the
# inode behind the path, and a mended mode makes a refused file readable.
Stamp = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Edition:
    """A facility, its digest, and what is wrong with an edit that was not accepted."""

    facility: Facility
    digest: str
    problems: tuple[str, ...] = ()


class Catalogue:
    """Read the facility file at start, and again whenever it changes."""

    def __init__(self, path: Path, *, issuer: str = "") -> None:
        self._path = path
        self._issuer = issuer
        self._lock = threading.Lock()
        self._stamp: Stamp | None
        self._stamp, facility = self._read()
        # Who a person is hangs on the issuer: it is not live.
        self.issuer = facility.iam.issuer
        self._edition = Edition(facility, facility_digest(facility))

    @property
    def last(self) -> Edition:
        """Return the edition in force, without looking at the file."""
        return self._edition

    def refresh(self) -> tuple[Edition, bool]:
        """Return the edition in force, and whether the file was read for it just now."""
        with self._lock:
            stamp = self._look()
            if stamp == self._stamp:
                return self._edition, False
            self._stamp = stamp
            self._edition = self._make_edition()
            return self._edition, True

    def _make_edition(self) -> Edition:
        try:
            self._stamp, facility = self._read()
        except ConfigError as error:
            problems = tuple(p.to_text(error.file_name) for p in error.problems)
            return Edition(self._edition.facility, self._edition.digest, problems)
        problems = ()
        if facility.iam.issuer.rstrip("/") != self.issuer.rstrip("/"):
            problems = ("iam.issuer changed: it takes effect after a restart.",)
        return Edition(facility, facility_digest(facility), problems)

    def _look(self) -> Stamp | None:
        try:
            return _stamp(self._path.stat())
        except OSError:
            return None

    def _read(self) -> tuple[Stamp, Facility]:
        """Read the file through one descriptor: what is checked is what is parsed."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                self._check_owner(status)
                data = file.read(MAX_TEXT_BYTES + 1)
        except OSError as error:
            raise self._error(f"cannot be read: {error.strerror}.") from error
        try:
            text = data.decode("utf8")
        except UnicodeDecodeError as error:
            raise self._error("is not UTF-8 text.") from error
        facility = parse_facility(text, file_name=self._path.name)
        if self._issuer:
            facility = replace_issuer(facility, self._issuer)
        return _stamp(status), facility

    def _check_owner(self, status: os.stat_result) -> None:
        """Refuse a file that somebody else may write: it says who may do what."""
        if status.st_uid not in (0, os.geteuid()):
            raise self._error(
                "must belong to root or to the user this process runs as."
            )
        if status.st_mode & stat.S_IWOTH:
            raise self._error("may be written by everybody: run chmod o-w on it.")

    def _error(self, message: str) -> ConfigError:
        return ConfigError(self._path.name, (Problem(0, "", message),))


def _stamp(status: os.stat_result) -> Stamp:
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
