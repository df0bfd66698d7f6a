"""The names of generations: the time in UTC, so that they sort as they were made."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from jupyterhub_af.policy.backup_messages import GENERATION_PATTERN

_FORM = "%Y-%m-%dT%H-%M-%SZ"
_NAME = re.compile(GENERATION_PATTERN)


def to_name(time: int) -> str:
    """Return the name of a generation of that time (seconds since 1970)."""
    return datetime.fromtimestamp(time, UTC).strftime(_FORM)


def parse_name(name: str) -> int | None:
    """Return the time a generation's name tells; None for any other name."""
    if _NAME.fullmatch(name) is None:
        return None
    try:
        return int(datetime.strptime(name, _FORM).replace(tzinfo=UTC).timestamp())
    except ValueError:
        # the form of a time, but of none that exists
        return None
