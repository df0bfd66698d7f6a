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


class IAMSilentError(IAMAwayError):
    """Say that the IAM did not answer at all."""


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
    """Return the answer to a GET, or to a POST of a form, which is sent once at most.

    A form may hold a refresh token that the first sight of it ends. So it goes over a
    connection of its own: one of before may close at the moment that we ask on it, and
    nobody knows then whether the form was read. A GET is asked again by aiohttp itself.

    Raises
    ------
    IAMAwayError
        If there is no whole answer in time, if it is too long, or a 5xx.
    """
    try:
        status, body = await _exchange(url, timeout_seconds, form, bearer)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        msg = f"no answer ({type(error).__name__})"
        raise IAMSilentError(msg) from None
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
    origin = f"{parts.scheme}://{parts.netloc}"
    session, _ = session_for(origin, is_anew=form is not None)
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
