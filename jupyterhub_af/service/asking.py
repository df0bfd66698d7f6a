"""How the service asks the hub and the gateway over HTTP: bounded, and never redirected.

Its token goes to the address of the configuration and nowhere else.
"""

from __future__ import annotations

import aiohttp
from yarl import URL

from jupyterhub_af.policy.errors import AFError

ASK_SECONDS = 20
MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_CONNECTIONS = 8
_PART_BYTES = 65536


class AskError(AFError):
    """Say in words that another process could not be asked; for health and log."""


class Asker:
    """A client of one other process. ``name`` is what to call it in words."""

    def __init__(
        self, name: str, url: str, *, authorization: str, most: int = MAX_CONNECTIONS
    ) -> None:
        self.name = name
        self._most = most
        self._url = url.rstrip("/")
        self._authorization = authorization
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        accept: str = "application/json",
        body: str | None = None,
    ) -> tuple[int, bytes]:
        """Return status and body of an answer; what is sent is JSON.

        Raises
        ------
        AskError
            If there is no answer in time, or one that is too large.
        """
        headers = {
            "Authorization": self._authorization,
            "Accept": accept,
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
        }
        data = None if body is None else body.encode()
        try:
            # names in the path are quoted already, and stay as they are
            url = URL(self._url + path, encoded=True)
            async with self._open().request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as answer:
                return answer.status, await _read(answer)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            msg = f"The {self.name} does not answer ({type(error).__name__})."
            raise AskError(msg) from error

    async def close(self) -> None:
        """Let connections go."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        """Return the session; it belongs to the loop that runs."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # one connection a question: who was started again left none of before
                connector=aiohttp.TCPConnector(limit=self._most, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=ASK_SECONDS),
            )
        return self._session


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """Return the body, if it is not too large."""
    body = bytearray()
    async for part in answer.content.iter_chunked(_PART_BYTES):
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            msg = f"more than {MAX_ANSWER_BYTES} bytes"
            raise ValueError(msg)
    return bytes(body)
