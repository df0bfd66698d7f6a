"""What the command line asks of the audit, page by page, and what the service answers.

A page follows the last by the number of its last line, so that a question about a million
lines is many short ones.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .account_messages import KeptEvent
from .messages import Message, Name

MOST_LINES = 1000


class AuditQuery(Message):
    """command line → service: which lines; ``actor`` is who ran the command.

    ``user``: what that person did, or was done to what is theirs; empty: everything.
    ``since`` and ``until`` are in seconds since 1970 (UTC). ``after`` is the number of
    the last line of the page before.
    """

    actor: Name
    user: Annotated[str, Field(max_length=255)] = ""
    since: Annotated[float, Field(ge=0, le=1e11)]
    until: Annotated[float, Field(ge=0, le=1e11)]
    action: Annotated[str, Field(pattern=r"^([a-z][a-z0-9.-]{0,63})?$")] = ""
    after: Annotated[int, Field(ge=0)] = 0
    most: Annotated[int, Field(ge=1, le=MOST_LINES)] = MOST_LINES


class AuditPage(Message):
    """service → command line: lines, oldest first; ``last`` is None after the last page.

    ``is_known``: the name is, or was, somebody's here.
    """

    lines: tuple[KeptEvent, ...]
    last: Annotated[int, Field(ge=0)] | None = None
    is_known: bool = True
