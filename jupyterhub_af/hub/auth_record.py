"""What the hub keeps of a person's login, encrypted: tokens, and the IAM's last word.

``AuthRecord`` is that on plain data; ``Records`` reads and writes it. A write takes the
place of what it was made from and of nothing else, so that a login in the meantime is
never undone; and what could not be written is kept in memory until it can be.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, get_args

from cryptography.fernet import InvalidToken
from jupyterhub.crypto import EncryptionUnavailable, decrypt, encrypt
from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from jupyterhub_af.policy.freshness import Word, WordRefusal

if TYPE_CHECKING:
    from jupyterhub.user import User

_MOST_TRIES = 3


@dataclass(frozen=True, slots=True)
class AuthRecord:
    """A login, with the tokens of now. Times are seconds since 1970.

    ``login_at`` tells one login of a person from the next, ``revision`` what was stored
    of one login from what was stored of it before. ``client_id`` is whose tokens they are
    at the IAM; empty in a record of an earlier version.
    """

    access_token: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)
    scopes: tuple[str, ...]
    issuer: str
    subject: str
    word: Word
    login_at: float | None = None
    auth_time: int | None = None
    token_obtained_at: float | None = None
    token_expires_at: float | None = None
    client_id: str = ""
    revision: int = field(default=0, compare=False)


def to_auth_state(record: AuthRecord) -> dict[str, Any]:
    """Return the record as the hub stores it."""
    word = record.word
    return {
        "access_token": record.access_token,
        "refresh_token": record.refresh_token,
        "scope": list(record.scopes),
        "iss": record.issuer,
        "sub": record.subject,
        "client_id": record.client_id,
        "groups": sorted(word.groups),
        "checked_at": word.checked_at,
        "answered_at": word.answered_at,
        "refusal": word.refusal,
        "is_out": word.is_out,
        "login_at": record.login_at,
        "auth_time": record.auth_time,
        "token_obtained_at": record.token_obtained_at,
        "token_expires_at": record.token_expires_at,
        "revision": record.revision,
    }


def parse_auth_state(state: Mapping[str, Any] | None) -> AuthRecord | None:
    """Return the record in a hub's auth state, of an earlier version too; None: there is none."""
    if not state or not isinstance(state.get("sub"), str):
        return None
    refusal = state.get("refusal")
    word = Word(
        groups=frozenset(state.get("groups") or ()),
        checked_at=state.get("checked_at"),
        answered_at=state.get("answered_at"),
        refusal=refusal if refusal in get_args(WordRefusal) else None,
        is_out=bool(state.get("is_out")),
    )
    return AuthRecord(
        access_token=state.get("access_token"),
        refresh_token=state.get("refresh_token"),
        scopes=tuple(state.get("scope") or ()),
        issuer=str(state.get("iss", "")),
        subject=state["sub"],
        word=word,
        login_at=state.get("login_at"),
        auth_time=state.get("auth_time"),
        token_obtained_at=state.get("token_obtained_at"),
        token_expires_at=state.get("token_expires_at"),
        client_id=str(state.get("client_id") or ""),
        revision=int(state.get("revision") or 0),
    )


@dataclass(slots=True)
class _Kept:
    """A record in memory, and the stored text that it belongs to."""

    stored: bytes | None
    record: AuthRecord | None
    is_saved: bool = True


def is_known(user: User) -> bool:
    """Tell whether a person is still one of the hub's."""
    return bool(inspect(user.orm_user).persistent)


