"""Secrets between processes: files that few may read, compared in constant time."""

from __future__ import annotations

import hmac
import stat
from dataclasses import dataclass, field
from pathlib import Path

from .refusal import StartError

SHORTEST = 32


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
