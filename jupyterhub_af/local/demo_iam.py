"""The demo IAM that ``jupyterhub-af up`` starts: its accounts and its state.

This module decides who exists in a demo facility and makes, once, everything
the Node program needs: ports, subs, passwords, secrets. All of it lies in one
state folder (folders 0700, files 0600), so the program can run as another user
that owns that folder. Later calls keep what is there.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

_HOST = "127.0.0.1"
_SERVER = Path(__file__).parent / "iam" / "server.mjs"
# below the ports Linux gives to outgoing connections, so a kept port stays free
_FIRST_PORT, _LAST_PORT = 20000, 31999
_PORT_ATTEMPTS = 50
# no 0/o, 1/l/i: 16 of these 31 letters are 79 bits
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
_CLIENT_ID = "jupyterhub-af"
_ORGANISATION = "Demo organisation"


class DemoIAMError(Exception):
    """The demo IAM cannot be prepared; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """A person of the demo: the names and the groups IAM would know."""

    username: str
    given_name: str
    family_name: str
    groups: tuple[str, ...]

    @property
    def name(self) -> str:
        """The full name."""
        return f"{self.given_name} {self.family_name}"


@dataclass(frozen=True, slots=True)
class DemoLogin:
    """What a person types to sign in, and the groups the account has now."""

    username: str
    password: str = field(repr=False)
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DemoIAM:
    """A prepared demo IAM: where it will answer and which files it needs."""

    issuer: str
    port: int
    control_url: str
    control_port: int
    control_token_file: Path
    client_id: str
    client_secret_file: Path
    config_file: Path
    state_dir: Path
    accounts: tuple[DemoLogin, ...]

    @property
    def url(self) -> str:
        """The address a person opens: the issuer."""
        return self.issuer


# every account with every ancestor of its groups, as IAM keeps them
DEMO_ACCOUNTS: tuple[DemoAccount, ...] = (
    DemoAccount(
        "student1",
        "Giulia",
        "Ferrari",
        ("hackathon", "hackathon/students", "hackathon/gw"),
    ),
    DemoAccount(
        "student2",
        "Lorenzo",
        "D'Angelo",
        ("hackathon", "hackathon/students", "hackathon/hep"),
    ),
    DemoAccount(
        "student3",
        "Sofia",
        "Marino",
        ("hackathon", "hackathon/students", "hackathon/fismed"),
    ),
    DemoAccount("teacher1", "Marta", "Colombo", ("hackathon", "hackathon/teachers")),
    DemoAccount("researcher1", "Niccolò", "Rinaldi", ("cygno",)),
    DemoAccount("researcher2", "Elena", "Moretti", ("ml-infn",)),
    DemoAccount("admin1", "Paolo", "Greco", ("facility", "facility/admins")),
    DemoAccount("outsider1", "Chiara", "Esposito", ()),
)


def ensure_demo_iam(
    state_dir: Path, *, profile: str, redirect_uris: Sequence[str], node_modules: Path
) -> DemoIAM:
    """Make the demo IAM's state once; afterwards keep it.

    Only the profile, the redirect addresses and the folder of the Node packages
    follow the call; ports, accounts, passwords, secrets and keys stay. Where the
    program runs as another user, give that user the whole folder afterwards.

    Raises
    ------
    DemoIAMError
        A kept port is taken, or a kept file cannot be read.
    """
    state_dir = state_dir.resolve()
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    state_dir.chmod(0o700)
    config_file = state_dir / "config.json"
    port, control_port = _ensure_ports(config_file)
    _ensure_secret(state_dir / "client_secret")
    _ensure_secret(state_dir / "control_token")
    _ensure_accounts(state_dir / "accounts.json")
    config = _make_config(state_dir, port, control_port) | {
        "profile": profile,
        "redirect_uris": list(redirect_uris),
        "node_modules": str(node_modules.resolve()),
    }
    # an unchanged file keeps its owner
    if _read_json(config_file) != config:
        _write_json(config_file, config)
    return _make_demo_iam(config)


def make_demo_iam_command(iam: DemoIAM, node: str) -> list[str]:
    """Give the command that runs the demo IAM with this Node."""
    return [node, str(_SERVER), str(iam.config_file)]


