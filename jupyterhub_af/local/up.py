"""``jupyterhub-af up``: a whole facility on this machine, until it is told to stop.

Owns two processes, the demo IAM and the hub; the hub owns the proxy, the service and
the storage agent. All of them end with this one, however it ends. ``up.json`` is there
exactly while the facility is ready.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from jupyterhub_af.catalogue import read_facility_text
from jupyterhub_af.machine.sandboxes import end_all_below
from jupyterhub_af.policy.errors import ConfigError
from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.facility_text import parse_facility

from .confined import make_confined_command
from .demo_iam import DemoIAM, DemoIAMError, ensure_demo_iam, make_demo_iam_command
from .environments import EnvironmentBuildError, cache_dir
from .layout import (
    IAM_UID,
    Layout,
    LocalError,
    ensure_layout,
    forget_tokens,
    give_folder,
    write_private,
)
from .node import Node, ensure_node_modules, find_node
from .offer import ensure_environments
from .running import (
    Child,
    find_children,
    hold_port,
    hold_ports,
    start_child,
    wait_until_healthy,
)
from .settings import PORTS, Choices, IamClient, write_settings
from .warden import start_warden, stop_warden

DEMO_FACILITY = Path(__file__).parent / "facility.yaml"
START_SECONDS = 90.0
STOP_SECONDS = 30.0
IAM_RESTARTS = 5


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the command line said."""

    data: Path
    port: int
    facility: Path
    iam_profile: str
    demo_iam: bool
    client_id: str
    client_secret_file: Path | None
    named_servers: int = 0
    images: tuple[str, ...] = ()
    debug: bool = False


def run_up(options: UpOptions, *, say: Callable[[str], None]) -> int:
    """Run a facility until a signal; return the exit status. Problems are said in words."""
    try:
        with ExitStack() as stack:
            return _Up(options, say, stack).run()
    except ConfigError as error:
        for problem in error.problems:
            say(problem.to_text(error.file_name))
        say(
            f"Nothing was started: {options.facility} has {len(error.problems)} problem(s)."
        )
        return 1
    except (LocalError, DemoIAMError, EnvironmentBuildError) as error:
        say(str(error))
        return 1


