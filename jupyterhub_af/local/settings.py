"""What `up` tells the hub's configuration: addresses, paths and commands; no secret."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import jupyterhub_af

from .confined import make_confined_command, python_folders
from .layout import (
    DASK_PROXY_UID,
    PROXY_UID,
    SERVICE_UID,
    Layout,
    LocalError,
    write_private,
)

# which of the processes listen on a port of the loopback that is nobody's to choose
PORTS = ("hub", "proxy", "service", "gateway", "dask-proxy")
# how often a server tells how it is used
ACTIVITY_SECONDS = 60
SCOPE = ("openid", "profile", "email", "offline_access")
# what IAM's other token profiles want to be asked before they say groups
PROFILE_SCOPES = {
    "iam": (),
    "wlcg": ("wlcg.groups",),
    "kc": (),
    # userinfo has its groups for who does not ask; for who does, the access token has
    # them too, and is then longer than a header may be
    "aarc": (),
}
# what the demo facility's profiles want of a server's token, which a login has to ask
# for; an IAM of somebody's own may not know it, and would then log nobody in
DEMO_SCOPES = ("storage.read:/",)


@dataclass(frozen=True, slots=True)
class IamClient:
    """How the hub presents itself to the IAM; ``issuer`` empty: the facility file's."""

    client_id: str
    secret_file: Path | None
    issuer: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What `up` chose for this run."""

    url: str
    facility_name: str
    facility_file: Path
    environments: Mapping[str, str]
    client: IamClient
    iam_profile: str
    named_servers: int
    node: str
    node_folders: Sequence[Path]
    node_modules: Path
    debug: bool = False

    @property
    def log_level(self) -> str:
        """Return how much every process writes."""
        return "DEBUG" if self.debug else "INFO"


def login_scopes(iam_profile: str, *, is_demo: bool) -> list[str]:
    """Return what people are logged in for; ``is_demo``: at the demo IAM."""
    more = DEMO_SCOPES if is_demo else ()
    return [*SCOPE, *PROFILE_SCOPES[iam_profile], *more]


def write_settings(layout: Layout, choices: Choices, ports: Sequence[int]) -> None:
    """Write the settings file of this run, for its owner alone; a port for each of PORTS."""
    if not choices.client.client_id or choices.client.secret_file is None:
        msg = (
            "Without the demo IAM, say who this facility is at its IAM: "
            "--client-id ID --client-secret-file FILE."
        )
        raise LocalError(msg)
    port = dict(zip(PORTS, ports, strict=True))
    gateway_url = f"http://127.0.0.1:{port['gateway']}"
    settings = {
        "url": choices.url,
        "facility_name": choices.facility_name,
        "hub_port": port["hub"],
        "proxy_port": port["proxy"],
        "service_port": port["service"],
        "hub_folder": str(layout.hub),
        "facility_file": str(choices.facility_file.resolve()),
        "issuer": choices.client.issuer,
        "client_id": choices.client.client_id,
        "scope": login_scopes(choices.iam_profile, is_demo=bool(choices.client.issuer)),
        "client_secret_file": str(choices.client.secret_file.resolve()),
        "service_socket": str(layout.service_socket),
        "agent_socket": str(layout.agent_socket),
        "environments": dict(choices.environments),
        "named_servers": choices.named_servers,
        "activity_seconds": ACTIVITY_SECONDS,
        "debug": choices.debug,
        "gateway_folder": str(layout.gateway),
        "gateway_url": gateway_url,
        "dask_proxy_address": f"127.0.0.1:{port['dask-proxy']}",
        "gateway_command": _gateway_command(),
        "dask_proxy_command": _dask_proxy_command(
            gateway_url, port["dask-proxy"], "debug" if choices.debug else "warn"
        ),
        "clusters": str(layout.clusters),
        "volume": str(layout.areas),
        "servers": str(layout.servers),
        "tokens": str(layout.tokens),
        "templates": str(templates_folder()),
        "proxy_command": _proxy_command(choices),
        "service_command": _service_command(layout, choices, gateway_url),
        "agent_command": _agent_command(layout, choices),
    }
    write_private(layout.settings_file, json.dumps(settings, indent=2) + "\n")


def templates_folder() -> Path:
    """Return the folder of our page templates."""
    return Path(jupyterhub_af.__path__[0]) / "hub" / "templates"


def _proxy_command(choices: Choices) -> list[str]:
    program = (
        choices.node_modules / "configurable-http-proxy/bin/configurable-http-proxy"
    )
    return make_confined_command(
        [choices.node, str(program)],
        uid=PROXY_UID,
        read_only=choices.node_folders,
        own=[],
    )


def _service_command(layout: Layout, choices: Choices, gateway_url: str) -> list[str]:
    facility_file = choices.facility_file.resolve()
    command = [
        *(sys.executable, "-m", "jupyterhub_af.service"),
        f"--ServiceApp.facility_file={facility_file}",
        f"--ServiceApp.issuer={choices.client.issuer}",
        f"--ServiceApp.database_url=sqlite:///{layout.service / 'af.sqlite'}",
        f"--ServiceApp.socket={layout.service_socket}",
        f"--ServiceApp.hub_secret_file={layout.service / 'hub-secret'}",
        f"--ServiceApp.gateway_secret_file={layout.service / 'gateway-secret'}",
        f"--ServiceApp.agent_secret_file={layout.service / 'agent-secret'}",
        f"--ServiceApp.admin_secret_file={layout.service / 'admin-secret'}",
        f"--ServiceApp.agent_url=unix:{layout.door_socket}",
        f"--ServiceApp.gateway_url={gateway_url}",
        f"--ServiceApp.activity_seconds={ACTIVITY_SECONDS}",
        f"--ServiceApp.log_level={choices.log_level}",
    ]
    return make_confined_command(
        command,
        uid=SERVICE_UID,
        # the folder, not the file: an editor replaces the file
        read_only=[*python_folders(), facility_file.parent, layout.door],
        own=[layout.service],
    )


def _agent_command(layout: Layout, choices: Choices) -> list[str]:
    """Return the agent's command: it keeps its power, and ends with the hub."""
    return [
        *("/usr/bin/setpriv", "--pdeathsig", "KILL", "--"),
        *(sys.executable, "-m", "jupyterhub_af.storage"),
        f"--StorageApp.facility_file={choices.facility_file.resolve()}",
        f"--StorageApp.issuer={choices.client.issuer}",
        f"--StorageApp.volume={layout.areas}",
        f"--StorageApp.socket={layout.agent_socket}",
        f"--StorageApp.hub_secret_file={layout.agent / 'hub-secret'}",
        f"--StorageApp.service_secret_file={layout.agent / 'service-secret'}",
        f"--StorageApp.service_socket={layout.door_socket}",
        f"--StorageApp.service_url=unix:{layout.service_socket}",
        f"--StorageApp.log_level={choices.log_level}",
    ]


def _gateway_command() -> list[str]:
    """Return the Dask Gateway server's command: it launches sandboxes, so it keeps its power."""
    config = Path(__file__).parent / "dask_gateway_config.py"
    return [
        *("/usr/bin/setpriv", "--pdeathsig", "KILL", "--"),
        *(sys.executable, "-m", "dask_gateway_server", "-f", str(config)),
    ]


def _dask_proxy_command(gateway_url: str, port: int, log_level: str) -> list[str]:
    """Return the command of what passes notebooks on to their schedulers.

    It is a process of its own, so that connections outlive a restart of the gateway.
    """
    spec = find_spec("dask_gateway_server")
    if spec is None or not spec.submodule_search_locations:
        msg = "dask-gateway-server is not installed: pip install 'jupyterhub-af[up]'"
        raise LocalError(msg)
    program = Path(spec.submodule_search_locations[0]) / "proxy/dask-gateway-proxy"
    address = f"127.0.0.1:{port}"
    command = [
        *(str(program), "-address", address, "-tcp-address", address),
        *("-api-url", f"{gateway_url}/api/v1/routes", "-log-level", log_level),
    ]
    return make_confined_command(
        command, uid=DASK_PROXY_UID, read_only=python_folders(), own=[]
    )