def _make_demo_iam(config: dict[str, Any]) -> DemoIAM:
    """Turn the configuration and the kept accounts into a ``DemoIAM``."""
    state_dir = Path(config["state_dir"])
    accounts = _read_json(state_dir / "accounts.json")
    logins = (
        DemoLogin(item["username"], item["password"], tuple(item["groups"]))
        for item in accounts
    )
    return DemoIAM(
        issuer=config["issuer"],
        port=config["port"],
        control_url=f"http://{_HOST}:{config['control_port']}/",
        control_port=config["control_port"],
        control_token_file=Path(config["control_token_file"]),
        client_id=config["client_id"],
        client_secret_file=Path(config["client_secret_file"]),
        config_file=state_dir / "config.json",
        state_dir=state_dir,
        accounts=tuple(logins),
    )


def _make_config(state_dir: Path, port: int, control_port: int) -> dict[str, Any]:
    """Make the part of the configuration that no caller chooses."""
    return {
        "host": _HOST,
        "port": port,
        "control_port": control_port,
        "issuer": f"http://{_HOST}:{port}/",
        "organisation": _ORGANISATION,
        "state_dir": str(state_dir),
        "client_id": _CLIENT_ID,
        "client_secret_file": str(state_dir / "client_secret"),
        "control_token_file": str(state_dir / "control_token"),
        "access_token_seconds": 3600,
        "id_token_seconds": 600,
        "rotate_refresh_tokens": True,
    }


def _ensure_ports(config_file: Path) -> tuple[int, int]:
    """Give the two kept ports, which must be free, or find two."""
    if not config_file.exists():
        first = _find_port(None)
        return first, _find_port(first)
    config = _read_json(config_file)
    try:
        port, control_port = config["port"], config["control_port"]
    except (KeyError, TypeError) as error:
        msg = f"{config_file} names no ports. Remove {config_file.parent} to make a new demo IAM."
        raise DemoIAMError(msg) from error
    for kept in (port, control_port):
        if not _is_free(kept):
            msg = (
                f"Port {kept} of the demo IAM is taken by another program. Stop that "
                f"program, or remove {config_file.parent} to make a new demo IAM with "
                "other ports and passwords."
            )
            raise DemoIAMError(msg)
    return port, control_port


def _find_port(other: int | None) -> int:
    """Find a free port that is not the other one."""
    for _ in range(_PORT_ATTEMPTS):
        port = _FIRST_PORT + secrets.randbelow(_LAST_PORT - _FIRST_PORT + 1)
        if port != other and _is_free(port):
            return port
    msg = f"No free port was found from {_FIRST_PORT} to {_LAST_PORT} on {_HOST}."
    raise DemoIAMError(msg)


def _is_free(port: int) -> bool:
    """Say whether this machine can listen on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        # a connection that ended a moment ago does not hold the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
        except OSError:
            return False
        return True


def _ensure_secret(file: Path) -> None:
    """Make a secret of 256 bits once."""
    if not file.exists():
        _write(file, secrets.token_urlsafe(32) + "\n")


def _ensure_accounts(file: Path) -> None:
    """Make the demo accounts, with new subs and passwords, once."""
    if not file.exists():
        _write_json(file, [_make_account(account) for account in DEMO_ACCOUNTS])


def _make_account(account: DemoAccount) -> dict[str, Any]:
    """Make what the Node program keeps of one account."""
    return {
        "sub": str(uuid4()),
        "username": account.username,
        "name": account.name,
        "given_name": account.given_name,
        "family_name": account.family_name,
        "email": f"{account.username}@example.org",
        "password": _make_password(),
        "groups": list(account.groups),
        "suspended": False,
        "aup_signed": True,
        "claims": {},
    }


def _make_password() -> str:
    """Make a password that is easy to read aloud: four times four letters."""
    words = ("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
    return "-".join(words)


def _read_json(file: Path) -> Any:
    """Read a kept file; a missing one is None."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        msg = (
            f"{file} cannot be read as JSON. Restore it, or remove {file.parent} "
            "to make a new demo IAM."
        )
        raise DemoIAMError(msg) from error


def _write_json(file: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one."""
    _write(file, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _write(file: Path, text: str) -> None:
    """Write a file of mode 0600 aside and rename it."""
    aside = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)
