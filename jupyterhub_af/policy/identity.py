"""Who asks: a hub name and groups, as the verified token gave them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .groups import is_group


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as every decision sees them.

    ``user`` is the hub name that the register bound to ``(issuer, sub)``; ``groups``
    are full paths without a leading slash.
    """

    user: str
    groups: frozenset[str]


def make_identity(user: str, groups: Iterable[str]) -> Identity:
    """Return the identity, without what is not a group."""
    return Identity(user=user, groups=frozenset(g for g in groups if is_group(g)))