class Records:
    """The records of one hub's people. Anybody may read; who writes has the person's turn.

    ``look_again`` is to be told of a person whose record was written, or could not be:
    it calls ``load`` a little later, and ``save`` where memory alone has the newest.
    """

    def __init__(
        self,
        log: logging.Logger,
        *,
        look_again: Callable[[User], None] = lambda user: None,
    ) -> None:
        self._log = log
        self._look_again = look_again
        self._kept: dict[int, _Kept] = {}

    def peek(self, user: User) -> AuthRecord | None:
        """Return the record if memory has what is stored; None: ``load`` may know more."""
        kept = self._kept.get(user.id)
        is_same = kept is not None and kept.stored == user.encrypted_auth_state
        return kept.record if kept is not None and is_same else None

    def is_saved(self, user: User) -> bool:
        """Tell whether nothing of a person is in memory alone."""
        kept = self._kept.get(user.id)
        return kept is None or kept.is_saved

    def keep(self, user: User, record: AuthRecord) -> None:
        """Keep in memory what a restart would find out again by itself."""
        kept = self._kept.get(user.id)
        if kept is not None and kept.record is not None:
            kept.record = replace(record, revision=kept.record.revision)

    async def load(self, user: User) -> AuthRecord | None:
        """Return the record: memory's where that is newer than what is stored."""
        for _ in range(_MOST_TRIES):
            known = self.peek(user)
            if known is not None:
                return known
            stored = user.encrypted_auth_state
            found = parse_auth_state(await self._read(user, stored))
            if user.encrypted_auth_state == stored:
                break
        before = self._kept.get(user.id)
        if before and before.record and _is_older(found, before.record):
            # the hub wrote an earlier text again, with the newest of its own keys
            self._keep(user, _Kept(stored, before.record, is_saved=False))
            return before.record
        self._kept[user.id] = _Kept(stored, found)
        return found

    async def _read(self, user: User, stored: bytes | None) -> Any:
        """Return what a stored text says; it is not written again as the hub would."""
        if stored is None:
            return None
        try:
            return await decrypt(stored)
        except (ValueError, InvalidToken, EncryptionUnavailable) as error:
            self._log.warning(
                "could not read the login of %s (%s)", user.name, type(error).__name__
            )
            return None

    async def save(self, user: User, record: AuthRecord) -> bool:
        """Write a record in place of what was loaded; False: another login took the place."""
        for _ in range(_MOST_TRIES):
            kept = self._kept.setdefault(user.id, _Kept(None, None))
            record = _next(record, kept.record)
            text = await encrypt(to_auth_state(record))
            if not is_known(user):
                self.forget(user)
                return False
            if kept.record is not None and kept.record.login_at != record.login_at:
                return False
            if user.encrypted_auth_state == kept.stored:
                self._write(user, record, text)
                return True
            # somebody else wrote: a login, or the hub with another of its own keys
            found = await self.load(user)
            if found is not None and found.login_at != record.login_at:
                return False
        self._keep(user, _Kept(user.encrypted_auth_state, record, is_saved=False))
        return True

    def forget(self, user: User) -> None:
        """Forget somebody who is no longer one of the hub's."""
        self._kept.pop(user.id, None)

    def _keep(self, user: User, kept: _Kept) -> None:
        self._kept[user.id] = kept
        self._look_again(user)

    def _write(self, user: User, record: AuthRecord, text: bytes) -> None:
        before = user.encrypted_auth_state
        try:
            user.encrypted_auth_state = text
            user.db.commit()
        except SQLAlchemyError as error:
            user.db.rollback()
            self._keep(user, _Kept(before, record, is_saved=False))
            self._log.error(
                "could not store the login of %s, which goes on from memory (%s)",
                user.name,
                type(error).__name__,
            )
        else:
            self._keep(user, _Kept(text, record))


def _is_older(found: AuthRecord | None, kept: AuthRecord) -> bool:
    """Tell whether what is stored is an earlier state of the login in memory."""
    if found is None or found.login_at != kept.login_at:
        return False
    return found.revision < kept.revision


def _next(record: AuthRecord, before: AuthRecord | None) -> AuthRecord:
    """Return the record as it is to be stored: later than all of its login before."""
    last = record.revision if before is None else before.revision
    return replace(record, revision=last + 1)
