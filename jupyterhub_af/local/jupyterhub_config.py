"""The hub of a facility on one machine, configured from what `up` chose.

`up` names the settings file in ``JUPYTERHUB_AF_SETTINGS``. It holds addresses and
paths; secrets stay in files of their own and are read here, in the hub alone.
"""

import json
import os
from pathlib import Path

c = get_config()  # noqa: F821 - JupyterHub puts it there
settings = json.loads(
    Path(os.environ["JUPYTERHUB_AF_SETTINGS"]).read_text(encoding="utf8")
)
folder = Path(settings["hub_folder"])

c.FacilityAware.facility_file = settings["facility_file"]
c.FacilityAware.issuer = settings["issuer"]
c.FacilityAware.service_url = f"unix:{settings['service_socket']}"
c.FacilityAware.service_secret_file = str(folder / "service-secret")
c.FacilityAware.agent_url = f"unix:{settings['agent_socket']}"
c.FacilityAware.agent_secret_file = str(folder / "agent-secret")

if settings["debug"]:
    c.JupyterHub.log_level = "DEBUG"
    c.ConfigurableHTTPProxy.debug = True
    c.Spawner.debug = True

c.JupyterHub.bind_url = settings["url"]
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{settings['hub_port']}"
c.JupyterHub.db_url = f"sqlite:///{folder / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(folder / "cookie-secret")
c.JupyterHub.template_paths = [settings["templates"]]
c.JupyterHub.template_vars = {"facility_name": settings["facility_name"]}
c.JupyterHub.authenticator_class = "af-iam"
c.JupyterHub.spawner_class = "af-local"
# how many servers a person may have beside the first
c.JupyterHub.allow_named_servers = settings["named_servers"] > 0
c.JupyterHub.named_server_limit_per_user = settings["named_servers"]
c.CryptKeeper.keys = [bytes.fromhex((folder / "crypt-key").read_text(encoding="ascii"))]

c.IAMAuthenticator.client_id = settings["client_id"]
c.IAMAuthenticator.scope = settings["scope"]
c.IAMAuthenticator.client_secret_file = settings["client_secret_file"]
c.IAMAuthenticator.oauth_callback_url = f"{settings['url']}hub/oauth_callback"

c.ConfigurableHTTPProxy.command = settings["proxy_command"]
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings['proxy_port']}"
c.ConfigurableHTTPProxy.pid_file = str(folder / "proxy.pid")

c.LocalSpawner.environments = settings["environments"]
c.LocalSpawner.volume = settings["volume"]
c.LocalSpawner.run_dir = settings["servers"]
c.LocalSpawner.tokens_dir = settings["tokens"]
c.LocalSpawner.environment = {
    "AF_SERVICE_URL": f"{settings['url']}services/af/",
    "DASK_GATEWAY__ADDRESS": settings["gateway_url"],
    "DASK_GATEWAY__PROXY_ADDRESS": f"gateway://{settings['dask_proxy_address']}",
    # dashboards are shown by the server's own extension; the client fills in the prefix
    "DASK_GATEWAY__PUBLIC_ADDRESS": "{JUPYTERHUB_SERVICE_PREFIX}jupyterlab-af",
    "DASK_GATEWAY__AUTH__TYPE": "jupyterhub",
    # how late the hub learns of people's activity; the service is told the same
    "JUPYTERHUB_ACTIVITY_INTERVAL": str(settings["activity_seconds"]),
}
# what a server's own token may do: say that it lives, answer its person, ask the service
c.LocalSpawner.server_token_scopes = [
    "users:activity!user",
    "access:servers!server",
    "access:services!service=af",
    "access:services!service=dask-gateway",
]
# the proxy takes the pings of an open notebook for activity: only servers' own words count
c.JupyterHub.last_activity_interval = 0
# also how soon a service or an agent that ended is started again
c.Spawner.poll_interval = 5
c.LocalSpawner.http_timeout = 60
c.LocalSpawner.start_timeout = 60

c.JupyterHub.load_roles = [
    {
        "name": "user",
        "scopes": [
            "self",
            "access:services!service=af",
            "access:services!service=dask-gateway",
        ],
    },
    # the keeper: sees which servers run, stops those whose time is over, reaps clusters
    {
        "name": "keeper",
        "services": ["af"],
        "scopes": [
            "list:users",
            "read:servers",
            # what a server that runs is held to
            "read:users:groups",
            "delete:servers",
            # an account that is retired, renamed or deleted: sessions and tokens end;
            # renaming at the hub would need a scope that reads everybody's IAM tokens
            "delete:users",
            "access:services!service=dask-gateway",
        ],
    },
]
c.JupyterHub.services = [
    {
        "name": "af",
        "url": f"http://127.0.0.1:{settings['service_port']}",
        "command": settings["service_command"],
        "oauth_no_confirm": True,
        "display": False,
    },
    {"name": "storage", "command": settings["agent_command"], "display": False},
    {
        "name": "dask-gateway",
        "command": settings["gateway_command"],
        "environment": {"JUPYTERHUB_AF_SETTINGS": os.environ["JUPYTERHUB_AF_SETTINGS"]},
        "display": False,
    },
    {
        "name": "dask-proxy",
        "command": settings["dask_proxy_command"],
        "environment": {
            "DASK_GATEWAY_PROXY_TOKEN": Path(
                settings["gateway_folder"], "proxy-token"
            ).read_text(encoding="ascii")
        },
        "display": False,
    },
]
