"""One plan as a running bubblewrap sandbox: its files, its command line, its first process.

``policy.sandbox`` says what a sandbox sees; here it meets the machine. Paths do not show
in ``ps``: bwrap reads its options from a descriptor.
"""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from jupyterhub_af.policy.plan import ServerPlan
from jupyterhub_af.policy.sandbox import (
    Bind,
    SandboxHost,
    group_text,
    make_bwrap_arguments,
    make_person_command,
    passwd_text,
)

BWRAP = "/usr/bin/bwrap"
INFO_SECONDS = 10.0
MAX_LOG_BYTES = 8 * 1024**2
_ETC = (
    *("alternatives", "ca-certificates", "ssl/certs", "fonts", "localtime", "timezone"),
    *("hosts", "nsswitch.conf", "resolv.conf"),
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d"),
    *("mime.types", "protocols", "services", "profile", "bash.bashrc", "inputrc"),
    "debian_version",
)


def write_names(plan: ServerPlan, folder: Path) -> None:
    """Write the passwd and group that the sandbox will have, for everybody to read."""
    for name, text in (("passwd", passwd_text(plan)), ("group", group_text(plan))):
        (folder / name).write_text(text, encoding="utf8")
        (folder / name).chmod(0o644)


def make_host(
    *,
    volume: str,
    environment: str,
    folder: Path,
    more: Sequence[Bind] = (),
    dies_with_parent: bool = True,
) -> SandboxHost:
    """Return what this machine gives a sandbox whose names lie in ``folder``."""
    etc = (Path("/etc") / name for name in _ETC)
    return SandboxHost(
        volume=volume,
        read_only=(
            *(Bind(str(path.resolve()), str(path)) for path in etc if path.exists()),
            Bind(str(folder / "passwd"), "/etc/passwd"),
            Bind(str(folder / "group"), "/etc/group"),
            Bind(environment, environment),
            *more,
        ),
        cvmfs="/cvmfs" if Path("/cvmfs").is_dir() else None,
        is_root=os.geteuid() == 0,
        dies_with_parent=dies_with_parent,
    )


def environment_variables(plan: ServerPlan, environment: str) -> dict[str, str]:
    """Return the variables of whatever runs in a plan's sandbox: its image's and its own."""
    paths = (f"{environment}/bin", "/usr/local/bin", "/usr/bin", "/bin")
    own = {"PATH": ":".join(paths), "VIRTUAL_ENV": environment}
    return {**own, **plan.environment}


class Launch:
    """The command line of one sandbox and the descriptors that go with it.

    A context manager: what is still open at its end is closed. ``log`` takes the
    sandbox's output; its file belongs to this process's user alone.
    """

    def __init__(
        self, plan: ServerPlan, host: SandboxHost, command: Sequence[str], log: Path
    ) -> None:
        self._arguments = _to_descriptor(make_bwrap_arguments(plan, host))
        self._info_read, self._info_write = os.pipe()
        # appending, so that it can be cut while it is written to
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        self.log = os.open(log, flags, 0o600)
        descriptors = (
            "--args",
            str(self._arguments),
            "--info-fd",
            str(self._info_write),
        )
        person = make_person_command(plan, host)
        self.command = [BWRAP, *descriptors, "--", *person, *command]

    @property
    def descriptors(self) -> list[int]:
        """Return what the new process must inherit beside its output."""
        return [self._arguments, self._info_write]

    def __enter__(self) -> Launch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close_ends_of_child()
        os.close(self._info_read)

    def read_init_pid(self) -> int:
        """Return the pid of the sandbox's first process; 0 if it did not come to life.

        To be asked once the process runs: the ends that it inherited are closed first,
        so that its death is an end of the file. Blocks up to ``INFO_SECONDS``.
        """
        self._close_ends_of_child()
        text = b""
        # bwrap writes its JSON in pieces
        while b"}" not in text:
            ready, _, _ = select.select([self._info_read], [], [], INFO_SECONDS)
            piece = os.read(self._info_read, 4096) if ready else b""
            if not piece:
                return 0
            text += piece
        found: dict[str, Any] = json.loads(text)
        return int(found["child-pid"])

    def _close_ends_of_child(self) -> None:
        for descriptor in (self._arguments, self._info_write, self.log):
            if descriptor >= 0:
                os.close(descriptor)
        self._arguments = self._info_write = self.log = -1


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def bound_log(log: Path) -> bool:
    """Empty a log that has grown too large, and say so in it; return whether it had.

    What a person prints ends up there, and must not fill the facility's disk.
    """
    try:
        if log.stat().st_size <= MAX_LOG_BYTES:
            return False
    except FileNotFoundError:
        return False
    os.truncate(log, 0)
    with log.open("a", encoding="utf8") as file:
        file.write(f"(what was here before was more than {MAX_LOG_BYTES} bytes)\n")
    return True


def read_tail(log: Path, size: int = 2000) -> str:
    """Return the end of a log, for the operators."""
    return log.read_text(encoding="utf8", errors="replace")[-size:]


def _to_descriptor(words: tuple[str, ...]) -> int:
    """Return a descriptor in memory that holds the words, each ended by NUL."""
    descriptor = os.memfd_create("bwrap-arguments")
    os.write(descriptor, b"".join(word.encode() + b"\0" for word in words))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
