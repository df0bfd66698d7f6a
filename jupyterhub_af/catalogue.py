"""The facility file as a process sees it: live, and never worse than the last good one.

A file that changed is read again as a whole, by its path: ConfigMaps swap links. An edit
that cannot be used changes nothing: the last good facility stays in force, the log says
once what is wrong, and the problems stay to be shown until the file is mended.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from jupyterhub_af.policy.errors import ConfigError, Problem
from jupyterhub_af.policy.facility import Facility, facility_digest, replace_issuer
from jupyterhub_af.policy.facility_text import MAX_TEXT_BYTES, parse_facility

# For who may not know what is in the file; the log has the rest.
NOT_IN_FORCE = "The edited facility file is not in force as it is; the log says why."

# A file left alone this long is taken as written: editors that write in place do so in
# pieces, and half a file may be a valid one that opens what the whole one closes.
_MOMENT_SECONDS = 0.02
_MOST_MOMENTS = 5
# Two edits within one tick of the file system's clock have the same stamp, so a file
# is compared by its text until it is older than the coarsest clock.
_SETTLED_SECONDS = 2.0

# Device, inode, size, times of change of content and of mode and owner.
_Stamp = tuple[int, int, int, int, int]
# The text, or why it could not be read.
_Source = tuple[str, tuple[Problem, ...]]
_Log = logging.Logger | logging.LoggerAdapter[logging.Logger]


@dataclass(frozen=True, slots=True)
class Edition:
    """The facility in force since ``accepted_at_seconds``, and what is wrong with the file.

    Without ``problems``, the file is in force as it is.
    """

    facility: Facility
    digest: str
    accepted_at_seconds: float
    problems: tuple[str, ...] = ()


class Catalogue:
    """One facility file, kept up to date by a look at it whenever somebody asks.

    ``issuer`` takes the place of the file's if given. Who a person is hangs on it, so
    it is fixed at the start and an edit of it waits for the next one. May be asked from
    any thread.

    Raises
    ------
    ConfigError
        With every problem of the file: a process does not start with a bad one.
    """

    def __init__(self, path: Path, log: _Log, *, issuer: str = "") -> None:
        self._path = path
        self._log = log
        self._is_issuer_given = bool(issuer)
        self._owners = frozenset({0, os.geteuid()})
        self._lock = threading.Lock()
        # looked at before it is read: a change in between is seen at the next look
        self._note_stamp(_look(path))
        self._source: _Source = (self._read(), ())
        facility = self._parse(self._source)
        self.issuer = issuer or facility.iam.issuer
        self._edition = self._to_edition(facility)

    @property
    def last(self) -> Edition:
        """Return the edition in force, without a look at the file."""
        return self._edition

    def current(self) -> Edition:
        """Return the edition in force; a file that changed is read first."""
        with self._lock:
            stamp = _look(self._path)
            if stamp != self._stamp or not self._is_settled:
                self._renew(stamp)
            return self._edition

    def _renew(self, stamp: _Stamp | None) -> None:
        """Put the file in force, or say why not, unless it is what it was."""
        source = self._load(stamp)
        if source == self._source:
            return
        self._source = source
        try:
            edition = self._to_edition(self._parse(source))
        except ConfigError as error:
            self._keep(tuple(p.to_text(error.file_name) for p in error.problems))
        else:
            self._accept(edition)

    def _accept(self, edition: Edition) -> None:
        self._edition = edition
        self._log.info("Read the facility file again: %s", edition.digest)
        for problem in edition.problems:
            self._log.warning("Left a part of the facility file out: %s", problem)

    def _keep(self, problems: tuple[str, ...]) -> None:
        self._edition = replace(self._edition, problems=problems)
        for problem in problems:
            self._log.error("Kept the last good facility: %s", problem)

    def _load(self, stamp: _Stamp | None) -> _Source:
        """Return the text of the file, or why there is none."""
        try:
            if stamp != self._stamp:
                self._await_writer(stamp)
            return self._read(), ()
        except ConfigError as error:
            return "", error.problems

    def _parse(self, source: _Source) -> Facility:
        text, problems = source
        if problems:
            raise ConfigError(str(self._path), problems)
        return parse_facility(text, file_name=str(self._path))

    def _to_edition(self, facility: Facility) -> Edition:
        """Return the facility with the issuer of the start."""
        problems: tuple[str, ...] = ()
        wanted = facility.iam.issuer
        if wanted != self.issuer:
            facility = replace_issuer(facility, self.issuer)
            if not self._is_issuer_given:
                problems = (self._name_waiting_issuer(wanted),)
        return Edition(facility, facility_digest(facility), time.time(), problems)

    def _name_waiting_issuer(self, wanted: str) -> str:
        message = (
            f"is {wanted!r} now; this takes effect after a restart, and until then "
            f"{self.issuer!r} is in force."
        )
        return Problem(0, "iam.issuer", message).to_text(str(self._path))

    def _await_writer(self, stamp: _Stamp | None) -> None:
        """Return once nobody has written to the file for a moment, or refuse it."""
        for _ in range(_MOST_MOMENTS):
            time.sleep(_MOMENT_SECONDS)
            last, stamp = stamp, _look(self._path)
            if stamp == last:
                self._note_stamp(stamp)
                return
        message = "changes all the time: write it beside and rename it."
        raise _error(str(self._path), message)

    def _note_stamp(self, stamp: _Stamp | None) -> None:
        self._stamp = stamp
        changed_at = max(stamp[3:]) / 1e9 if stamp else 0
        self._is_settled = abs(time.time() - changed_at) > _SETTLED_SECONDS

    def _read(self) -> str:
        return read_facility_text(
            self._path, file_name=str(self._path), owners=self._owners
        )


def read_facility_text(
    path: Path, *, file_name: str, owners: frozenset[int] | None = None
) -> str:
    """Return the text of a facility file, read through one descriptor.

    With ``owners``, the file must belong to one of these uids, and nobody else may be
    able to write it: it says who may do what. What is checked is what is read.

    Raises
    ------
    ConfigError
        If it cannot be read, or is no regular file, too large, not UTF-8, or somebody
        else's.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            message = _find_fault(os.fstat(file.fileno()), owners)
            data = b"" if message else file.read(MAX_TEXT_BYTES + 1)
    except (OSError, ValueError) as error:
        # ValueError: a path with a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise _error(file_name, f"cannot be read: {reason}.") from error
    if len(data) > MAX_TEXT_BYTES:
        message = "is larger than 1 MiB."
    if message:
        raise _error(file_name, message)
    try:
        return data.decode("utf8")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text: byte {error.start + 1} is none."
        raise _error(file_name, message) from error


def _open_at_once(path: str, flags: int) -> int:
    """Open; a FIFO that nobody writes to would keep an ordinary open waiting."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _find_fault(status: os.stat_result, owners: frozenset[int] | None) -> str:
    """Return what speaks against reading a file that was opened; empty if nothing."""
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file."
    if owners is None:
        return ""
    if status.st_uid not in owners:
        return (
            f"belongs to uid {status.st_uid}: it must belong to root or to the user "
            "this process runs as."
        )
    if status.st_mode & stat.S_IWOTH:
        return "may be written by everybody: run chmod o-w on it."
    # a group of one's own is how many systems keep people apart
    if status.st_mode & stat.S_IWGRP and status.st_gid not in (0, os.getegid()):
        return f"may be written by the group {status.st_gid}: run chmod g-w on it."
    return ""


def _error(file_name: str, message: str) -> ConfigError:
    return ConfigError(file_name, (Problem(0, "", message),))


def _look(path: Path) -> _Stamp | None:
    """Return what changes with the file; None where there is none to look at."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
