"""What the hub says of a person's membership, and why a running server has to end.

The hub asks the IAM; the service keeps deadlines. What passes between them is a word and
a time, never the IAM's answer: ``RecheckReply`` holds nothing that a log may not show.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .access import Access
from .facility import Facility
from .messages import Message, Name
from .sentence import Sentence, say

# allowed: may log in, by the IAM's word of `checked_at`.
# denied: the IAM answered, and no group of theirs is allowed. suspended: by the IAM.
# aup-unsigned: the IAM wants its rules signed first. login-needed: nothing to ask with.
# client-refused: the IAM refuses this facility; silent: it says nothing. In both the last
# word holds, as long as the grace lasts. expired: silent for longer than that.
# unknown: the hub knows nobody of that name.
RecheckStatus = Literal[
    "allowed",
    "denied",
    "suspended",
    "aup-unsigned",
    "login-needed",
    "client-refused",
    "silent",
    "expired",
    "unknown",
]
# why a running server ends: access that ended, or a plan that could not be started now
EndRule = Literal[
    "denied", "suspended", "aup-unsigned", "login-needed", "expired", "withheld"
]
_END_RULES: dict[RecheckStatus, EndRule] = {
    "denied": "denied",
    "suspended": "suspended",
    "aup-unsigned": "aup-unsigned",
    "login-needed": "login-needed",
    "expired": "expired",
}
END_RULES: frozenset[RecheckStatus] = frozenset(_END_RULES)


def to_end_rule(status: RecheckStatus) -> EndRule | None:
    """Return the rule by which a status ends servers; None: it ends none."""
    return _END_RULES.get(status)


class RecheckRequest(Message):
    """service → hub: look at this person's membership again.

    ``is_ending``: ask the IAM by a word that is young still, since a server of theirs
    ends and what is given back must be seen soon; or since many words get old at once.
    """

    user: Name
    is_ending: bool = False


class RecheckReply(Message):
    """hub → service: how it stands.

    ``checked_at`` is when the IAM last confirmed the groups in force, in seconds since
    1970 (UTC); None where it never did.
    """

    status: RecheckStatus
    checked_at: Annotated[float, Field(ge=0)] | None = None


class LoginNote(Message):
    """hub → service: this person has just logged in, with groups the IAM gave now."""

    user: Name


class ServerEnding(Message):
    """service → gateway: this server ends, because its person lost access.

    ``reason`` is for the person; ``ends_at`` is in seconds since 1970 (UTC).
    """

    user: Name
    server_name: str
    reason: str
    ends_at: float


def explain_end(rule: EndRule, facility: Facility, access: Access) -> Sentence:
    """Return what a person reads when their access ends: why, and whom to ask."""
    if rule == "denied" and access.reason is not None:
        return access.reason
    return say(_WORDS[rule], facility=facility.name, contact=facility.contact)


_WORDS: dict[EndRule, str] = {
    "denied": "Your groups no longer open {facility}. Ask {contact}.",
    "suspended": "Your account is suspended at the login service. Ask {contact}.",
    "aup-unsigned": "The login service asks you to sign its acceptable use policy: log "
    "in to {facility} again and sign it.",
    "login-needed": "Your login has ended at the login service: log in to {facility} "
    "again.",
    "expired": "The login service has not answered for a long time, so {facility} "
    "cannot know whether you may still use it. Log in again when it answers; "
    "{contact} knows more.",
    "withheld": "Your groups no longer open what this server was started with. Ask "
    "{contact}.",
}
