"""What this server asks of the Dask gateway: to stop one of the person's clusters.

The gateway decides whether the cluster is this person's; this module only carries the
question there, with the server's own token, and the gateway's words back.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from jupyterlab_af.wire import Refused, make_client, refusal_of

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS = 20.0
# what a gateway names clusters; nothing that a path or a query could be made of
CLUSTER_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")

AWAY = "The Dask gateway does not answer; try again in a moment."
NOT_HERE = "This server has no Dask gateway."
GONE = "There is no cluster {name} any more."
REFUSED = "The Dask gateway did not stop the cluster {name}; try again in a moment."


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
            client.stream("DELETE", f"api/v1/clusters/{name}") as response,
        ):
            await check_stopped(response, name)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise GatewayAwayError(AWAY, type(error).__name__) from None


async def check_stopped(response: httpx.Response, name: str) -> None:
    """Return if the gateway stops the cluster; raise what it said if not."""
    status = response.status_code
    detail = f"status {status}"
    if response.is_success:
        return
    if status >= 500:
        raise GatewayAwayError(AWAY, detail)
    said = await refusal_of(response, ("error", "message"))
    words = GONE if status == 404 else REFUSED
    raise Refused(said or words.format(name=name), detail)
