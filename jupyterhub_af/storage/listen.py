"""Where the agent listens: Unix sockets, one for each process, or an address."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from tornado.netutil import bind_sockets, bind_unix_socket

from .errors import StartError


@dataclass(frozen=True, slots=True)
class Places:
    """Where to listen; what is empty or 0 is left out.

    ``own`` is a socket for processes of the agent's own account, ``service`` one for
    the group that the socket's folder hands on (its setgid bit).
    """

    own: str = ""
    service: str = ""
    ip: str = "127.0.0.1"
    port: int = 0

    @property
    def sockets(self) -> tuple[tuple[str, int], ...]:
        """Return path and mode of each Unix socket."""
        pairs = ((self.own, 0o600), (self.service, 0o660))
        return tuple((path, mode) for path, mode in pairs if path)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the places as a log shows them."""
        names = [f"unix:{path}" for path, _ in self.sockets]
        return (*names, *([f"http://{self.ip}:{self.port}"] if self.port else []))


def listen(places: Places) -> list[socket.socket]:
    """Return a bound socket for each place.

    Raises
    ------
    StartError
        If nothing was asked for, the place is taken or the system refuses it.
    """
    found: list[socket.socket] = []
    try:
        for path, mode in places.sockets:
            _check_unused(Path(path))
            found.append(bind_unix_socket(path, mode=mode))
        if places.port:
            found += bind_sockets(places.port, places.ip)
    except (OSError, ValueError) as error:
        msg = f"It cannot listen at {' or '.join(places.names)}: {error}."
        raise StartError(msg) from error
    if not found:
        msg = "Give StorageApp.socket (a path) or StorageApp.port."
        raise StartError(msg)
    return found


def _check_unused(path: Path) -> None:
    """Refuse a socket where another agent answers: the older one would lose its hub."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return
    msg = f"Another process answers at {str(path)!r}; stop it first."
    raise StartError(msg)
