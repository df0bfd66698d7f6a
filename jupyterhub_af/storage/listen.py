"""Where the agent listens: a Unix socket of its own account, or an address."""

from __future__ import annotations

import socket
from pathlib import Path

from tornado.netutil import bind_sockets, bind_unix_socket

from .errors import StartError


def listen(path: str, ip: str, port: int) -> list[socket.socket]:
    """Return bound sockets: the Unix one if ``path`` is not empty, TCP if ``port``.

    Raises
    ------
    StartError
        If nothing was asked for, the place is taken or the system refuses it.
    """
    found: list[socket.socket] = []
    try:
        if path:
            _check_unused(Path(path))
            found.append(bind_unix_socket(path, mode=0o600))
        if port:
            found += bind_sockets(port, ip)
    except (OSError, ValueError) as error:
        place = " or ".join(
            filter(None, (repr(path) if path else "", f"{ip}:{port}" if port else ""))
        )
        msg = f"It cannot listen at {place}: {error}."
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
