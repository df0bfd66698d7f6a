"""The hub's line to the IAM: one bounded request, and no redirect followed.

Nothing of what goes over it is logged: requests carry codes and secrets, answers
carry tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

from jupyterhub_af.line.sessions import session_for
from jupyterhub_af.policy.errors import AFError

# an ID token, an access token with the same groups, and the rest
MAX_BYTES = 2 * 1024 * 1024


class IAMAwayError(AFError):
    """Say that the IAM did not answer, or only that it is broken."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the IAM said: a status below 500, and a body of at most ``MAX_BYTES``."""

    status: int
    body: bytes = field(repr=False)


async def ask_iam(
    url: str,
    *,
    timeout_seconds: float,
    form: Mapping[str, str] | None = None,
    bearer: str = "",
) -> Answer:
    """Return the answer to a GET, or to a POST of a form.

    Raises
    ------
    IAMAwayError
        If there is no whole answer in time, if it is too long, or a 5xx.
    """
    try:
        try:
            status, body = await _exchange(url, timeout_seconds, form, bearer)
        except aiohttp.ServerDisconnectedError:
            # it closed a connection of before at the moment that we asked on it
            status, body = await _exchange(url, timeout_seconds, form, bearer)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        msg = f"no answer ({type(error).__name__})"
        raise IAMAwayError(msg) from None
    if status >= 500:
        msg = f"the answer was {status}"
        raise IAMAwayError(msg)
    if len(body) > MAX_BYTES:
        msg = f"the answer is longer than {MAX_BYTES} bytes"
        raise IAMAwayError(msg)
    return Answer(status, body)


async def _exchange(
    url: str, timeout_seconds: float, form: Mapping[str, str] | None, bearer: str
) -> tuple[int, bytes]:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    parts = urlsplit(url)
    session, _ = session_for(f"{parts.scheme}://{parts.netloc}")
    async with session.request(
        "GET" if form is None else "POST",
        url,
        data=form,
        headers=headers,
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(total=timeout_seconds),
    ) as response:
        return response.status, await _read(response)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return the body, or one byte more than is allowed."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > MAX_BYTES:
            break
    return bytes(body[: MAX_BYTES + 1])
