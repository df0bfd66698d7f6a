"""The Dask Gateway server of a facility on one machine, configured from what `up` chose.

As for the hub: the settings file holds addresses and paths, secrets stay in files.
"""

import base64
import json
import os
from pathlib import Path

c = get_config()  # noqa: F821 - Dask Gateway puts it there
settings = json.loads(
    Path(os.environ["JUPYTERHUB_AF_SETTINGS"]).read_text(encoding="utf8")
)
folder = Path(settings["gateway_folder"])


def read_secret(name: str) -> str:
    """Return what a file of the gateway's own folder holds."""
    return (folder / name).read_text(encoding="ascii")


c.DaskGateway.log_level = "DEBUG" if settings["debug"] else "INFO"
c.DaskGateway.address = settings["gateway_url"].removeprefix("http://")
c.DaskGateway.authenticator_class = (
    "jupyterhub_af.gateway.authenticator.FacilityAuthenticator"
)
c.DaskGateway.backend_class = "jupyterhub_af.gateway.local.SandboxBackend"

c.SandboxBackend.facility_file = settings["facility_file"]
c.SandboxBackend.issuer = settings["issuer"]
c.SandboxBackend.service_url = f"unix:{settings['service_socket']}"
c.SandboxBackend.service_secret_file = str(folder / "service-secret")
c.SandboxBackend.environments = settings["environments"]
c.SandboxBackend.volume = settings["volume"]
c.SandboxBackend.clusters_dir = settings["clusters"]
c.SandboxBackend.tokens_dir = settings["tokens"]
c.SandboxBackend.db_url = f"sqlite:///{folder / 'dask-gateway.sqlite'}"
c.SandboxBackend.db_encrypt_keys = [
    base64.urlsafe_b64encode(bytes.fromhex(read_secret("database-key"))).decode()
]
# clusters go on while the gateway is started again; `up` ends them with everything else
c.SandboxBackend.stop_clusters_on_shutdown = False
c.SandboxBackend.api_url = f"{settings['gateway_url']}/api"
c.SandboxBackend.cluster_heartbeat_period = 5
c.SandboxBackend.cluster_heartbeat_timeout = 30.0
c.SandboxBackend.check_timeouts_period = 5.0

c.Proxy.externally_managed = True
c.Proxy.address = c.Proxy.tcp_address = settings["dask_proxy_address"]
c.Proxy.api_token = read_secret("proxy-token")
