"""The person's access token, for code in a notebook or in a Dask worker.

It is looked for where the WLCG's bearer token discovery says, in this order: the variable
``BEARER_TOKEN``, the file that ``BEARER_TOKEN_FILE`` names, then ``bt_u<uid>`` in
``XDG_RUNTIME_DIR`` and in ``/tmp``. The first place that is there counts, also where it
is of no use: a token of somewhere else would be another one. Nothing here shows a token
in an error.

Source: WLCG Bearer Token Discovery, 1.0.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

TEXT = "BEARER_TOKEN"
FILE = "BEARER_TOKEN_FILE"
LONGEST_BYTES = 1024**2
_LONGEST_WORDS = 1000


class NoTokenError(RuntimeError):
    """Say why there is no access token here, and what to do."""


def find_token() -> str:
    """Return the access token, read anew each time: it is replaced before it expires.

    Raises
    ------
    NoTokenError
        If there is none, or what is there is none.
    """
    if os.environ.get(TEXT, "").strip():
        return _check(os.environ[TEXT], f"the variable {TEXT}")
    for path, is_named in _files():
        if is_named or path.exists():
            return _check(_read(path, is_named=is_named), f"the file {path}")
    msg = (
        "There is no access token here: neither BEARER_TOKEN nor BEARER_TOKEN_FILE is "
        "set. A server of a facility has one, unless the facility gives none; a server "
        "that was started before it did has to be stopped and started again."
    )
    raise NoTokenError(msg)


def find_expiry() -> float:
    """Return when the access token expires, in seconds since 1970 (UTC).

    Raises
    ------
    NoTokenError
        If there is no token, or nothing says until when it is good.
    """
    token = find_token()
    named = os.environ.get(FILE)
    if named and not os.environ.get(TEXT, "").strip():
        beside = read_number(Path(named).with_name("expires_at"))
        if beside is not None:
            return beside
    said = _claims(token).get("exp")
    if isinstance(said, int | float) and not isinstance(said, bool):
        return float(said)
    msg = "There is an access token, but nothing says until when it is good."
    raise NoTokenError(msg)


def read_number(path: Path) -> float | None:
    """Return the number of seconds in a file of the token's folder, if there is one."""
    try:
        with path.open(encoding="ascii") as file:
            text = file.read(32).strip()
    except (OSError, ValueError):
        return None
    return float(text) if text.isascii() and text.isdigit() else None


def read_words(path: Path) -> str:
    """Return the words in a file of the token's folder; none where there is no file."""
    try:
        with path.open(encoding="utf8", errors="replace") as file:
            return file.read(_LONGEST_WORDS).strip()
    except OSError:
        return ""


def _files() -> Iterator[tuple[Path, bool]]:
    """Return where a token may be, and whether somebody has said that it is there."""
    if named := os.environ.get(FILE):
        yield Path(named), True
    name = f"bt_u{os.geteuid()}"
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / name, False
    # the discovery's own place; whose file it is, is looked at
    yield Path("/tmp") / name, False


def _read(path: Path, *, is_named: bool) -> str:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            text = file.read(LONGEST_BYTES + 1)
    except OSError as error:
        words = read_words(path.with_name("problem")) if is_named else ""
        msg = f"The access token in {path} cannot be read ({error.strerror}). {words}"
        raise NoTokenError(msg.strip()) from None
    if not is_named and status.st_uid != os.geteuid():
        msg = (
            f"The file {path} is not yours, so what is in it is not taken for a token."
        )
        raise NoTokenError(msg)
    if not stat.S_ISREG(status.st_mode) or len(text) > LONGEST_BYTES:
        msg = f"What is in {path} is not an access token."
        raise NoTokenError(msg)
    return text.decode("ascii", errors="replace")


def _check(text: str, place: str) -> str:
    token = text.strip()
    if token and token.isascii() and token.isprintable() and " " not in token:
        return token
    msg = f"What is in {place} is {'not an access token' if token else 'empty'}."
    raise NoTokenError(msg)


def _claims(token: str) -> dict[str, object]:
    """Return what a token says of itself; nobody vouches for it here."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        found = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, binascii.Error):
        return {}
    return found if isinstance(found, dict) else {}
