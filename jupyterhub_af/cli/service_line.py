"""The command line's way to a running facility: the service's socket and a secret.

Both lie in the facility's data folder; who may read that may administer. Only the
standard library is needed, as for the rest of the command line.
"""

from __future__ import annotations

import argparse
import http.client
import os
import pwd
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from jupyterhub_af.line.places import ADMIN_SECRET, SERVICE_SOCKET
from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.messages import Message, Refusal

_M = TypeVar("_M", bound=BaseModel)
_PART_BYTES = 256 * 1024
_SECONDS = 120


class LineError(AFError):
    """Say why the service did not do it, in words for the administrator."""


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(str(self._path))


class ServiceLine:
    """Ask the service of the facility in a data folder."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def ask(self, path: str, reply: type[_M], message: Message | None = None) -> _M:
        """GET, or POST a message, and return the checked answer.

        Raises
        ------
        LineError
            If the service refuses or does not answer.
        """
        body = b"".join(self.stream(path, message))
        try:
            return reply.model_validate_json(body)
        except ValidationError as error:
            msg = "The service gave an answer of another version of jupyterhub-af."
            raise LineError(msg) from error

    def stream(self, path: str, message: Message | None = None) -> Iterator[bytes]:
        """Return an answer part by part; one that breaks off raises."""
        connection = _SocketConnection(self._data / SERVICE_SOCKET)
        try:
            yield from self._parts(connection, path, message)
        except (OSError, http.client.HTTPException) as error:
            raise LineError(self._why(error)) from error
        finally:
            connection.close()

    def _parts(
        self, connection: http.client.HTTPConnection, path: str, message: Message | None
    ) -> Iterator[bytes]:
        headers = {"Authorization": f"Bearer {self._secret()}"}
        body = None if message is None else message.model_dump_json().encode()
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        if answer.status >= 400:
            raise LineError(_words_of(answer.status, answer.read()))
        while part := answer.read1(_PART_BYTES):
            yield part

    def _secret(self) -> str:
        return (self._data / ADMIN_SECRET).read_text(encoding="ascii").strip()

    def _why(self, error: Exception) -> str:
        if isinstance(error, http.client.HTTPException):
            return "The service broke off its answer; its log says why."
        if isinstance(error, PermissionError):
            return (
                f"The facility in {self._data} belongs to somebody else: run this as who "
                "started it (sudo)."
            )
        if isinstance(error, FileNotFoundError | ConnectionRefusedError):
            return (
                f"No facility runs in {self._data}. Start it (jupyterhub-af up), or name "
                "its folder with --data DIR."
            )
        return f"The service did not answer ({type(error).__name__})."


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """Add the data folder, as ``up`` has it."""
    parser.add_argument(
        "--data",
        type=Path,
        default=default_data(),
        metavar="DIR",
        help="the facility's folder, as for up (default: %(default)s)",
    )


def default_data() -> Path:
    """Return where a facility's data lies if nobody says: the user's own data folder."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local/share")
    return Path(base) / "jupyterhub-af"


def find_actor() -> str:
    """Return who runs the command, as the audit calls them; no hub name looks so."""
    name = os.environ.get("SUDO_USER") or ""
    if os.geteuid() != 0 or not name.isprintable() or len(name) > 64 or not name:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            name = str(os.getuid())
    return f"unix:{name}"


def _words_of(status: int, body: bytes) -> str:
    try:
        return Refusal.model_validate_json(body).message
    except ValidationError:
        return f"The service answered {status}."
