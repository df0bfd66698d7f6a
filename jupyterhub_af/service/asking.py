"""How the service asks the hub and the gateway over HTTP: bounded, and never redirected.

Its token goes to the address of the configuration and nowhere else.
"""

from __future__ import annotations

import ssl

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from jupyterhub_af.policy.errors import AFError

ASK_SECONDS = 20
MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_CONNECTIONS = 8


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
        self._client: SimpleAsyncHTTPClient | None = None

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
        request = HTTPRequest(
            self._url + path,
            method=method,
            headers={
                "Authorization": self._authorization,
                "Accept": accept,
                "Content-Type": "application/json",
            },
            body=body,
            follow_redirects=False,
            connect_timeout=ASK_SECONDS,
            request_timeout=ASK_SECONDS,
        )
        try:
            answer = await self._open().fetch(request, raise_error=False)
        except (HTTPClientError, OSError, ssl.SSLError, ValueError) as error:
            msg = f"The {self.name} does not answer ({type(error).__name__})."
            raise AskError(msg) from error
        return answer.code, answer.body

    def close(self) -> None:
        """Let connections go."""
        if self._client is not None:
            self._client.close()

    def _open(self) -> SimpleAsyncHTTPClient:
        """Return the client; it belongs to the loop that runs."""
        if self._client is None:
            self._client = SimpleAsyncHTTPClient(
                force_instance=True,
                max_clients=self._most,
                max_body_size=MAX_ANSWER_BYTES,
            )
        return self._client
