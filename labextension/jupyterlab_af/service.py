"""Questions to the facility's service, with this server's own token.

This module owns the connection: where the service is, how long an answer may take,
and what a failure is called. The token stays in this process: it is in no message,
no log, no repr, and no redirect is followed with it.

Words: a *cause* is one of four labels that the browser translates; a *reason* is the
same in a sentence, for a log and for other clients of the routes.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import httpx

from jupyterlab_af.wire import Refused, make_client, read_bounded, refusal_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

Cause = Literal["outside", "unreachable", "refused", "unexpected"]

REASONS: dict[Cause, str] = {
    "outside": "This server was not started by an analysis facility.",
    "unreachable": (
        "The facility's service does not answer. What runs goes on; try again later."
    ),
    "refused": (
        "The facility's service no longer accepts this server's token. Save your "
        "work, then stop the server and start it again from the hub."
    ),
    "unexpected": (
        "The facility's service gave an answer that this Lab does not understand. "
        "Tell the facility's administrators."
    ),
}

TIMEOUT_SECONDS = 5.0
# the service says that it lives every ten seconds; the proxy between hides that it ended
SILENCE_SECONDS = 30.0


class FacilityUnavailableError(Exception):
    """The facility cannot be asked; `detail` is for the log and holds no secret.

    `reason` is the service's own sentence where it gave one, else one of `REASONS`.
    """

    def __init__(self, cause: Cause, detail: str, reason: str = "") -> None:
        super().__init__(f"{REASONS[cause]} ({detail})")
        self.cause: Cause = cause
        self.detail = detail
        self.reason = reason or REASONS[cause]


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Where the facility's service is, and what this server shows it."""

    url: str
    token: str = field(repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS
    silence_seconds: float = SILENCE_SECONDS

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> ServiceAddress | None:
        """Return the address that the facility put in the environment, if it did."""
        url = environ.get("AF_SERVICE_URL", "")
        if not url:
            return None
        token = environ.get("JUPYTERHUB_API_TOKEN", "")
        return cls(url=url.rstrip("/") + "/", token=token)


class Service:
    """The facility's service, asked over one pool of connections."""

    def __init__(self, address: ServiceAddress) -> None:
        self.address = address
        self._client: httpx.AsyncClient | None = None

    async def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the JSON that the service answers to a POST, None where it has none.

        Raises
        ------
        Refused
            If the service says no to what was asked, in its words.
        FacilityUnavailableError
            With the cause, if there is no answer or none that means anything.
        """
        return await self._json("POST", path, json=dict(body), params=query)

    async def get(self, path: str, query: Mapping[str, str]) -> Any:
        """Return the JSON that the service answers to a GET; it fails as `post` does."""
        return await self._json("GET", path, params=dict(query))

    async def _json(self, method: str, path: str, **parts: Any) -> Any:
        async with self._asked(method, path, **parts) as response:
            text = await read_bounded(response)
        if response.status_code == httpx.codes.NO_CONTENT:
            return None
        try:
            return json.loads(text)
        except ValueError:
            raise FacilityUnavailableError("unexpected", "not JSON") from None

    @asynccontextmanager
    async def events(self, last_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give the pieces of the service's stream of events, after the event `last_id`.

        Raises
        ------
        FacilityUnavailableError
            With the cause, when it cannot be opened and when it breaks.
        """
        # compressed pieces would wait for each other
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        try:
            async with self._asked("GET", "api/events", headers=headers) as response:
                kind = response.headers.get("Content-Type", "")
                if not kind.startswith("text/event-stream"):
                    raise FacilityUnavailableError("unexpected", "not a stream")
                yield response.aiter_raw()
        except Refused as error:
            # too many streams, say: it may say yes another time
            raise FacilityUnavailableError(
                "unreachable", error.detail, str(error)
            ) from None

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()

    @asynccontextmanager
    async def _asked(
        self, method: str, path: str, **parts: Any
    ) -> AsyncIterator[httpx.Response]:
        """Give the answer to a request, whose head came in time and is a yes."""
        if not self.address.token:
            raise FacilityUnavailableError("refused", "JUPYTERHUB_API_TOKEN is not set")
        try:
            client = self._client or self._open()
            request = client.build_request(method, path, **parts)
            async with asyncio.timeout(self.address.timeout_seconds):
                response = await client.send(request, stream=True)
            try:
                await check_answer(response)
                yield response
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            detail = type(error).__name__
            raise FacilityUnavailableError("unreachable", detail) from None

    def _open(self) -> httpx.AsyncClient:
        self._client = make_client(
            self.address.url,
            authorization=f"token {self.address.token}",
            connect_seconds=self.address.timeout_seconds,
            silence_seconds=self.address.silence_seconds,
        )
        return self._client


async def check_answer(response: httpx.Response) -> None:
    """Return if the status is a yes.

    Raises
    ------
    Refused
        If it is a no to what was asked.
    FacilityUnavailableError
        If it is about who asks, or the service is away.
    """
    status = response.status_code
    if response.is_success:
        return
    detail = f"status {status}"
    if status in {401, 403}:
        said = await refusal_of(response)
        raise FacilityUnavailableError("refused", detail, said)
    # The proxy says 404 and 503 in place of a service that is away.
    if status == 404 or status >= 500:
        raise FacilityUnavailableError("unreachable", detail)
    said = await refusal_of(response)
    if status < 400 or not said:
        raise FacilityUnavailableError("unexpected", detail)
    raise Refused(said, detail)
