"""The line to another process of the facility: service, storage agent or gateway.

An address is ``unix:/path/of/socket`` or ``http://host:port``; the secret is read from
its file at each call, so that a changed secret needs no restart.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError

from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.messages import Refusal

from .sessions import session_for

_M = TypeVar("_M", bound=BaseModel)
# no bound for the whole of a long answer, but for each of its silences
_LONG = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=120)


class PeerRefusedError(AFError):
    """Carry another process's refusal: ``str(error)`` is for the person."""

    def __init__(self, refusal: Refusal, status: int) -> None:
        self.refusal = refusal
        self.status = status
        super().__init__(refusal.message)


class PeerAwayError(AFError):
    """Say that another process did not answer, or not in its language."""


class Peer:
    """One process to ask."""

    def __init__(self, name: str, url: str, secret_file: str) -> None:
        self.name = name
        self._url = url
        self._secret_file = Path(secret_file)

    async def call(self, method: str, path: str, *, body: bytes | None = None) -> bytes:
        """Return the body of a 2xx answer.

        Raises
        ------
        PeerRefusedError
            If the answer is a refusal in words.
        PeerAwayError
            If there is no answer, or one that this process does not understand.
        """
        try:
            status, answer = await self._exchange(method, path, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            msg = f"The {self.name} of this facility did not answer ({type(error).__name__})."
            raise PeerAwayError(msg) from error
        if status >= 400:
            raise self._to_error(status, answer)
        return answer

    async def ask(self, path: str, message: BaseModel, reply: type[_M]) -> _M:
        """POST a message and return the reply as a checked message."""
        answer = await self.call("POST", path, body=message.model_dump_json().encode())
        try:
            return reply.model_validate_json(answer)
        except ValidationError as error:
            msg = f"The {self.name} of this facility gave an answer of another version."
            raise PeerAwayError(msg) from error

    async def stream(
        self, path: str, message: BaseModel
    ) -> AsyncGenerator[bytes, None]:
        """POST a message and return a long answer part by part.

        Raises
        ------
        PeerRefusedError
            If the answer is a refusal in words; then there was no part of another.
        PeerAwayError
            If there is no answer, or it breaks off before its end.
        """
        try:
            session, base = session_for(self._url)
            async with session.post(
                base + path,
                data=message.model_dump_json().encode(),
                headers=self._headers(),
                timeout=_LONG,
            ) as response:
                if response.status >= 400:
                    raise self._to_error(response.status, await response.read())
                async for part in response.content.iter_any():
                    yield part
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            msg = (
                f"The {self.name} of this facility broke off ({type(error).__name__})."
            )
            raise PeerAwayError(msg) from error

    async def _exchange(
        self, method: str, path: str, body: bytes | None
    ) -> tuple[int, bytes]:
        try:
            return await self._ask_once(method, path, body)
        except aiohttp.ServerDisconnectedError:
            # the process was started again and left us a connection of before
            return await self._ask_once(method, path, body)

    async def _ask_once(
        self, method: str, path: str, body: bytes | None
    ) -> tuple[int, bytes]:
        session, base = session_for(self._url)
        async with session.request(
            method, base + path, data=body, headers=self._headers()
        ) as response:
            return response.status, await response.read()

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._read_secret()}",
            "Content-Type": "application/json",
        }

    def _read_secret(self) -> str:
        return self._secret_file.read_text(encoding="ascii").strip()

    def _to_error(self, status: int, answer: bytes) -> AFError:
        try:
            return PeerRefusedError(Refusal.model_validate_json(answer), status)
        except ValidationError:
            return PeerAwayError(f"The {self.name} of this facility answered {status}.")
