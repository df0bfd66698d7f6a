"""What happened inside the service, told to who must act upon it at once.

Whoever changes what is known of people, servers and clusters tells it here; the event
stream and the keeper listen. Telling does nothing itself and never waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

# what the panel's events of the service are about; the history comes last
Kind = Literal["me", "lifetime", "clusters", "storage", "access", "history"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Changed:
    """What the panel says of these kinds may be different; user None: everybody's."""

    user: str | None
    kinds: frozenset[Kind]


@dataclass(frozen=True, slots=True)
class Ended:
    """A start of a server is over. ``is_last``: no newer start of it is recorded."""

    user: str
    server_name: str
    start_id: str
    is_last: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody's membership is to be looked at now: they logged in, or a server started.

    ``is_running``: something of theirs is known to run; else it counts only if it does.
    """

    user: str
    is_running: bool


@dataclass(frozen=True, slots=True)
class Stepped:
    """The clock of this machine was set by so many seconds."""

    seconds: float


News = Changed | Ended | Wanted | Stepped


class Changes:
    """Pass news on, in the order in which listeners came."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[News], None]] = []

    def subscribe(self, listener: Callable[[News], None]) -> None:
        """Have a listener called at all news."""
        self._listeners.append(listener)

    def tell(self, news: News) -> None:
        """Call every listener."""
        for listener in self._listeners:
            listener(news)

    def touch(self, user: str | None, *kinds: Kind) -> None:
        """Tell that what the panel says of these kinds may be different."""
        self.tell(Changed(user, frozenset(kinds)))
