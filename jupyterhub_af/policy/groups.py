"""Groups: full paths without a leading slash, and how they come out of IAM's claims.

Words: a *group* is ``hackathon/students``; a *segment* is one part of it; an *ancestor*
of it is ``hackathon``. INDIGO IAM writes groups in four *forms* (``iam``, ``wlcg``,
``kc``, ``aarc``), each under a claim of its own.

What is outside the grammar is dropped and counted, never coerced: a claim is written
by people and a group opens doors.

Source: INDIGO IAM 1.12 token profiles; WLCG common JWT profile 1.3 (group grammar).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

_GROUP = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*(?:/[a-zA-Z0-9][a-zA-Z0-9_.-]*)*")
_ENTITLEMENT = re.compile(
    r"urn:[a-z0-9][a-z0-9-]{0,31}(?::[^:#]+)*?:group:([^#/]+)(?:#.*)?"
)
MAX_GROUP_LENGTH = 512
MAX_GROUPS = 1000
_MAX_ENTITLEMENT_LENGTH = 2 * MAX_GROUP_LENGTH


@dataclass(frozen=True, slots=True)
class GroupsRead:
    """What a claim gave: the groups, and how many values were dropped.

    ``is_present`` is False when the token has no group claim at all, which IAM uses
    for "no groups" in some forms and which is the cue to ask the userinfo endpoint.
    """

    groups: frozenset[str]
    dropped: int
    is_present: bool


def is_group(text: str) -> bool:
    """Tell whether a text is a group: a full path, no leading slash."""
    # the length first: what is remembered is never long
    return len(text) <= MAX_GROUP_LENGTH and _is_in_grammar(text)


@lru_cache(maxsize=8192)
def _is_in_grammar(text: str) -> bool:
    """Tell it of a text once: every login brings the same groups again."""
    return _GROUP.fullmatch(text) is not None


@lru_cache(maxsize=8192)
def ancestors(group: str) -> tuple[str, ...]:
    """Return the ancestors of a group, outermost first: ``a/b/c`` gives ``a``, ``a/b``."""
    segments = group.split("/")
    return tuple("/".join(segments[:depth]) for depth in range(1, len(segments)))


def _from_plain(value: str) -> str:
    return value


def _from_slashed(value: str) -> str:
    return value.removeprefix("/") if value.startswith("/") else ""


def _from_entitlement(value: str) -> str:
    """Return the group in a URN; a ``/`` in it is no IAM's spelling and gives none."""
    if len(value) > _MAX_ENTITLEMENT_LENGTH:
        return ""
    match = _ENTITLEMENT.fullmatch(value)
    return match.group(1).replace(":", "/") if match else ""


@dataclass(frozen=True, slots=True)
class _Form:
    """How one IAM form writes groups: claim, spelling, whether ancestors are listed."""

    claim: str
    to_group: Callable[[str], str]
    lists_ancestors: bool


_FORMS = (
    _Form("groups", _from_plain, lists_ancestors=True),
    _Form("wlcg.groups", _from_slashed, lists_ancestors=False),
    _Form("roles", _from_plain, lists_ancestors=True),
    _Form("entitlements", _from_entitlement, lists_ancestors=False),
)
CLAIMS = tuple(form.claim for form in _FORMS)


def read_groups(claims: Mapping[str, object], *, claim: str = "auto") -> GroupsRead:
    """Return the groups of verified claims.

    ``claim`` is one of ``CLAIMS``, or ``auto``: the one that is there. Two claims that
    disagree give no group at all, since one of them is not what it seems.
    """
    forms = [f for f in _FORMS if claim in ("auto", f.claim) and f.claim in claims]
    if not forms:
        return GroupsRead(frozenset(), dropped=0, is_present=False)
    readings = [_read_form(claims[form.claim], form) for form in forms]
    if any(reading.groups != readings[0].groups for reading in readings):
        total = sum(len(r.groups) + r.dropped for r in readings)
        return GroupsRead(frozenset(), dropped=total, is_present=True)
    return readings[0]


def _read_form(value: object, form: _Form) -> GroupsRead:
    """Return what one claim's value gives in its form."""
    if not isinstance(value, list | tuple):
        return GroupsRead(frozenset(), dropped=1, is_present=True)
    if len(value) > MAX_GROUPS:
        return GroupsRead(frozenset(), dropped=len(value), is_present=True)
    groups = {
        group
        for item in value
        if isinstance(item, str) and is_group(group := form.to_group(item))
    }
    if form.lists_ancestors:
        groups = {g for g in groups if all(a in groups for a in ancestors(g))}
    # a text listed twice is one group and nothing dropped
    texts = {item for item in value if isinstance(item, str)}
    others = sum(not isinstance(item, str) for item in value)
    return GroupsRead(
        frozenset(groups),
        dropped=len(texts) + others - len(groups),
        is_present=True,
    )
