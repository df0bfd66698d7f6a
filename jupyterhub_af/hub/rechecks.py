"""Who may still be here: the IAM asked again, once for everybody who wants to know.

``Rechecks`` is the engine. Words: a *look* answers from memory where the word is young;
else it joins or starts the person's *flight*, a task of the engine's own that asks the
IAM, stores the answer and settles the hub's groups. A client that hangs up cancels
nothing, and two flights of one person never overlap, since refresh tokens may rotate.

What a word means is ``policy.freshness``'s decision, who may log in ``policy.access``'s.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from jupyterhub_af.policy.access import Access, resolve_access
from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.freshness import (
    HOLDING,
    Bounds,
    Hush,
    Word,
    is_young,
    judge,
    needs_renewal,
    note_decision,
)
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.recheck import RecheckStatus, explain_end, to_end_rule
from jupyterhub_af.policy.sentence import Sentence

from .asker import Asker
from .auth_record import AuthRecord, Records, is_known
from .flood import is_stranger
from .hand_outs import AccessToken, HandOuts
from .hub_person import settle_person
from .iam_line import HushError, IAMLine
from .iam_metrics import iam_metrics
from .iam_questions import IAMQuestions
from .id_token import UnverifiedError
from .narrow import Narrower
from .narrow_refusals import NarrowRefusals
from .pauses import FIRST_SECONDS, Pauses
from .renewals import Renewals

if TYPE_CHECKING:
    from jupyterhub.user import User

# who wants to know: a page or a token's holder; the keeper, who asks early, and sooner
# still of whose server ends; a start, which waits for the truth; a token to be renewed
Why = Literal["page", "keeper", "ending", "start", "token"]

SAVE_AGAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a person stands, and when the IAM last named their groups."""

    status: RecheckStatus
    checked_at: float | None = None

    @property
    def holds(self) -> bool:
        """Tell whether they may go on."""
        return self.status in HOLDING


