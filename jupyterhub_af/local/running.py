"""The processes of a running facility: starting, waiting for, finding, stopping them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from .layout import Layout, LocalError

_NAMES = {
    "configurable-http-proxy": "proxy",
    "jupyterhub_af.service": "service",
    "jupyterhub_af.storage": "agent",
    "dask_gateway_config": "gateway",
    "dask-gateway-proxy": "dask-proxy",
}
_KEPT_ENVIRONMENT = (
    "LANG",
    "LC_ALL",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_CACHE_HOME",
)


@dataclass(slots=True)
class Child:
    """A process of ours and where it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Return the pid to end it by: of the outer process, where it is confined."""
        return self.process.pid

    def is_running(self) -> bool:
        """Tell whether it still runs."""
        return self.process.poll() is None

    def wait_for_line(self, text: str, *, seconds: float) -> None:
        """Wait until its log has a line with this text.

        Raises
        ------
        LocalError
            With the end of the log, if it ends or stays silent.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if text in self.read_log():
                return
            if not self.is_running():
                break
            time.sleep(0.05)
        msg = f"The {self.name} did not start:\n{self.read_log()[-1500:].strip()}"
        raise LocalError(msg)

    def read_log(self) -> str:
        """Return what it wrote since it was started."""
        return self.log.read_text(encoding="utf8", errors="replace")

    def stop(self, seconds: float) -> None:
        """End it: asked first, then not asked."""
        if self.is_running():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def start_child(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Child:
    """Start a process with a log of its own and hardly anything of our environment."""
    kept = {key: os.environ[key] for key in _KEPT_ENVIRONMENT if key in os.environ}
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    _keep_one_old(log)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd=cwd or "/",
            env={"PATH": path, "HOME": str(log.parent), **kept, **(environment or {})},
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    return Child(name, process, log)


def _keep_one_old(log: Path) -> None:
    if log.exists():
        log.replace(log.with_suffix(".log.1"))


@contextmanager
def hold_ports(count: int) -> Iterator[list[int]]:
    """Give free ports of the loopback, all different, that nobody else is given meanwhile.

    They stay bound and nobody listens. Whoever sets SO_REUSEADDR, as servers do, may
    listen there all the same; a port that was let go could be another facility's, or a
    client's, before the server has started.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(hold_port(0)) for _ in range(count)]


@contextmanager
def hold_port(port: int) -> Iterator[int]:
    """Keep a port of the loopback from being given to others; 0 takes any free one.

    Raises
    ------
    OSError
        If somebody listens there, or it is not ours to listen on.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))
        yield int(held.getsockname()[1])


def wait_until_healthy(
    url: str, hub: Child, layout: Layout, stopping: Event, seconds: float
) -> None:
    """Wait until hub, service, agent and gateway all say that they are well.

    Raises
    ------
    LocalError
        With the end of the hub's log, if it ends or the time is over.
    """
    deadline = time.monotonic() + seconds
    while not stopping.is_set():
        if not hub.is_running() or time.monotonic() > deadline:
            tail = "\n".join(hub.read_log().splitlines()[-12:])
            silent = _find_unhealthy(url, layout)
            why = f"; no good answer from {silent}" if hub.is_running() else ""
            msg = f"The hub did not start{why}:\n{tail}\nThe whole log: {hub.log}"
            raise LocalError(msg)
        if not _find_unhealthy(url, layout):
            return
        stopping.wait(0.1)


def _find_unhealthy(url: str, layout: Layout) -> str:
    """Return the first that does not say it is well, in the order they start; or ''."""
    agent = layout.agent_socket
    gateway = _gateway_url(layout)
    asked: Sequence[tuple[str, Callable[[], int]]] = (
        (f"the hub at {url}", lambda: get_status(url, "hub/health")),
        (f"the service at {url}", lambda: get_status(url, "services/af/health")),
        (f"the storage agent at {agent}", lambda: get_socket_status(agent)),
        (f"Dask Gateway at {gateway}", lambda: get_status(gateway, "api/health")),
    )
    return next((name for name, ask in asked if ask() != 200), "")


def _gateway_url(layout: Layout) -> str:
    settings = json.loads(layout.settings_file.read_text(encoding="utf8"))
    return str(settings["gateway_url"])


def get_status(url: str, path: str) -> int:
    """Return the status of a GET below our own address; 0 if nobody answers."""
    host = url.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(host, timeout=5)
    try:
        connection.request("GET", f"/{path}")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def get_socket_status(path: Path) -> int:
    """Return the status of ``GET /health`` on a Unix socket; 0 if nobody answers."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(5)
        try:
            line.connect(str(path))
            line.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
            words = line.recv(64).split()
        except OSError:
            return 0
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def find_children(pid: int) -> dict[str, int]:
    """Return the hub's own processes by name: proxy, service, agent, gateway, its proxy."""
    found: dict[str, int] = {}
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        # it has just ended
        return found
    children = text.split()
    for child in children:
        try:
            command = (
                Path(f"/proc/{child}/cmdline").read_bytes().decode(errors="replace")
            )
        except OSError:
            continue
        for mark, name in _NAMES.items():
            if mark in command:
                found.setdefault(name, int(child))
    return found