class _Up:
    """One run, from nothing to ready to nothing."""

    def __init__(
        self, options: UpOptions, say: Callable[[str], None], stack: ExitStack
    ) -> None:
        self.options = options
        self.say = say
        self.stack = stack
        self.url = f"http://127.0.0.1:{options.port}/"
        self.stopping = threading.Event()
        self.restarts = 0

    def run(self) -> int:
        started = time.monotonic()
        facility = load_facility(self.options.facility)
        _check_programs()
        self.layout = ensure_layout(self.options.data)
        self.stack.enter_context(_locked(self.layout))
        self.facility_file = _own_facility_file(self.options.facility, self.layout)
        _check_place(self.facility_file, self.layout)
        self.layout.up_file.unlink(missing_ok=True)
        self._hold_port()
        self.node = find_node()
        self.modules = ensure_node_modules(self.node, cache=cache_dir(), say=self.say)
        environments = ensure_environments(facility, self.options.images, self.say)
        self._catch_signals()
        # from here on everything written is the facility's, not the cache's
        os.umask(0o077)
        self._end_clusters()
        self.stack.callback(stop_warden, start_warden(self.layout.clusters))
        self.stack.callback(self._end_clusters)
        self.iam = self._start_iam()
        self.hub = self._start_hub(facility.name, environments)
        wait_until_healthy(
            self.url, self.hub, self.layout, self.stopping, START_SECONDS
        )
        if self.stopping.is_set():
            return 0
        self._announce(facility, time.monotonic() - started)
        return self._watch()

    def _end_clusters(self) -> None:
        """End what is left of Dask clusters: they outlive their gateway, not `up`."""
        end_all_below(self.layout.clusters)
        # a hub that was killed withdrew no token
        forget_tokens(self.layout)

    def _hold_port(self) -> None:
        """Keep the public port: nobody is given it until the proxy listens there."""
        try:
            self.stack.enter_context(hold_port(self.options.port))
        except OSError as error:
            msg = f"Port {self.options.port} on 127.0.0.1 is taken; choose another with --port."
            raise LocalError(msg) from error

    def _catch_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self.stopping.set())

    def _start_iam(self) -> Child | None:
        """Start the demo IAM, if there is to be one, and wait until it says it is ready."""
        self.demo: DemoIAM | None = None
        if not self.options.demo_iam:
            return None
        self.demo = ensure_demo_iam(
            self.layout.iam,
            profile=self.options.iam_profile,
            redirect_uris=[f"{self.url}hub/oauth_callback"],
            node_modules=self.modules,
        )
        secret = self.demo.client_secret_file.read_text(encoding="utf8")
        write_private(self.layout.hub / "client-secret", secret)
        give_folder(self.layout.iam, IAM_UID)
        return self._run_iam(self.demo)

    def _run_iam(self, demo: DemoIAM) -> Child:
        child = start_child(
            "iam",
            make_confined_command(
                make_demo_iam_command(demo, self.node.path),
                uid=IAM_UID,
                read_only=[
                    *_node_folders(self.node, self.modules),
                    Path(__file__).parent / "iam",
                ],
                own=[self.layout.iam],
            ),
            log=self.layout.logs / "iam.log",
        )
        self.stack.callback(child.stop, 5.0)
        child.wait_for_line('"ready"', seconds=20.0)
        return child

    def _start_hub(self, name: str, environments: dict[str, str]) -> Child:
        client = IamClient(
            self.options.client_id, self.options.client_secret_file, issuer=""
        )
        if self.demo is not None:
            secret_file = self.layout.hub / "client-secret"
            client = IamClient(
                self.demo.client_id, secret_file, issuer=self.demo.issuer
            )
        choices = Choices(
            url=self.url,
            facility_name=name,
            facility_file=self.facility_file,
            environments=environments,
            client=client,
            iam_profile=self.options.iam_profile,
            named_servers=self.options.named_servers,
            node=self.node.path,
            node_folders=_node_folders(self.node, self.modules),
            node_modules=self.modules,
            debug=self.options.debug,
        )
        ports = self.stack.enter_context(hold_ports(len(PORTS)))
        write_settings(self.layout, choices, ports)
        child = start_child(
            "hub",
            [
                *("/usr/bin/setpriv", "--pdeathsig", "TERM", "--"),
                *(sys.executable, "-m", "jupyterhub", "-f"),
                str(Path(__file__).parent / "jupyterhub_config.py"),
            ],
            log=self.layout.logs / "hub.log",
            cwd=self.layout.hub,
            environment={"JUPYTERHUB_AF_SETTINGS": str(self.layout.settings_file)},
        )
        self.stack.callback(child.stop, STOP_SECONDS)
        return child

    def _announce(self, facility: Facility, seconds: float) -> None:
        """Write ``up.json`` and say that the facility is ready, and how to get in."""
        self.stack.callback(self.layout.up_file.unlink, missing_ok=True)
        self._write_up_file()
        if self.demo is not None:
            width = max(len(account.username) for account in self.demo.accounts)
            self.say("Accounts of the demo IAM:")
            for account in self.demo.accounts:
                groups = ", ".join(account.groups) or "no group"
                self.say(
                    f"  {account.username:{width}}  {account.password}  ({groups})"
                )
        if os.geteuid() != 0:
            self.say(
                "Not running as root: everybody's files belong to you, and only the mounts "
                "keep people apart. For demonstrations only."
            )
        self.say(
            f"{facility.name} is ready at {self.url} after {seconds:.1f} s (Ctrl-C stops it)"
        )

    def _write_up_file(self) -> None:
        demo = self.demo
        known: dict[str, object] = {"url": self.url}
        if demo is not None:
            known |= {
                "iam_url": demo.issuer,
                "iam_control_url": demo.control_url,
                "iam_control_token_file": str(demo.control_token_file),
            }
        accounts = [
            {"username": a.username, "password": a.password, "groups": list(a.groups)}
            for a in (demo.accounts if demo else ())
        ]
        self.pids = self._find_pids()
        text = json.dumps({**known, "accounts": accounts, "pids": self.pids}, indent=2)
        write_private(self.layout.up_file, text + "\n")

    def _find_pids(self) -> dict[str, int]:
        pids = {"up": os.getpid(), "hub": self.hub.pid, **find_children(self.hub.pid)}
        return pids if self.iam is None else {**pids, "iam": self.iam.pid}

    def _watch(self) -> int:
        """Wait for a signal, start a dead IAM again, give up with a dead hub."""
        while not self.stopping.wait(0.5):
            if not self.hub.is_running():
                log = self.layout.logs / "hub.log"
                self.say(
                    f"The hub has ended by itself; everything is stopped. See {log}."
                )
                return 1
            if (
                self.iam is not None
                and self.demo is not None
                and not self.iam.is_running()
            ):
                self._revive_iam(self.demo)
            elif self._find_pids() != self.pids:
                # the hub has started one of its processes again
                self._write_up_file()
        self.say("Stopping ...")
        return 0

    def _revive_iam(self, demo: DemoIAM) -> None:
        self.restarts += 1
        if self.restarts > IAM_RESTARTS:
            msg = f"The demo IAM has ended {self.restarts} times; see {self.layout.logs}/iam.log."
            raise LocalError(msg)
        self.say("The demo IAM has ended; starting it again ...")
        self.iam = self._run_iam(demo)


