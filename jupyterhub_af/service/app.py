"""The process: ``python -m jupyterhub_af.service --ServiceApp.facility_file=…``.

How it runs is here; what the facility offers is in the facility file.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from jupyterhub.services.auth import HubAuth
from tornado.web import Application as Web
from traitlets import Float, Integer, Unicode, default
from traitlets.config import Application

from jupyterhub_af.catalogue import Catalogue
from jupyterhub_af.line.peer import Peer
from jupyterhub_af.policy.errors import ConfigError

from .accounts import Accounts
from .administration import make_administration_routes
from .admitted import Admitted
from .audit import Audit
from .changes import Changes
from .courtesy import Courtesy
from .desk import Desk
from .ender import Ender
from .ending_routes import make_ending_routes
from .endings import Endings
from .gate import Gate
from .gateway_api import GatewayApi
from .housekeeping import Housekeeping
from .hub_api import HubApi
from .internal import make_internal_application
from .keeper import Duties, Keeper
from .lifecycle import close_all, raise_file_limit, stop_event
from .listener import Listeners
from .metrics import Metrics
from .plans import Plans
from .public import make_public_application
from .reaper import Reaper
from .rechecks import Rechecks
from .refusal import StartError
from .register import FIRST_GID, FIRST_UID, Ranges, Register
from .running import Running
from .secret import Secrets, load_secret, load_secrets
from .steps import Steps
from .storage_watch import StorageWatch
from .store import Store
from .stream import Streams
from .sweeps import Sweeps


class ServiceApp(Application):
    """The service ``af``: accounts, plans, audit, and what the Lab plugin asks."""

    name = "af"
    description = __doc__ or ""

    facility_file = Unicode(help="Path of the facility file. Required.").tag(
        config=True
    )
    issuer = Unicode(
        help="An issuer in place of the facility file's. Empty: the file's."
    ).tag(config=True)
    database_url = Unicode(
        help="The database: sqlite:////path/to/file, or postgresql://user@host/name "
        "(without a password). Required."
    ).tag(config=True)
    database_password_file = Unicode(
        help="File with PostgreSQL's password. Empty: none, or libpq's own ways."
    ).tag(config=True)
    socket = Unicode(help="Path of the internal API's Unix socket. Empty: none.").tag(
        config=True
    )
    internal_ip = Unicode(
        "127.0.0.1", help="Address of the internal API where it has a TCP port."
    ).tag(config=True)
    internal_port = Integer(
        0, help="TCP port of the internal API (Kubernetes). 0: none."
    ).tag(config=True)
    public_ip = Unicode(help="Address of the public API.").tag(config=True)
    public_port = Integer(help="TCP port of the public API. 0: none.").tag(config=True)
    prefix = Unicode(help="Where the hub's proxy shows the public API.").tag(
        config=True
    )
    hub_secret_file = Unicode(
        help="File with the secret that hub and service share. Required."
    ).tag(config=True)
    gateway_secret_file = Unicode(
        help="File with the secret of the Dask Gateway server, which reads plans "
        "and says which clusters there are. Empty: it may not."
    ).tag(config=True)
    agent_url = Unicode(
        help="Where the storage agent listens: unix:/path or http://host:port. Empty: "
        "nothing is known of disks and backups."
    ).tag(config=True)
    agent_secret_file = Unicode(
        help="File with the secret that service and storage agent share."
    ).tag(config=True)
    admin_secret_file = Unicode(
        help="File with the secret of the administrator's command line. Empty: it may "
        "ask nothing."
    ).tag(config=True)
    gateway_url = Unicode(
        help="Address of the Dask Gateway server, as servers have it in "
        "DASK_GATEWAY__ADDRESS. Empty: there is none, and no cluster is cleared away."
    ).tag(config=True)
    sweep_seconds = Float(
        30, help="How often running servers and clusters are looked at, in seconds."
    ).tag(config=True)
    cluster_ttl_seconds = Float(
        60,
        help="How long a Dask cluster may be without its server, in seconds, where the "
        "hub did not say that the server ended (then it goes at once).",
    ).tag(config=True)
    recheck_calls_per_second = Float(
        20,
        help="How many people's memberships the hub is asked about in a second at most. "
        "The facility file's recheck_seconds says how old each may be.",
    ).tag(config=True)
    activity_seconds = Float(
        300,
        help="How late a server tells of its person's activity, in seconds: its "
        "JUPYTERHUB_ACTIVITY_INTERVAL, and not less than 60. It may idle this much longer.",
    ).tag(config=True)
    pid_file = Unicode(help="Where to write the process id. Empty: nowhere.").tag(
        config=True
    )
    first_uid = Integer(
        FIRST_UID, help="The first person's uid; it is never lowered again."
    ).tag(config=True)
    first_gid = Integer(
        FIRST_GID, help="The first group's gid; people's uids stay below it."
    ).tag(config=True)

    @default("log_level")
    def _default_log_level(self) -> int:
        return logging.INFO

    @default("log_format")
    def _default_log_format(self) -> str:
        return "[%(levelname)1.1s %(asctime)s %(name)s] %(message)s"

    @default("public_ip")
    def _default_public_ip(self) -> str:
        return self._hub_given.hostname or "127.0.0.1"

    @default("public_port")
    def _default_public_port(self) -> int:
        return self._hub_given.port or 0

    @default("prefix")
    def _default_prefix(self) -> str:
        return os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/services/af/")

    @property
    def _hub_given(self) -> SplitResult:
        """Where a hub that manages this service wants it to listen."""
        return urlsplit(os.environ.get("JUPYTERHUB_SERVICE_URL", ""))

    def start(self) -> None:
        """Run until SIGTERM or SIGINT; refuse to start with every problem printed."""
        os.umask(0o077)
        raise_file_limit()
        for handler in self.log.handlers:
            logging.getLogger("tornado").addHandler(handler)
        try:
            asyncio.run(self._serve(self.make_desk()))
        except ConfigError as error:
            for problem in error.problems:
                self.log.critical("%s", problem.to_text(self.facility_file))
            self.exit(1)
        except StartError as error:
            self.log.critical("%s", error)
            self.exit(1)

    async def _serve(self, desk: Desk) -> None:
        hub = HubAuth(parent=self)
        hub_api = HubApi(hub.api_url, hub.api_token)
        ender = Ender(desk, hub_api)
        most = self.recheck_calls_per_second
        rechecks = Rechecks(desk, hub_api, ender.judge, calls_per_second=most)
        courtesy = Courtesy(desk, rechecks.look_at_refused)
        gate = _make_gate(hub, courtesy)
        listeners, streams = Listeners(), Streams(desk, gate)
        reaper = self._make_reaper(desk, hub_api, hub.api_token)
        keeper = Keeper(
            Duties(desk, hub_api, reaper, ender, rechecks, self.sweep_seconds)
        )
        watch, housekeeping = self._make_watch(desk), Housekeeping(desk)
        try:
            self._listen(
                make_internal_application(
                    desk,
                    [
                        *self._admin_routes(desk, hub_api),
                        *make_ending_routes(desk, courtesy),
                    ],
                ),
                listeners,
                make_public_application(desk, self.prefix, gate, streams),
            )
            stopping = stop_event()
            keeper.start()
            housekeeping.start()
            if watch is not None:
                watch.start()
            self._write_pid()
            self.log.info("Ready: %s", self._where(desk))
            await stopping.wait()
            self.log.info("Stopped")
        finally:
            stops = [] if watch is None else [watch.stop]
            stops.append(housekeeping.stop)
            await close_all(desk, keeper.stop, *stops, streams.stop, listeners.close)
            self._remove_pid()

    def _write_pid(self) -> None:
        if self.pid_file:
            Path(self.pid_file).write_text(f"{os.getpid()}\n", "ascii")

    def _remove_pid(self) -> None:
        if self.pid_file:
            Path(self.pid_file).unlink(missing_ok=True)

    def make_desk(self) -> Desk:
        """Read files and bring the database up to date, or refuse with words."""
        self._check_traits()
        catalogue = Catalogue(Path(self.facility_file), self.log, issuer=self.issuer)
        secrets = self._load_secrets()
        store = Store(self.database_url, password=self._database_password())
        store.upgrade()
        ranges = Ranges(first_uid=self.first_uid, first_gid=self.first_gid)
        register = Register(store, catalogue, ranges)
        register.prepare()
        metrics = Metrics()
        endings, admitted = Endings(store), Admitted(store)
        endings.load()
        admitted.load()
        return Desk(
            log=self.log,
            store=store,
            catalogue=catalogue,
            register=register,
            plans=Plans(store, register),
            audit=Audit(store),
            metrics=metrics,
            running=Running(lag_seconds=self.activity_seconds),
            changes=Changes(),
            sweeps=Sweeps(
                self.log,
                metrics.sweeps,
                sweep_seconds=self.sweep_seconds,
                started_at=time.time(),
            ),
            secrets=secrets,
            endings=endings,
            admitted=admitted,
            agent=self._agent(),
            steps=Steps(time.time),
        )

    def _check_traits(self) -> None:
        for trait in ("facility_file", "database_url", "hub_secret_file"):
            if not getattr(self, trait):
                msg = f"--ServiceApp.{trait} is missing. {self.traits()[trait].help}"
                raise StartError(msg)
        if not (self.socket or self.internal_port):
            msg = "Neither --ServiceApp.socket nor --ServiceApp.internal_port is given."
            raise StartError(msg)
        if not (self.prefix.startswith("/") and self.prefix.endswith("/")):
            msg = f"prefix {self.prefix!r} must begin and end with a slash."
            raise StartError(msg)
        if self.agent_url and not self.agent_secret_file:
            msg = "--ServiceApp.agent_url is given without agent_secret_file."
            raise StartError(msg)
        if urlsplit(self.gateway_url).scheme not in ("", "http", "https"):
            msg = (
                f"gateway_url {self.gateway_url!r} must begin with http:// or https://."
            )
            raise StartError(msg)
        self._check_seconds()

    def _check_seconds(self) -> None:
        least = {
            "sweep_seconds": 0.1,
            "cluster_ttl_seconds": 0,
            "activity_seconds": 0,
            "recheck_calls_per_second": 0.1,
        }
        for trait, seconds in least.items():
            # also refuses nan, which is less than nothing and more than nothing
            if not seconds <= getattr(self, trait) < math.inf:
                msg = f"--ServiceApp.{trait} must be at least {seconds:g}."
                raise StartError(msg)

    def _database_password(self) -> str:
        if not self.database_password_file:
            return ""
        path = Path(self.database_password_file)
        return load_secret(path, trait="database_password_file", shortest=1).value

    def _load_secrets(self) -> Secrets:
        return load_secrets(
            {
                "hub": self.hub_secret_file,
                "gateway": self.gateway_secret_file,
                "agent": self.agent_secret_file,
                "admin": self.admin_secret_file,
            }
        )

    def _agent(self) -> Peer | None:
        if not self.agent_url:
            return None
        return Peer("storage agent", self.agent_url, self.agent_secret_file)

    def _admin_routes(self, desk: Desk, hub_api: HubApi) -> list[Any]:
        accounts = Accounts(desk.store, desk.register, desk.audit)
        return make_administration_routes(desk, accounts, hub_api)

    def _listen(self, internal: Web, listeners: Listeners, public: Web) -> None:
        if self.socket:
            listeners.open_unix(internal, Path(self.socket))
        if self.internal_port:
            listeners.open_tcp(internal, self.internal_ip, self.internal_port)
        if self.public_port:
            listeners.open_tcp(public, self.public_ip, self.public_port)

    def _make_reaper(self, desk: Desk, hub_api: HubApi, token: str) -> Reaper | None:
        """Return what clears clusters away; None where there is no gateway."""
        if not self.gateway_url:
            return None
        gateway = GatewayApi(self.gateway_url, token)
        return Reaper(desk, hub_api, gateway, ttl_seconds=self.cluster_ttl_seconds)

    def _make_watch(self, desk: Desk) -> StorageWatch | None:
        """Return what looks at disks; None where there is no agent to ask."""
        if desk.agent is None:
            return None
        return StorageWatch(desk, desk.agent, look_seconds=self.sweep_seconds)

    def _where(self, desk: Desk) -> str:
        places = [self.socket] if self.socket else []
        if self.internal_port:
            places.append(f"{self.internal_ip}:{self.internal_port}")
        if self.public_port:
            places.append(f"http://{self.public_ip}:{self.public_port}{self.prefix}")
        digest = desk.catalogue.last.digest
        return f"{' and '.join(places)}, facility {digest}, {desk.store.shown_url}"


def _make_gate(hub: HubAuth, courtesy: Courtesy) -> Gate:
    """Return the hub's own client; without a word from the hub, our name's scope."""
    scopes = hub.access_scopes or {"access:services!service=af"}
    return Gate(hub=hub, access_scopes=frozenset(scopes), courtesy=courtesy)


def main(argv: list[str] | None = None) -> None:
    """Run the service with the command line's traits."""
    ServiceApp.launch_instance(argv)
    # Everything is closed. Python would take most of a second to forget its modules,
    # and would wait for a thread that waits for a lock of the database; such a
    # transaction is undone, as at any sudden end.
    logging.shutdown()
    os._exit(0)
