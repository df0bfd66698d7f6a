"""What this server asks of the Dask gateway: to stop a cluster, and where its pages are.

The gateway decides whether the cluster is this person's; this module only carries the
question there, with the server's own token, and the gateway's words back.
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from jupyterlab_af.wire import Refused, make_client, read_bounded, refusal_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

TIMEOUT_SECONDS = 20.0
# what a gateway names clusters; nothing that a path or a query could be made of
CLUSTER_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")

AWAY = "The Dask gateway does not answer; try again in a moment."
NOT_HERE = "This server has no Dask gateway."
GONE = "There is no cluster {name} any more."
REFUSED = "The Dask gateway refused to do this with the cluster {name}."


class GatewayAwayError(Exception):
    """The gateway cannot be asked; the message is for the person, `detail` for the log."""

    def __init__(self, message: str, detail: str) -> None:
        super().__init__(message)
        self.detail = detail


def is_cluster_name(name: str) -> bool:
    """Return whether `name` can be the name of a cluster."""
    return ".." not in name and CLUSTER_NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """Where the Dask gateway is, and what this server shows it."""

    url: str
    token: str = field(repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> GatewayAddress | None:
        """Return the address that the facility put in the environment, if it did."""
        url = environ.get("DASK_GATEWAY__ADDRESS", "")
        if not url.startswith(("http://", "https://")):
            return None
        token = environ.get("JUPYTERHUB_API_TOKEN", "")
        return cls(url=url.rstrip("/") + "/", token=token)


async def stop_cluster(address: GatewayAddress | None, name: str) -> None:
    """Have the gateway stop the cluster `name`, a checked name.

    Raises
    ------
    Refused
        If it says no, in its words.
    GatewayAwayError
        If it does not answer, or there is none.
    """
    async with asked(address, "DELETE", f"api/v1/clusters/{name}") as response:
        await check_answer(response, name)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Where a cluster's pages are, and the key that they want."""

    address: str
    key: str = field(repr=False)


async def find_dashboard(address: GatewayAddress | None, name: str) -> Dashboard:
    """Return the dashboard of the person's cluster `name`, a checked name.

    Raises
    ------
    Refused
        If the person has no such running cluster.
    GatewayAwayError
        If the gateway does not answer, or there is none.
    """
    path = f"api/v1/clusters/{name}/dashboard"
    async with asked(address, "GET", path) as response:
        await check_answer(response, name)
        try:
            said = json.loads(await read_bounded(response))
            return Dashboard(address=str(said["address"]), key=str(said["key"]))
        except (ValueError, KeyError, TypeError):
            raise GatewayAwayError(AWAY, "no dashboard in the answer") from None


@asynccontextmanager
async def asked(
    address: GatewayAddress | None, method: str, path: str
) -> AsyncIterator[httpx.Response]:
    """Give the gateway's answer to a question; its silence is a GatewayAwayError."""
    if address is None:
        raise GatewayAwayError(NOT_HERE, "DASK_GATEWAY__ADDRESS is not set")
    try:
        async with (
            asyncio.timeout(address.timeout_seconds),
            make_client(
                address.url,
                authorization=f"jupyterhub {address.token}",
                connect_seconds=address.timeout_seconds,
                silence_seconds=address.timeout_seconds,
            ) as client,
            client.stream(method, path) as response,
        ):
            yield response
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise GatewayAwayError(AWAY, type(error).__name__) from None


async def check_answer(response: httpx.Response, name: str) -> None:
    """Return if the gateway did what was asked; raise what it said if not."""
    status = response.status_code
    detail = f"status {status}"
    if response.is_success:
        return
    if status >= 500:
        raise GatewayAwayError(AWAY, detail)
    said = await refusal_of(response, ("error", "message"))
    words = GONE if status == 404 else REFUSED
    raise Refused(said or words.format(name=name), detail)