def load_facility(path: Path) -> Facility:
    """Return the facility of a file, or say every problem it has.

    Raises
    ------
    ConfigError
        If the file cannot be read, others may write it, or it is not a facility.
    """
    # the demo's belongs to whoever installed the package
    owners = None if path == DEMO_FACILITY else frozenset({0, os.geteuid()})
    text = read_facility_text(path, file_name=str(path), owners=owners)
    return parse_facility(text, file_name=str(path))


def _check_place(path: Path, layout: Layout) -> None:
    """Refuse a file that the service could not read: as root it has a uid of its own."""
    if os.geteuid() != 0:
        return
    folder = path.resolve().parent
    if folder == layout.root:
        msg = (
            f"The facility file cannot lie in {layout.root} itself, which nobody but root "
            "may enter; put it into another folder."
        )
        raise LocalError(msg)
    places = ((folder, "go+x", 0o001), (path, "go+r", 0o004))
    closed = [
        f"chmod {bits} {p}" for p, bits, bit in places if not p.stat().st_mode & bit
    ]
    if closed:
        msg = (
            "The service runs as a user without power and must read the facility file, "
            f"which holds no secrets: {', '.join(closed)}"
        )
        raise LocalError(msg)


def _own_facility_file(path: Path, layout: Layout) -> Path:
    """Return the file the processes read: of the demo's, a copy that belongs to us.

    The demo's lies in the code, which may belong to whoever cloned it.
    """
    if path != DEMO_FACILITY or path.stat().st_uid in (0, os.geteuid()):
        return path
    folder = layout.root / "facility"
    folder.mkdir(mode=0o755, exist_ok=True)
    copy = folder / "facility.yaml"
    write_private(copy, path.read_text(encoding="utf8"))
    copy.chmod(0o644)
    return copy


def _check_programs() -> None:
    missing = [
        p for p in ("/usr/bin/bwrap", "/usr/bin/setpriv") if not Path(p).exists()
    ]
    if missing:
        msg = f"{', '.join(missing)} is missing: apt install bubblewrap util-linux"
        raise LocalError(msg)


@contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    """Hold the folder for this run."""
    descriptor = os.open(layout.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"A facility is already running in {layout.root}; choose another --data."
            raise LocalError(msg) from None
        yield


def _node_folders(node: Node, modules: Path) -> list[Path]:
    """Return what Node programs must see that is not below /usr."""
    program = Path(node.path).parent.parent
    folders = [modules.parent]
    return folders if program.is_relative_to("/usr") else [*folders, program]
