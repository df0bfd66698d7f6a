"""Where the service listens: a Unix socket, and TCP where it is asked to."""

from __future__ import annotations

import socket
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets, bind_unix_socket
from tornado.web import Application

from .refusal import StartError
from .routes import MAX_BODY_BYTES

# Tornado itself drops what is four times too large; up to there a refusal has words.
_HARD_LIMIT_BYTES = 4 * MAX_BODY_BYTES
# `sun_path` of unix(7), less its closing NUL.
_LONGEST_SOCKET_PATH = 107


class Listeners:
    """Hold the open servers of one process."""

    def __init__(self) -> None:
        self._servers: list[HTTPServer] = []
        self._sockets: list[Path] = []

    def open_unix(self, application: Application, path: Path) -> None:
        """Listen on a Unix socket that only this user, and root, can open.

        0600 is enough also where the hub is root and this process is not: root may
        connect to every socket, and nobody else has anything to ask here.
        """
        if len(str(path).encode()) > _LONGEST_SOCKET_PATH:
            msg = f"socket names {path}: at most {_LONGEST_SOCKET_PATH} bytes are allowed."
            raise StartError(msg)
        if not path.parent.is_dir():
            msg = f"Nothing can listen at {path}: its folder is not there."
            raise StartError(msg)
        if path.exists() and not path.is_socket():
            msg = f"Nothing can listen at {path}: there is a file in its place."
            raise StartError(msg)
        if _is_answered(path):
            msg = f"Another process answers at {path}; stop it, or name another socket."
            raise StartError(msg)
        try:
            bound = bind_unix_socket(str(path), mode=0o600)
        except OSError as error:
            msg = f"Nothing can listen at {path}: {error.strerror}."
            raise StartError(msg) from error
        self._sockets.append(path)
        self._serve(application, [bound])

    def open_tcp(self, application: Application, ip: str, port: int) -> None:
        """Listen on a TCP port."""
        try:
            bound = bind_sockets(port, ip)
        except OSError as error:
            msg = f"Nothing can listen at {ip}:{port}: {error.strerror}."
            raise StartError(msg) from error
        self._serve(application, bound)

    async def close(self) -> None:
        """Stop listening and let go of every connection."""
        for server in self._servers:
            server.stop()
        for server in self._servers:
            await server.close_all_connections()
        for path in self._sockets:
            path.unlink(missing_ok=True)

    def _serve(self, application: Application, bound: list[socket.socket]) -> None:
        server = HTTPServer(application, max_body_size=_HARD_LIMIT_BYTES)
        server.add_sockets(bound)
        self._servers.append(server)


def _is_answered(path: Path) -> bool:
    """Tell whether a living process listens at a path; a dead one's socket is no harm."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
