"""How this server asks another process over HTTP, and what it reads of an answer.

Never a redirect, never a proxy of the environment (both would carry the token away),
never more of an answer than a bound, never longer than a bound.
"""

from __future__ import annotations

import json
import re
import ssl
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Sequence

ANSWER_LIMIT_BYTES = 1024 * 1024
SENTENCE_LIMIT = 500
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """Another process said no, in words for the person; `detail` is for the log."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


def make_client(
    url: str, *, authorization: str, connect_seconds: float, silence_seconds: float
) -> httpx.AsyncClient:
    """Return a client of the process at `url`; the times are between two bytes."""
    # the default reads every authority of the machine, also where there is no TLS
    is_tls = url.startswith("https:")
    verify = (
        ssl.create_default_context()
        if is_tls
        else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )
    return httpx.AsyncClient(
        base_url=url,
        headers={"Authorization": authorization},
        timeout=httpx.Timeout(connect_seconds, read=silence_seconds),
        trust_env=False,
        verify=verify,
    )


async def read_bounded(response: httpx.Response) -> bytes:
    """Return the body of an answer.

    Raises
    ------
    httpx.HTTPError
        If it is larger than the bound, or breaks.
    """
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > ANSWER_LIMIT_BYTES:
            raise httpx.ReadError("The answer is too large.")
    return body


async def refusal_of(
    response: httpx.Response, keys: Sequence[str] = ("message",)
) -> str:
    """Return the sentence that a no carries, on one line and cut; empty without one."""
    try:
        said = json.loads(await read_bounded(response))
    except ValueError:
        return ""
    found = [said.get(key) for key in keys] if isinstance(said, dict) else []
    words = next((word for word in found if isinstance(word, str)), "")
    return _CONTROLS.sub(" ", words).strip()[:SENTENCE_LIMIT]
