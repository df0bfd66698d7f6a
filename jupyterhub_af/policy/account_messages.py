"""What the command line asks the service about accounts, and the service the agent.

Every act may be asked for again: it goes on where it was, and says so when it is done.
Times are seconds since 1970 (UTC), sizes are in bytes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .messages import AuditEvent, Message, Name, Number

# retired: no login, the files are kept; deleted: the files are gone, the name and the
# uid are never given again; the two others are on the way to something
State = Literal["active", "renaming", "retired", "deleting", "deleted"]
Act = Literal["rename", "retire", "reopen", "delete"]
Words = Annotated[str, Field(max_length=1000)]


class AccountAct(Message):
    """command line → service: do this to an account. ``actor`` is who ran the command."""

    act: Act
    name: Name
    actor: Name
    new_name: Annotated[str, Field(max_length=255)] = ""


class ActReply(Message):
    """service → command line: whether it is done, and what goes on, in words."""

    is_done: bool
    words: Words


class AccountExport(Message):
    """command line → service: everything of a person's, as a tar."""

    name: Name
    actor: Name


class AccountLine(Message):
    """An account as it is listed. ``servers`` and ``used_bytes`` are None if not known."""

    name: Name
    uid: Number
    state: State
    since: float
    former_names: tuple[Name, ...] = ()
    servers: Annotated[int, Field(ge=0)] | None = None
    used_bytes: Annotated[int, Field(ge=0)] | None = None


class AccountList(Message):
    """service → command line: every account, in the order of uids."""

    accounts: tuple[AccountLine, ...]


class KeptEvent(Message):
    """A line of the audit, and when it was kept."""

    time: float
    event: AuditEvent


class AccountRecord(Message):
    """service → command line: an account, and the audit's lines about its person."""

    account: AccountLine
    issuer: str
    subject: str
    created_at: float
    events: tuple[KeptEvent, ...]


class PersonTrees(Message):
    """service → agent: the trees of one person, by the name of their directory."""

    person: Name
    uid: Number


class MoveTrees(PersonTrees):
    """service → agent: have the person's trees called otherwise."""

    to: Name


class TreesReply(Message):
    """agent → service: whether it is done, and which trees that was about so far."""

    is_done: bool
    trees: tuple[str, ...] = ()
