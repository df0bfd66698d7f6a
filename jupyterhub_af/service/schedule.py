"""Whose membership is looked at next, and when: pure, with times that are handed in.

Everybody has a stretch in which to be asked about: it *opens* when an answer can be new,
and should be *done* when the last answer is as old as it may be. The person whose
stretch is done first comes first. Between two questions there is a pause, so that many
stretches that open together are gone through evenly: as slowly as the stretches allow,
as fast as they need, and never faster than the ceiling.

Stretches open late, since the hub asks the IAM in the last moments of the bound only. Where
so many end together that these would not do, the first are asked about *ahead*, and the
hub is told so: that happens once, since from then on their stretches lie apart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields

from jupyterhub_af.policy import freshness
from jupyterhub_af.policy.recheck import END_RULES, RecheckReply

# A question a moment before the hub asks the IAM would be one for nothing.
LATE_PART = 0.1
# How soon the IAM's return must be noticed, and a person let back in who had lost access.
LONGEST_RETRY_SECONDS = 60
RETRY_PART = 0.2
REGAIN_SECONDS = 15
# A crowd is begun with so early that it needs no more than this part of the ceiling.
CROWD_PART = 0.5


@dataclass(frozen=True, slots=True)
class Bounds:
    """How old an answer may be, and how many questions a second there may be."""

    recheck_seconds: float
    calls_per_second: float

    @property
    def retry_seconds(self) -> float:
        """Return when a question without an answer is put again at the latest."""
        return min(LONGEST_RETRY_SECONDS, self.recheck_seconds)

    @property
    def early_seconds(self) -> float:
        """Return how long before the bound the hub asks the IAM for the keeper."""
        return freshness.Bounds(self.recheck_seconds, 0).early_seconds

    @property
    def open_seconds(self) -> float:
        """Return the age of an answer from which a question gives a new one."""
        return self.recheck_seconds - (1 - LATE_PART) * self.early_seconds

    @property
    def ahead_seconds(self) -> float:
        """Return the age from which one does if the hub is told that it comes ahead."""
        margin = LATE_PART * self.early_seconds
        return min(freshness.OUT_SECONDS + margin, self.open_seconds)


@dataclass(slots=True)
class _Person:
    """When a person's groups were confirmed, and the stretch to ask in."""

    seen_at: float
    checked_at: float | None
    opens_at: float
    done_at: float
    # when an answer can be new if the hub is told that the question comes ahead
    ahead_at: float
    is_asked: bool = False
    is_wanted: bool = False
    is_ahead: bool = False
    wishes: int = 0

    def may_be_asked_at(self, crowd_at: float) -> float:
        """Return from when to ask; a crowd is begun with at ``crowd_at``."""
        return min(self.opens_at, max(self.ahead_at, crowd_at))

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
        person.wishes += 1
        # asked already: that answer may be older than the wish
        person.is_wanted = person.is_asked

    def want_all(self, now: float) -> None:
        """Have everybody looked at as soon as may be."""
        for user in self._people:
            self.want(user, now)

    def next(self, now: float) -> tuple[str | None, float]:
        """Return whom to ask about now; or nobody, and for how many seconds not."""
        waiting = sorted(
            (p.done_at, u) for u, p in self._people.items() if not p.is_asked
        )
        begin_at = self._begin_at(waiting)
        may = [(self._people[u].may_be_asked_at(begin_at), u) for _, u in waiting]
        user = next((user for at, user in may if at <= now), None)
        if user is None:
            return None, min((at for at, _ in may), default=float("inf")) - now
        wait = self._last_at + self._pause(waiting, now) - now
        if wait > 0:
            return None, wait
        self._last_at = now
        person = self._people[user]
        person.is_asked, person.is_ahead = True, person.opens_at > now
        return user, 0

    def begin(self, user: str) -> None:
        """Take it that a person is being asked about, out of turn."""
        person = self._people.get(user)
        if person is not None:
            person.is_asked = True

    def is_ahead(self, user: str) -> bool:
        """Tell whether a person is being asked about ahead, for a crowd's sake."""
        return user in self._people and self._people[user].is_ahead

    def wishes(self, user: str) -> int:
        """Return how often somebody wanted a person looked at."""
        return self._people[user].wishes if user in self._people else 0

    def note(self, user: str, reply: RecheckReply, now: float) -> None:
        """Take an answer."""
        person = self._people.get(user)
        if person is None:
            return
        if reply.checked_at is not None:
            person.checked_at = min(reply.checked_at, now)
        self._settle(person, self._stretch(person, reply, now), now)

    def note_ending(self, user: str, now: float) -> None:
        """Have a person looked at often, who may be given back what they lost."""
        person = self._people.get(user)
        if person is not None:
            opens_at, done_at, _ = self._regain(now)
            person.opens_at = min(person.opens_at, opens_at)
            person.done_at = min(person.done_at, done_at)

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
            person.is_asked = person.is_ahead = False

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
            return _Person(now, None, now, done_at, now)
        return _Person(now, checked_at, *self._regular(checked_at))

    def _regular(self, checked_at: float) -> tuple[float, float, float]:
        """Return the stretch that follows a confirmation."""
        bounds = self.bounds
        ages = (bounds.open_seconds, bounds.recheck_seconds, bounds.ahead_seconds)
        opens, done, ahead = (checked_at + age for age in ages)
        return opens, done, ahead

    def _begin_at(self, waiting: list[tuple[float, str]]) -> float:
        """Return when to begin so that a crowd is through in time without a rush."""
        pause = 1 / (CROWD_PART * self.bounds.calls_per_second)
        ends = (at - pause * count for count, (at, _) in enumerate(waiting, 1))
        return min(ends, default=float("inf"))

    def _pause(self, waiting: list[tuple[float, str]], now: float) -> float:
        """Return the pause that suits: every stretch in time, or the ceiling's."""
        shortest = 1 / self.bounds.calls_per_second
        even = self.bounds.recheck_seconds / len(self._people)
        needed = min((at - now) / count for count, (at, _) in enumerate(waiting, 1))
        return max(shortest, min(even, needed))

    def _stretch(
        self, person: _Person, reply: RecheckReply, now: float
    ) -> tuple[float, float, float]:
        """Return when to ask again, after an answer."""
        if reply.status in END_RULES:
            return self._regain(now)
        if reply.status != "allowed" or person.checked_at is None:
            return self._retry(now)
        opens_at, done_at, ahead_at = self._regular(person.checked_at)
        if opens_at <= now:
            # the hub's clock is another one, or it found a reason to keep its word
            opens_at, last_at, _ = self._retry(now)
            done_at = max(opens_at, min(last_at, done_at))
        # what asking ahead did not renew is not asked ahead again
        return opens_at, done_at, ahead_at if ahead_at > now else opens_at

    def _regain(self, now: float) -> tuple[float, float, float]:
        """Return when to ask again, so that what is given back in time is seen in time."""
        again = min(REGAIN_SECONDS, self.bounds.recheck_seconds)
        return now + again, now + 2 * again, now + again

    def _retry(self, now: float) -> tuple[float, float, float]:
        opens_at = now + RETRY_PART * self.bounds.early_seconds
        return opens_at, now + self.bounds.retry_seconds, opens_at

    def _settle(
        self, person: _Person, stretch: tuple[float, float, float], now: float
    ) -> None:
        person.is_asked = person.is_ahead = False
        if person.is_wanted:
            stretch = (now, now, now)
        person.opens_at, person.done_at, person.ahead_at = stretch
        person.is_wanted = False
