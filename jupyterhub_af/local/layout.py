"""Where a facility on one machine keeps everything: one folder, and nothing outside it.

Owns the folders below ``--data`` and the secrets in them, made once and kept. As root
the service, the demo IAM and the proxy run as numbers of their own; each owns just its
folder.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from jupyterhub_af.line.places import ADMIN_SECRET, AREAS, SERVICE_SOCKET

SERVICE_UID = 990001
IAM_UID = 990002
PROXY_UID = 990003
DASK_PROXY_UID = 990004
MAX_SOCKET_PATH = 107


class LocalError(Exception):
    """Something on this machine keeps the facility from starting; the message says what."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The folder of one facility."""

    root: Path

    @property
    def up_file(self) -> Path:
        """Return the file that says where a ready facility listens."""
        return self.root / "up.json"

    @property
    def lock_file(self) -> Path:
        """Return the file that a running `up` holds locked."""
        return self.root / "up.lock"

    @property
    def areas(self) -> Path:
        """Return the volume: the folder that the storage areas lie in."""
        return self.root / AREAS

    @property
    def hub(self) -> Path:
        """Return the hub's folder."""
        return self.root / "hub"

    @property
    def service(self) -> Path:
        """Return the service's folder: its database, socket and secret."""
        return self.root / "service"

    @property
    def agent(self) -> Path:
        """Return the storage agent's folder: its socket and secret."""
        return self.root / "agent"

    @property
    def gateway(self) -> Path:
        """Return the Dask Gateway server's folder: its database and secrets."""
        return self.root / "gateway"

    @property
    def clusters(self) -> Path:
        """Return the folder of what running Dask clusters need."""
        return self.gateway / "clusters"

    @property
    def iam(self) -> Path:
        """Return the demo IAM's folder."""
        return self.root / "iam"

    @property
    def servers(self) -> Path:
        """Return the folder of what running servers need."""
        return self.root / "servers"

    @property
    def tokens(self) -> Path:
        """Return the folder of the access tokens in running servers."""
        return self.root / "tokens"

    @property
    def logs(self) -> Path:
        """Return the folder of the logs."""
        return self.root / "logs"

    @property
    def settings_file(self) -> Path:
        """Return the file with which `up` tells the hub's configuration what it chose."""
        return self.hub / "settings.json"

    @property
    def service_socket(self) -> Path:
        """Return the socket of the service's internal API."""
        return self.root / SERVICE_SOCKET

    @property
    def admin_secret_file(self) -> Path:
        """Return the secret of the command line: who may read the folder administers."""
        return self.root / ADMIN_SECRET

    @property
    def door(self) -> Path:
        """Return the folder of the agent's socket for the service, which may enter it."""
        return self.root / "door"

    @property
    def door_socket(self) -> Path:
        """Return the storage agent's socket for the service."""
        return self.door / "agent.sock"

    @property
    def agent_socket(self) -> Path:
        """Return the socket of the storage agent."""
        return self.agent / "agent.sock"


def ensure_layout(root: Path) -> Layout:
    """Make the folders and secrets that are not there yet; change none that are.

    Raises
    ------
    LocalError
        If the folder cannot be written, or its path is too long for a socket.
    """
    layout = Layout(root.resolve())
    longest = max(
        len(str(path)) for path in (layout.service_socket, layout.agent_socket)
    )
    if longest > MAX_SOCKET_PATH:
        msg = (
            f"The path {layout.root} is too long for a socket in it "
            f"({longest} characters, {MAX_SOCKET_PATH} are possible); choose a shorter --data."
        )
        raise LocalError(msg)
    try:
        _make_folders(layout)
        _make_secrets(layout)
    except OSError as error:
        msg = f"Cannot write {error.filename or layout.root}: {error.strerror}."
        raise LocalError(msg) from error
    return layout


def _make_folders(layout: Layout) -> None:
    layout.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    private = (layout.hub, layout.service, layout.agent, layout.servers, layout.logs)
    for folder in (*private, layout.gateway, layout.clusters, layout.tokens):
        folder.mkdir(exist_ok=True, mode=0o700)
    layout.areas.mkdir(exist_ok=True, mode=0o711)
    # everybody's files are reached through mounts that root makes; this keeps others out
    layout.root.chmod(0o700)
    layout.door.mkdir(exist_ok=True, mode=0o700)
    if os.geteuid() == 0:
        os.chown(layout.service, SERVICE_UID, SERVICE_UID)
        # the setgid bit hands the group on to the socket
        os.chown(layout.door, 0, SERVICE_UID)
        layout.door.chmod(0o2750)


def forget_tokens(layout: Layout) -> None:
    """Remove the access tokens of servers, none of which runs any more."""
    for path in layout.tokens.glob("*/*"):
        path.unlink(missing_ok=True)


def _make_secrets(layout: Layout) -> None:
    ensure_secret(layout.hub / "service-secret")
    ensure_secret(layout.hub / "agent-secret")
    ensure_secret(layout.agent / "service-secret")
    ensure_secret(layout.admin_secret_file)
    ensure_secret(layout.hub / "crypt-key", size=32)
    ensure_secret(layout.gateway / "service-secret")
    ensure_secret(layout.gateway / "database-key", size=32)
    ensure_secret(layout.gateway / "proxy-token", size=32)
    # each end has a copy of its own, so that no process reads another's folder
    _copy_secret(
        layout.hub / "service-secret", layout.service / "hub-secret", SERVICE_UID
    )
    _copy_secret(layout.hub / "agent-secret", layout.agent / "hub-secret", 0)
    _copy_secret(
        layout.gateway / "service-secret",
        layout.service / "gateway-secret",
        SERVICE_UID,
    )

    for source, name in (
        (layout.agent / "service-secret", "agent-secret"),
        (layout.admin_secret_file, "admin-secret"),
    ):
        _copy_secret(source, layout.service / name, SERVICE_UID)


def ensure_secret(path: Path, *, size: int = 32) -> Path:
    """Make a file with ``size`` random bytes in hexadecimal, for its owner alone, once."""
    if not path.exists():
        write_private(path, secrets.token_hex(size))
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, aside and then renamed."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(
        aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600
    )
    with os.fdopen(descriptor, "w", encoding="utf8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _copy_secret(source: Path, target: Path, uid: int) -> None:
    # the folder may belong to another user by now: write beside and rename, follow nothing
    write_private(target, source.read_text(encoding="utf8"))
    if os.geteuid() == 0 and uid:
        os.chown(target, uid, uid, follow_symlinks=False)


def give_folder(folder: Path, uid: int) -> None:
    """Give a folder and what is directly in it to a system uid; as root only."""
    if os.geteuid() != 0:
        return
    os.chown(folder, uid, uid, follow_symlinks=False)
    for path in folder.rglob("*"):
        os.chown(path, uid, uid, follow_symlinks=False)
