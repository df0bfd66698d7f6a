"""Secrets between processes: files that few may read, compared in constant time."""

from __future__ import annotations

import hmac
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Literal

from .refusal import StartError

SHORTEST = 32
Process = Literal["hub", "gateway", "agent", "admin"]


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret; an empty one matches nothing."""

    value: str = field(default="", repr=False)

    def matches(self, header: str) -> bool:
        """Tell whether an ``Authorization`` header carries this secret."""
        scheme, _, sent = header.partition(" ")
        if not self.value or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(sent.strip().encode(), self.value.encode())


def load_secret(path: Path, *, trait: str, shortest: int = SHORTEST) -> Secret:
    """Return the secret a file holds, or refuse to start with words."""
    try:
        mode = path.stat().st_mode
        value = path.read_text("utf8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        msg = f"{trait} names {path}, which cannot be read: {reason}."
        raise StartError(msg) from error
    # Kubernetes mounts secrets readable by the pod's group
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        msg = f"{trait} names {path}, which others may open: run chmod 600 on it."
        raise StartError(msg)
    if len(value) < shortest or not value.isascii() or " " in value:
        msg = (
            f"{trait} names {path}, which holds no secret: {shortest} or more ASCII "
            "characters without a space are allowed (openssl rand -hex 32 makes one)."
        )
        raise StartError(msg)
    return Secret(value)


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets shared with each process that asks; an empty one: it may not.

    ``admin`` is the command line of whoever may read the facility's folder.
    """

    hub: Secret = Secret()
    gateway: Secret = Secret()
    agent: Secret = Secret()
    admin: Secret = Secret()

    def who_sends(self, header: str) -> Process | None:
        """Return whose secret an ``Authorization`` header carries."""
        known: dict[Process, Secret] = {
            "hub": self.hub,
            "gateway": self.gateway,
            "agent": self.agent,
            "admin": self.admin,
        }
        # every one is compared, so that the time says nothing
        found = [name for name, secret in known.items() if secret.matches(header)]
        return found[0] if found else None


def load_secrets(files: Mapping[Process, str]) -> Secrets:
    """Return the secrets that the files hold, by process; an empty name: none.

    Raises
    ------
    StartError
        If a file holds none, or two processes have the same.
    """
    found = {
        name: load_secret(Path(file), trait=f"{name}_secret_file")
        for name, file in files.items()
        if file
    }
    for one, other in combinations(found, 2):
        if found[one] == found[other]:
            msg = f"The {one} and the {other} have the same secret: each pair has its own."
            raise StartError(msg)
    return Secrets(**found)
