"""What the agent refuses, each with its words, its rule and its HTTP status.

::

    AFError
     +-- StartError          the administrator: why the agent does not start
     +-- AgentError          every refusal of the agent
          +-- BodyError      400: a request that is not what the address takes
          +-- PlanError      400: a plan the agent does not obey
          +-- ObstacleError  409: something that is no directory is in the way
          +-- StorageError   503, 507: the file system did not do it
"""

from __future__ import annotations

import errno
import os

from jupyterhub_af.policy.errors import AFError

_FULL = 507
_BROKEN = 503
_ASK = "Ask the administrators of the facility"
_ADVICE = {
    errno.ENOSPC: (_FULL, "storage-full", f"{_ASK} to make room; nothing was lost."),
    errno.EDQUOT: (_FULL, "storage-quota", "Delete files, or ask for a larger quota."),
    errno.EROFS: (_BROKEN, "storage-read-only", f"{_ASK} to mount it writable."),
    errno.EACCES: (_BROKEN, "storage-denied", f"{_ASK} to give the agent access."),
    errno.EPERM: (
        _BROKEN,
        "storage-denied",
        f"{_ASK} to let the agent change owners and modes there (is root squashed?).",
    ),
    errno.EIO: (_BROKEN, "storage-broken", f"{_ASK} to check the disk."),
}
_OTHER = (
    _BROKEN,
    "storage-broken",
    f"Try again in a minute. {_ASK} if it happens again.",
)


class StartError(AFError):
    """Say why the agent does not start, for the administrator."""


class AgentError(AFError):
    """Refuse a request: ``str(error)`` for the person, ``rule`` for the audit."""

    def __init__(self, message: str, *, rule: str, status: int) -> None:
        self.rule = rule
        self.status = status
        super().__init__(message)


class BodyError(AgentError):
    """Refuse a request whose body is not the message that the address takes."""

    def __init__(self, what: str, problem: str) -> None:
        words = f"The body is not a {what}: {problem}."
        super().__init__(words, rule=f"not-a-{what}", status=400)


class PlanError(AgentError):
    """Refuse a plan that no hub of this facility would make."""

    def __init__(self, message: str, *, rule: str = "plan-refused") -> None:
        super().__init__(message, rule=rule, status=400)


class ObstacleError(AgentError):
    """Refuse to go through something that is no directory of the volume."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"{path!r} on the volume is not a directory (or was exchanged while it was "
            f"opened), so nothing was changed there. {_ASK} to move it away.",
            rule="not-a-directory",
            status=409,
        )


class SomebodyElseError(AgentError):
    """Refuse to give one person's directory to another, whatever the plan says."""

    def __init__(self, path: str, uid: int) -> None:
        super().__init__(
            f"{path!r} on the volume belongs to another person (uid {uid}), so nothing "
            f"was changed there. {_ASK} to find out whose it is.",
            rule="somebody-else",
            status=409,
        )


class StorageError(AgentError):
    """Say that the file system of an area did not do what was asked."""


def to_storage_error(area: str, error: OSError) -> StorageError:
    """Return what the file system said about an area, and what to do, in words."""
    status, rule, advice = _ADVICE.get(error.errno or 0, _OTHER)
    said = os.strerror(error.errno) if error.errno else str(error)
    return StorageError(
        f"The storage area {area} could not be prepared: its file system said "
        f"{said!r}. {advice}",
        rule=rule,
        status=status,
    )


def to_silence_error(areas: tuple[str, ...], seconds: float) -> StorageError:
    """Return the refusal for areas that did not answer within the deadline."""
    names = ", ".join(areas)
    return StorageError(
        f"The storage did not answer within {seconds:g} seconds (area {names}). "
        "Try again in a minute; if it happens again, tell the administrators.",
        rule="storage-slow",
        status=_BROKEN,
    )