class Rechecks:
    """The engine of one hub."""

    def __init__(
        self,
        questions: IAMQuestions,
        line: IAMLine,
        hand_outs: HandOuts,
        *,
        facility: Callable[[], Facility],
        log: logging.Logger,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._questions = questions
        self._line = line
        self._hand_outs = hand_outs
        self._facility = facility
        self._log = log
        self._now = now
        self._asker = Asker(questions, line, facility=facility, now=now, log=log)
        self._records = Records(log, look_again=self._look_again)
        self._renewals = Renewals(lambda u: self._start(self.look(u, "token")), now)
        self._refusals = NarrowRefusals(now)
        self._turns: dict[int, asyncio.Lock] = {}
        self._flights: dict[int, asyncio.Task[Standing]] = {}
        self._pauses = Pauses(now)
        self._settled: dict[int, tuple[Facility, Word, RecheckStatus]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        # whose record is to be compared with what is stored, a little later
        self._doubtful: set[int] = set()

    async def look(self, user: User, why: Why = "page") -> Standing:
        """Return how a person stands, after asking the IAM where that is due."""
        record = self._records.peek(user) or await self._records.load(user)
        if record is not None and (
            not self._is_due(user, record, why) or self._is_in_vain(user, record, why)
        ):
            return self._settle(user, record, record, self._line.hush)
        flight = self._flights.get(user.id)
        if flight is None or flight.done():
            flight = self._start(self._fly(user, why))
            self._flights[user.id] = flight
        if record is not None and why != "start":
            goes_on = self._goes_on(user, record)
            if goes_on and not await self._comes_soon(flight):
                record = await self._records.load(user) or record
                return self._settle(user, record, record, self._line.hush)
        return await asyncio.shield(flight)

    def _goes_on(self, user: User, record: AuthRecord) -> bool:
        """Tell whether a person holds without an answer; a flight says that time is over."""
        status, _ = self._judge(user, record.word, self._line.hush)
        return status in HOLDING

    def _is_in_vain(self, user: User, record: AuthRecord, why: Why) -> bool:
        """Tell whether a flight could only find that nobody asks the IAM now."""
        return why != "start" and self._line.is_shut and self._goes_on(user, record)

    async def _comes_soon(self, flight: asyncio.Task[Standing]) -> bool:
        """Tell whether a flight has ended, after the time that one answer may take."""
        if self._line.answers_well():
            await asyncio.wait({flight}, timeout=self._questions.iam.timeout_seconds)
        return flight.done()

    def peek(self, user: User) -> Standing | None:
        """Return how a person stands by what is in memory, without asking or waiting."""
        record = self._records.peek(user)
        if record is None:
            return None
        status, _ = self._judge(user, record.word, self._line.hush)
        return Standing(status, record.word.checked_at)

    def explain(self, user: User) -> Sentence | None:
        """Return why a person's access ended, by what is in memory; None: it has not."""
        record = self._records.peek(user)
        if record is None:
            return None
        status, access = self._judge(user, record.word, self._line.hush)
        rule = to_end_rule(status)
        return explain_end(rule, access.facility, access) if rule else None

    async def narrow(
        self, user: User, audience: str, scopes: tuple[str, ...]
    ) -> AccessToken:
        """Return a token of one audience and of scopes, or raise."""
        return await self._narrower(user)(audience, scopes)

    async def fresh_token(self, user: User) -> AccessToken | None:
        """Return a token with enough of its life left; None: there is none to give."""
        standing = await self.look(user, "token")
        record = self._records.peek(user)
        if record is None or not standing.holds or record.access_token is None:
            return None
        expires = record.token_expires_at
        if expires is not None and self._now() >= expires:
            return None
        self._renewals.set(user, record)
        return self._to_access(user, record)

    def hand_out(self, user: User) -> None:
        """Hand a person's token out again, in a task: they have just logged in."""
        self._start(self._hand_out(user))

    async def _hand_out(self, user: User) -> None:
        access = await self.fresh_token(user)
        if access is not None:
            await self._hand_outs.renewed(user, access)

    async def knock(self) -> None:
        """Look now whether a silent IAM answers again."""
        await self._line.knock_once()

    def forget(self, user: User) -> None:
        """Forget somebody whom the hub deletes, and their tokens first of all."""
        self._records.forget(user)
        self._refusals.forget_person(user.id)
        self._renewals.stop(user.id)
        self._settled.pop(user.id, None)

    def close(self) -> None:
        """Stop what goes on by itself."""
        self._line.close()
        self._renewals.close()

    async def settled(self) -> None:
        """Wait until nothing that was begun goes on."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # what is due

    def _bounds(self) -> Bounds:
        iam = self._facility().iam
        return Bounds(iam.recheck_seconds, iam.grace_seconds)

    def _is_due(self, user: User, record: AuthRecord, why: Why) -> bool:
        bounds, now = self._bounds(), self._now()
        if record.word.refusal is not None and record.refresh_token is None:
            return False
        # who wants to start something waits no longer than after a first try in vain
        longest = FIRST_SECONDS if why == "start" else bounds.recheck_seconds
        longest = min(longest, bounds.recheck_seconds)
        if self._pauses.goes_on(user.id, most_seconds=longest):
            return False
        early, is_ending = why in ("keeper", "ending"), why == "ending"
        if not is_young(record.word, bounds, now, early=early, is_ending=is_ending):
            return True
        return self._is_token_due(user, record, why)

    def _is_token_due(self, user: User, record: AuthRecord, why: Why) -> bool:
        """Tell whether the token is to be renewed: for a server's sake alone."""
        if why not in ("keeper", "token") or not self._hand_outs.has_receivers:
            return False
        if record.refresh_token is None or record.word.is_out:
            return False
        if why == "keeper" and not user.active:
            return False
        return needs_renewal(
            record.token_obtained_at, record.token_expires_at, self._now()
        )

    # the flight

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _turn_of(self, user: User) -> asyncio.Lock:
        return self._turns.setdefault(user.id, asyncio.Lock())

    async def in_turn(
        self, user: User, act: Callable[[AuthRecord], Awaitable[AuthRecord]]
    ) -> None:
        """Do something with a person's tokens while nobody else does, and store the rest."""

        async def do() -> None:
            async with self._turn_of(user):
                record = await self._records.load(user)
                after = await act(record) if record is not None else None
                if after is not None and after != record:
                    await self._save(user, after)

        await asyncio.shield(self._start(do()))

    async def _fly(self, user: User, why: Why) -> Standing:
        # what is logged here is about a person, whoever's request came first
        is_stranger.set(False)
        async with self._turn_of(user):
            before = await self._records.load(user)
            if before is None:
                settle_person(user, None, self._log)
                return Standing("login-needed")
            after, hush = before, None
            if self._is_due(user, before, why):
                after, hush = await self._ask_if_it_may(user, before)
            if after.login_at != before.login_at:
                # a new login meanwhile: the old one's end is not theirs
                before = after
            if not is_known(user):
                return Standing("unknown")
            return self._settle(user, before, after, hush)

    async def _ask_if_it_may(
        self, user: User, record: AuthRecord
    ) -> tuple[AuthRecord, Hush | None]:
        """Return the record after a question, and why there is no new word in it."""
        if not await self._line.may_ask_soon():
            return record, self._line.hush
        try:
            after = await self._asker.ask(record, lambda new: self._save(user, new))
        except HushError as error:
            iam_metrics.answers[error.hush] += 1
            if error.hush == "client-refused":
                # it may be about them after all: somebody else is to find out
                self._pauses.lengthen(user.id)
            return await self._records.load(user) or record, error.hush
        except UnverifiedError as error:
            self._log.error("the IAM's word about %s: %s", user.name, error)
            iam_metrics.answers["unverified"] += 1
            self._pauses.lengthen(user.id)
            return await self._records.load(user) or record, "silent"
        self._pauses.end(user.id)
        iam_metrics.answers[after.word.refusal or "groups"] += 1
        if self._asker.token_to_probe:
            self._start(self._asker.probe())
        return await self._store(user, after), None

    async def _store(self, user: User, record: AuthRecord) -> AuthRecord:
        """Return what is stored in the end: a login in the meantime is younger."""
        status, _ = self._judge(user, record.word, None)
        noted = replace(record, word=note_decision(record.word, status, self._bounds()))
        if await self._save(user, noted) or not is_known(user):
            return noted
        return await self._records.load(user) or noted

    async def _save(self, user: User, record: AuthRecord) -> bool:
        return await self._records.save(user, record)

    def _look_again(self, user: User) -> None:
        """Have what is stored compared with memory soon: once, however often asked."""
        if user.id not in self._doubtful:
            self._doubtful.add(user.id)
            later = asyncio.get_running_loop().call_later
            later(SAVE_AGAIN_SECONDS, lambda: self._start(self._save_again(user)))

    async def _save_again(self, user: User) -> None:
        async with self._turn_of(user):
            self._doubtful.discard(user.id)
            if not is_known(user):
                self.forget(user)
                return
            record = await self._records.load(user)
            if record is not None and not self._records.is_saved(user):
                await self._save(user, record)

    # what follows from it

    def _judge(
        self, user: User, word: Word, hush: Hush | None
    ) -> tuple[RecheckStatus, Access]:
        identity = make_identity(user.name, word.groups)
        access = resolve_access(self._facility(), identity)
        status = judge(
            word,
            self._bounds(),
            self._now(),
            is_allowed=access.may_log_in,
            hush=hush,
        )
        return status, access

    def _settle(
        self, user: User, before: AuthRecord, record: AuthRecord, hush: Hush | None
    ) -> Standing:
        """Make the hub's groups what the word and today's file say, if they are not."""
        status, access = self._judge(user, record.word, hush)
        standing = Standing(status, record.word.checked_at)
        noted = replace(record, word=note_decision(record.word, status, self._bounds()))
        now = (access.facility, noted.word, status)
        last = self._settled.get(user.id)
        if noted != record:
            self._records.keep(user, noted)
        if last is None or last[0] is not now[0] or last[1:] != now[1:]:
            if settle_person(user, access if standing.holds else None, self._log):
                self._settled[user.id] = now
            else:
                self._settled.pop(user.id, None)
        self._tell(user, before, noted, status)
        return standing

    def _tell(
        self, user: User, before: AuthRecord, after: AuthRecord, status: RecheckStatus
    ) -> None:
        """Hand a token out, or have it taken away, in a task: a re-check waits for none."""
        if after.word.is_out:
            if not before.word.is_out:
                self._log.warning("ended the access of %s: %s", user.name, status)
                self._renewals.stop(user.id)
                self._start(self._hand_outs.withdrawn(user, status))
            return
        is_new = after.access_token != before.access_token or before.word.is_out
        if is_new and after.access_token is not None:
            self._renewals.set(user, after)
            access = self._to_access(user, after)
            self._start(self._hand_outs.renewed(user, access))

    def _to_access(self, user: User, record: AuthRecord) -> AccessToken:
        return AccessToken(
            value=record.access_token or "",
            obtained_at=record.token_obtained_at or 0.0,
            expires_at=record.token_expires_at,
            narrow=self._narrower(user),
        )

    def _narrower(self, user: User) -> Narrower:
        return Narrower(
            self._questions, self._line, self.in_turn, user, self._refusals, self._now
        )
