"""How the storage agent runs: its traits, its socket, its signals.

What is on offer to whom is in the facility file; here is only where the areas lie and
who may talk to the agent. Secrets are files, never arguments.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path

from tornado.httpserver import HTTPServer
from traitlets import Float, Integer, Unicode, default
from traitlets.config import Application

from jupyterhub_af import __version__
from jupyterhub_af.catalogue import Catalogue
from jupyterhub_af.line.peer import Peer
from jupyterhub_af.policy.errors import AFError

from .accept import IdRanges
from .account_routes import account_routes
from .agent import NOT_ROOT, Agent
from .backup.line import DEADLINE_SECONDS, BackupLines
from .backup.rounds import Backups
from .backup_routes import backup_routes
from .errors import StartError
from .listen import Places, listen
from .restore_routes import restore_routes
from .routes import MAX_BODY_BYTES, Process, Rule, Server, make_application
from .teller import Teller
from .usage.answers import Answers
from .usage.counts import Counts, Pace
from .usage_routes import ROUTES as USAGE_ROUTES

_SHORTEST_SECRET = 16
_OTHERS = 0o077


class StorageApp(Application):
    """The storage agent: makes and mends the directories of the storage areas."""

    name = "jupyterhub-af-storage"
    version = __version__
    description = "The storage agent of jupyterhub-af."

    volume = Unicode(help="Folder all areas lie in. Required.").tag(config=True)
    socket = Unicode(
        help="Unix socket to listen on, made with mode 0600. Empty: none."
    ).tag(config=True)
    service_socket = Unicode(
        help="Unix socket for the service, made with mode 0660: its folder's group, "
        "handed on by the setgid bit, may connect. Empty: none."
    ).tag(config=True)
    ip = Unicode("127.0.0.1", help="Address to listen on, if `port` is set.").tag(
        config=True
    )
    port = Integer(0, min=0, max=65535, help="TCP port to listen on. 0: none.").tag(
        config=True
    )
    hub_secret_file = Unicode(
        help="File (0600) with the secret the hub authenticates with. Required."
    ).tag(config=True)
    service_secret_file = Unicode(
        help="File (0600) with the secret that service and agent share. Empty: the "
        "service may ask nothing."
    ).tag(config=True)
    service_url = Unicode(
        help="Where the service's internal API listens: unix:/path or http://host:port. "
        "Empty: what the agent did is only logged."
    ).tag(config=True)
    facility_file = Unicode(
        help="Path of the facility file; /health says its digest. Required."
    ).tag(config=True)
    issuer = Unicode(help="Issuer put in place of the file's. Empty: the file's.").tag(
        config=True
    )
    pid_file = Unicode(help="File to write the process id to. Empty: none.").tag(
        config=True
    )
    deadline_seconds = Float(
        20.0, min=0.05, help="Seconds an area has to answer, default 20."
    ).tag(config=True)
    backup_deadline_seconds = Float(
        DEADLINE_SECONDS,
        min=0.05,
        help="Seconds that the backup of one tree may take at most, default 12 hours; it "
        "is less for a tree that holds little. One that takes longer is ended, and "
        "/health says so.",
    ).tag(config=True)
    count_seconds = Float(
        600.0,
        min=1,
        help="How old the count of an area that somebody works in may get, in seconds. "
        "Counting never takes more than a twentieth of the time.",
    ).tag(config=True)
    recount_seconds = Float(
        30.0,
        min=1,
        help="How often a person may have an area counted again, in seconds.",
    ).tag(config=True)
    first_uid = Integer(
        IdRanges().first_uid, help="Lowest uid (and own gid) of a person."
    ).tag(config=True)
    first_gid = Integer(
        IdRanges().first_gid, help="Lowest gid of a group, above every person's."
    ).tag(config=True)

    @default("log_level")
    def _log_level(self) -> int:
        return 20

    def start(self) -> None:
        """Run until a signal says stop; say in words why it cannot start."""
        try:
            # whatever the agent makes is closed until it is given away on purpose
            os.umask(_OTHERS)
            asyncio.run(self._run(*self._make_server()))
        except AFError as error:
            self.log.error("The storage agent did not start: %s", error)
            sys.exit(1)

    def _make_server(self) -> tuple[Server, Backups]:
        volume = Path(self.volume)
        if not self.volume or not volume.is_absolute():
            msg = f"StorageApp.volume is {self.volume!r}; give an absolute path."
            raise StartError(msg)
        if not 0 < self.first_uid < self.first_gid:
            msg = "StorageApp.first_uid must be above 0 and below StorageApp.first_gid."
            raise StartError(msg)
        if not self.facility_file:
            msg = "StorageApp.facility_file is empty; give the facility file's path."
            raise StartError(msg)
        catalogue = Catalogue(Path(self.facility_file), self.log, issuer=self.issuer)
        ranges = IdRanges(self.first_uid, self.first_gid)
        agent = Agent(volume, deadline_seconds=self.deadline_seconds, ranges=ranges)
        pace = Pace(self.recount_seconds, self.count_seconds)
        counts = Counts(volume, self.log, pace)
        backups = self._make_backups(agent, catalogue, counts)
        server = Server(
            agent=agent,
            secrets=self._load_secrets(),
            catalogue=catalogue,
            answers=Answers(agent, counts, catalogue),
            log=self.log,
            find_problems=backups.problems,
        )
        return server, backups

    def _make_backups(
        self, agent: Agent, catalogue: Catalogue, counts: Counts
    ) -> Backups:
        service = (
            Peer("service", self.service_url, self.service_secret_file)
            if self.service_url and self.service_secret_file
            else None
        )
        lines = BackupLines(
            agent.volume,
            catalogue,
            Teller(service, self.log),
            self.log,
            ranges=agent.ranges,
            deadline_seconds=self.backup_deadline_seconds,
            size_of=counts.size_of,
        )
        return Backups(agent, lines, lambda: catalogue.current().facility, self.log)

    def _load_secrets(self) -> dict[Process, str]:
        """Return the secrets of who may ask; each pair of processes has its own."""
        found: dict[Process, str] = {"hub": load_secret(Path(self.hub_secret_file))}
        if self.service_secret_file:
            found["service"] = load_secret(Path(self.service_secret_file))
        if len(set(found.values())) < len(found):
            msg = "The hub and the service have the same secret: each pair has its own."
            raise StartError(msg)
        return found

    def _routes(self, server: Server, backups: Backups) -> list[Rule]:
        return [
            *backup_routes(server, backups),
            *restore_routes(server),
            *account_routes(server),
            *(
                (path, route, {"server": server})
                for path, route in USAGE_ROUTES.items()
            ),
        ]

    async def _run(self, server: Server, backups: Backups) -> None:
        """Serve until SIGTERM or SIGINT; work in progress is left to the next call."""
        http = HTTPServer(
            make_application(server, self._routes(server, backups)),
            max_body_size=16 * MAX_BODY_BYTES,
            body_timeout=30,
        )
        http.add_sockets(listen(self._places))
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        rounds = asyncio.create_task(backups.watch())
        server.agent.start_probe(self.log)
        self._announce()
        await stopped.wait()
        http.stop()
        rounds.cancel()
        await backups.stop()
        self._withdraw()
        server.answers.counts.close()

    def _announce(self) -> None:
        """Write the process id and say that requests are answered."""
        if self.pid_file:
            write_pid(Path(self.pid_file))
        if os.geteuid() != 0:
            self.log.warning("%s", NOT_ROOT)
        where = " and ".join(self._places.names)
        self.log.info("The storage agent is ready at %s", where)

    def _withdraw(self) -> None:
        """Remove what says that the agent runs."""
        for path in filter(None, (self.socket, self.service_socket, self.pid_file)):
            Path(path).unlink(missing_ok=True)
        self.log.info("The storage agent stopped")

    @property
    def _places(self) -> Places:
        return Places(self.socket, self.service_socket, self.ip, self.port)


def load_secret(path: Path) -> str:
    """Return the secret of a file that nobody else can read.

    Raises
    ------
    StartError
        If the file cannot be read, is open to others or holds too little.
    """
    try:
        mode, text = path.stat().st_mode, path.read_text().strip()
    except OSError as error:
        msg = f"The secret file {str(path)!r} cannot be read: {error.strerror}."
        raise StartError(msg) from error
    if stat.S_IMODE(mode) & _OTHERS:
        msg = f"The secret file {str(path)!r} is open to others; its mode must be 0600."
        raise StartError(msg)
    if len(text) < _SHORTEST_SECRET:
        msg = (
            f"The secret file {str(path)!r} holds {len(text)} characters; "
            f"at least {_SHORTEST_SECRET} are needed."
        )
        raise StartError(msg)
    return text


def write_pid(path: Path) -> None:
    """Write the process id, or refuse to start without it."""
    try:
        path.write_text(f"{os.getpid()}\n")
    except OSError as error:
        msg = f"The pid file {str(path)!r} cannot be written: {error.strerror}."
        raise StartError(msg) from error


main = StorageApp.launch_instance
