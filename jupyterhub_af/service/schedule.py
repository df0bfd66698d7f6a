"""Whose membership is looked at next, and when: pure, with times that are handed in.

Everybody has a stretch in which to be asked about: it *opens* when an answer can be new,
and should be *done* when the last answer is as old as it may be. The person whose
stretch is done first comes first. Between two questions there is a pause, so that many
stretches that open together are gone through evenly: as slowly as the stretches allow,
as fast as they need, and never faster than the ceiling.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields

from jupyterhub_af.policy.recheck import END_RULES, RecheckReply

# The hub asks the IAM about nobody whose groups are younger than 95 % of the bound; a
# question a moment too early would be one for nothing.
FRESH_PART = 0.955
# How soon the IAM's return must be noticed, and a person let back in who had lost access.
LONGEST_RETRY_SECONDS = 60
RETRY_PART = 0.01
REGAIN_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Bounds:
    """How old an answer may be, and how many questions a second there may be."""

    recheck_seconds: float
    calls_per_second: float

    @property
    def retry_seconds(self) -> float:
        """Return when a question without an answer is put again at the latest."""
        return min(LONGEST_RETRY_SECONDS, self.recheck_seconds)


@dataclass(slots=True)
class _Person:
    """When a person's groups were confirmed, and the stretch to ask in."""

    seen_at: float
    checked_at: float | None
    opens_at: float
    done_at: float
    is_asked: bool = False
    is_wanted: bool = False

    @property
    def known_at(self) -> float:
        return self.seen_at if self.checked_at is None else self.checked_at


class Schedule:
    """Everybody who is to be looked at again."""

    def __init__(self, bounds: Bounds, checked: Mapping[str, float]) -> None:
        self.bounds = bounds
        self._checked = dict(checked)
        self._people: dict[str, _Person] = {}
        self._last_at = float("-inf")

    def __len__(self) -> int:
        return len(self._people)

    def __contains__(self, user: str) -> bool:
        return user in self._people

    def take(self, users: Collection[str], now: float) -> None:
        """Take the list of who has anything running; others are not looked at."""
        for user in users:
            if user not in self._people:
                self._people[user] = self._newcomer(user, now)
        for user in self._people.keys() - set(users):
            del self._people[user]
        # what is left is about people who have nothing running any more
        self._checked.clear()

    def want(self, user: str, now: float) -> None:
        """Have a person looked at as soon as may be, also one who is new here."""
        person = self._people.setdefault(user, self._newcomer(user, now))
        person.opens_at = person.done_at = now
        # asked already: that answer may be older than the wish
        person.is_wanted = person.is_asked

    def want_all(self, now: float) -> None:
        """Have everybody looked at as soon as may be."""
        for user in self._people:
            self.want(user, now)

    def next(self, now: float) -> tuple[str | None, float]:
        """Return whom to ask about now; or nobody, and for how many seconds not."""
        waiting = [(p.done_at, u) for u, p in self._people.items() if not p.is_asked]
        open_now = sorted(w for w in waiting if self._people[w[1]].opens_at <= now)
        if not open_now:
            opens = [self._people[user].opens_at - now for _, user in waiting]
            return None, min(opens, default=float("inf"))
        wait = self._last_at + self._pause(open_now, now) - now
        if wait > 0:
            return None, wait
        self._last_at = now
        user = open_now[0][1]
        self._people[user].is_asked = True
        return user, 0

    def note(self, user: str, reply: RecheckReply, now: float) -> None:
        """Take an answer."""
        person = self._people.get(user)
        if person is None:
            return
        if reply.checked_at is not None:
            person.checked_at = min(reply.checked_at, now)
        self._settle(person, self._stretch(person, reply, now), now)

    def note_failed(self, user: str, now: float) -> None:
        """Take it that there was no answer."""
        person = self._people.get(user)
        if person is not None:
            self._settle(person, self._retry(now), now)

    def shift(self, seconds: float) -> None:
        """Move all times with a clock that was put back."""
        self._last_at += seconds
        for person in self._people.values():
            for name in (f.name for f in fields(person) if f.name.endswith("_at")):
                at = getattr(person, name)
                setattr(person, name, at and at + seconds)

    def release(self, user: str) -> None:
        """Take it that nobody asks about a person any more."""
        person = self._people.get(user)
        if person is not None:
            person.is_asked = False

    # what is known

    def checked(self) -> dict[str, float]:
        """Return when each person's groups were confirmed, as far as that is known."""
        return {
            user: person.checked_at
            for user, person in self._people.items()
            if person.checked_at is not None
        }

    def oldest_age(self, now: float) -> float:
        """Return how old the oldest groups are of anybody with something running."""
        return max((now - p.known_at for p in self._people.values()), default=0.0)

    def overdue(self, now: float) -> int:
        """Return how many people's groups are older than they may be."""
        bound = self.bounds.recheck_seconds
        return sum(now - p.known_at > bound for p in self._people.values())

    # inside

    def _newcomer(self, user: str, now: float) -> _Person:
        """Return somebody new: by what was written down, else to be asked soon."""
        checked_at = self._checked.pop(user, None)
        if checked_at is None:
            # a list of strangers, as after a loss, is gone through and not rushed
            done_at = now + self.bounds.recheck_seconds / 2
            return _Person(now, None, now, done_at)
        bound = self.bounds.recheck_seconds
        opens_at = checked_at + FRESH_PART * bound
        return _Person(now, checked_at, opens_at, checked_at + bound)

    def _pause(self, open_now: list[tuple[float, str]], now: float) -> float:
        """Return the pause that suits: every stretch in time, or the ceiling's."""
        shortest = 1 / self.bounds.calls_per_second
        even = self.bounds.recheck_seconds / len(self._people)
        needed = min((at - now) / count for count, (at, _) in enumerate(open_now, 1))
        return max(shortest, min(even, needed))

    def _stretch(
        self, person: _Person, reply: RecheckReply, now: float
    ) -> tuple[float, float]:
        """Return when to ask again, after an answer."""
        bound = self.bounds.recheck_seconds
        if reply.status in END_RULES:
            # a group that is given back in time must still keep the server
            again = min(REGAIN_SECONDS, bound)
            return now + again, now + 2 * again
        if reply.status != "allowed" or person.checked_at is None:
            return self._retry(now)
        opens_at = person.checked_at + FRESH_PART * bound
        if opens_at <= now:
            # the hub's clock is another one, or it found a reason to keep its word
            opens_at, done_at = self._retry(now)
            return opens_at, max(opens_at, min(done_at, person.checked_at + bound))
        return opens_at, person.checked_at + bound

    def _retry(self, now: float) -> tuple[float, float]:
        retry = self.bounds.retry_seconds
        return now + RETRY_PART * self.bounds.recheck_seconds, now + retry

    def _settle(
        self, person: _Person, stretch: tuple[float, float], now: float
    ) -> None:
        person.is_asked = False
        person.opens_at, person.done_at = (now, now) if person.is_wanted else stretch
        person.is_wanted = False
