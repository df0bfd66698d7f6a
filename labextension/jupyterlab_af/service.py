"""Questions to the facility's service, with this server's own token.

This module owns the connection: where the service is, how long an answer may take,
and what a failure is called. The token stays in this process: it is in no message,
no log, no repr, and no redirect is followed with it.

Words: a *cause* is one of four labels that the browser translates; a *reason* is the
same in a sentence, for a log and for other clients of the route.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tornado.httpclient import (
    AsyncHTTPClient,
    HTTPClientError,
    HTTPRequest,
    HTTPResponse,
)

from jupyterlab_af.me import Me, ReplyError, parse_me

if TYPE_CHECKING:
    from collections.abc import Mapping

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
REPLY_LIMIT_BYTES = 1024 * 1024


class FacilityUnavailableError(Exception):
    """The facility cannot be asked; `detail` is for the log and holds no secret."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(f"{REASONS[cause]} ({detail})")
        self.cause: Cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Where the facility's service is, and what this server shows it."""

    url: str
    token: str = field(repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> ServiceAddress | None:
        """Return the address that the facility put in the environment, if it did."""
        url = environ.get("AF_SERVICE_URL", "")
        if not url:
            return None
        token = environ.get("JUPYTERHUB_API_TOKEN", "")
        return cls(url=url.rstrip("/") + "/", token=token)


async def fetch_me(address: ServiceAddress | None) -> Me:
    """Ask the service who the person is and what their server was started with.

    Raises
    ------
    FacilityUnavailableError
        With the cause, whatever went wrong.
    """
    if address is None:
        raise FacilityUnavailableError("outside", "AF_SERVICE_URL is not set")
    if not address.token:
        raise FacilityUnavailableError("refused", "JUPYTERHUB_API_TOKEN is not set")
    response = await fetch(address, "api/me")
    try:
        return parse_me(json.loads(response.body))
    except (ReplyError, UnicodeDecodeError, json.JSONDecodeError) as error:
        detail = str(error) if isinstance(error, ReplyError) else "not JSON"
        raise FacilityUnavailableError("unexpected", detail) from None


async def fetch(address: ServiceAddress, path: str) -> HTTPResponse:
    """Return the service's answer 200 to a GET of `path`."""
    client = AsyncHTTPClient(force_instance=True, max_body_size=REPLY_LIMIT_BYTES)
    try:
        request = make_request(address, path)
        response = await client.fetch(request, raise_error=False)
    except (OSError, ValueError, HTTPClientError) as error:
        detail = type(error).__name__
        raise FacilityUnavailableError("unreachable", detail) from None
    finally:
        client.close()
    if response.code != 200:
        raise FacilityUnavailableError(
            cause_of_status(response.code), f"status {response.code}"
        )
    return response


def make_request(address: ServiceAddress, path: str) -> HTTPRequest:
    """Return the request for `path`, which carries the token."""
    return HTTPRequest(
        address.url + path,
        headers={
            "Accept": "application/json",
            "Authorization": f"token {address.token}",
        },
        connect_timeout=address.timeout_seconds,
        request_timeout=address.timeout_seconds,
        follow_redirects=False,
    )


def cause_of_status(status: int) -> Cause:
    """Return what a status other than 200 means."""
    if status in {401, 403}:
        return "refused"
    # The proxy says 404 and 503 in place of a service that is away.
    if status == 404 or status >= 500:
        return "unreachable"
    return "unexpected"
