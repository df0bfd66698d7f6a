"""What the service asks of the Dask Gateway server: which clusters run, and to stop one."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import ValidationError

from jupyterhub_af.policy.messages import Clusters

from .asking import Asker, AskError


class GatewayApi:
    """The gateway, as the service's own hub token sees it."""

    def __init__(self, url: str, token: str) -> None:
        self._asker = Asker("Dask gateway", url, authorization=f"jupyterhub {token}")

    async def active_clusters(self) -> Clusters:
        """Return every active cluster."""
        status, body = await self._asker.ask("GET", "/api/v1/af/clusters")
        if status != 200:
            msg = f"The Dask gateway answered {status}."
            raise AskError(msg)
        try:
            return Clusters.model_validate_json(body)
        except ValidationError as error:
            msg = "The Dask gateway gave an answer that is not whole."
            raise AskError(msg) from error

    async def stop_cluster(self, name: str) -> None:
        """Have the gateway stop a cluster; one that is gone is no error."""
        path = f"/api/v1/clusters/{quote(name, safe='')}"
        status, _ = await self._asker.ask("DELETE", path)
        if status not in (200, 202, 204, 404):
            msg = f"The Dask gateway answered {status}."
            raise AskError(msg)

    async def close(self) -> None:
        """Let connections go."""
        await self._asker.close()
