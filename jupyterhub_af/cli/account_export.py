"""A tar of everything of a person's, written beside and named when it is whole."""

from __future__ import annotations

import io
import os
import tarfile
import time
from pathlib import Path
from urllib.parse import quote

from jupyterhub_af.policy.account_messages import AccountExport, AccountRecord
from jupyterhub_af.policy.errors import AFError

from .service_line import ServiceLine

_PATH = "/internal/admin/accounts"
RECORD = "facility.json"


class ExportError(AFError):
    """Say why there is no export."""


def export_account(line: ServiceLine, name: str, to: Path, *, actor: str) -> int:
    """Write the tar, for its owner alone; return its size in bytes.

    Raises
    ------
    AFError
        If the file is there already, cannot be written, or the answer was not whole;
        then nothing is left.
    """
    if os.path.lexists(to):
        msg = f"{to} is there already; name another file."
        raise ExportError(msg)
    part = to.with_name(f".{to.name}.{os.getpid()}.part")
    try:
        record = line.ask(f"{_PATH}/record?name={quote(name, safe='')}", AccountRecord)
        _write(part, line, AccountExport(name=name, actor=actor))
        _add_record(part, record)
        # a link is never made in place of another file, a renamed one is
        os.link(part, to)
        return to.stat().st_size
    except OSError as error:
        msg = f"{to} was not written: {error.strerror}."
        raise ExportError(msg) from error
    except tarfile.TarError as error:
        msg = f"{to} was not written: what came is no tar."
        raise ExportError(msg) from error
    finally:
        part.unlink(missing_ok=True)


def _write(part: Path, line: ServiceLine, asked: AccountExport) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
        for piece in line.stream(f"{_PATH}/export", asked):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _add_record(part: Path, record: AccountRecord) -> None:
    """Add what the facility knows of the person, their audit included."""
    text = record.model_dump_json(indent=2).encode()
    entry = tarfile.TarInfo(RECORD)
    entry.size, entry.mode, entry.mtime = len(text), 0o600, time.time()
    with tarfile.open(part, "a", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(entry, io.BytesIO(text))
