"""Hub names: which of IAM's account names may become one, and when two are the same."""

from __future__ import annotations

import re
import unicodedata

# "af" is the service itself, in the audit
RESERVED_NAMES = frozenset({"root", "nobody", "nogroup", "backups", "af"})
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.@$-]{0,62}")
_LONGEST_SHOWN = 64


def find_name_problem(preferred_username: str) -> tuple[str, str] | None:
    """Return rule and words against an account name; None if ``lower()`` of it is fine."""
    # ASCII first: lower() turns some foreign letters into ASCII ones
    name = preferred_username.lower() if preferred_username.isascii() else ""
    if not _NAME.fullmatch(name):
        message = (
            f"The account name {show(preferred_username)} cannot be used here: "
            "1 to 63 letters without accents, digits, '_', '.', '@', '$' and '-' "
            "are allowed, with a letter, digit or '_' first."
        )
        return "name-form", message
    if name in RESERVED_NAMES:
        return "name-reserved", f"The account name {name} is reserved for the system."
    return None


def make_name_key(name: str) -> str:
    """Return what two names must differ in: no case, one Unicode spelling."""
    return unicodedata.normalize("NFKC", name).casefold()


def show(text: str) -> str:
    """Return a text that somebody sent, short and without control characters."""
    is_short = len(text) <= _LONGEST_SHOWN
    return ascii(text) if is_short else f"{ascii(text[:_LONGEST_SHOWN])[:-1]}...'"
