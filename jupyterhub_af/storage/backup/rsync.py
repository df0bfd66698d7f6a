"""One pass of rsync from the sender's sandbox into the receiver's.

rsync runs in the sender's sandbox and believes to reach another host. What it starts
there in place of ssh hands the words of the other end's command to this process, which
starts it in the receiver's sandbox; two pipes join them.

Source: rsync(1) 3.2, on ``--out-format``, ``--itemize-changes`` and ``--stats``.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .errors import BackupError, RacedError
from .sandbox import ENVIRONMENT, FROM, RELAY, TO, make_receiver, make_sender

# rsync gives up when nothing moves for so long: a disk, or a FIFO put in a file's place
STALL_SECONDS = 600
_GRACE_SECONDS = 30
_OPTIONS = (
    *("--recursive", "--links", "--perms", "--times", "--group", "--owner"),
    *("--hard-links", "--acls", "--xattrs", "--sparse", "--numeric-ids"),
    *("--no-devices", "--no-specials", "--one-file-system", "--whole-file"),
    # to the nanosecond: two saves within a second are two versions
    "--modify-window=-1",
    # what people set on their files; security.* and trusted.* speak to the kernel
    "--filter=-x! user.*",
    # a program that runs as its owner is nothing to keep; folders hand on their group
    *("--chmod=u-s", "--chmod=Fg-s"),
    *(f"--timeout={STALL_SECONDS}", "--no-human-readable", "--stats"),
    *("--info=nonreg0", "--out-format=%i %l %n"),
)
_ITEM = re.compile(r"([<>ch.*][fdLDS]\S{9}) (\d+) (.*)")
_FOLDERS = re.compile(r"Number of files: .*\bdir: (\d+)")
_STATISTIC = re.compile(r"([A-Z][a-z ]+): (\d+)")
_ESCAPED = re.compile(rb"\\#(\d{3})")
_ERRNO = re.compile(r".* \((\d+)\)")
_QUOTED = re.compile(r'"(.*)"')
_RACED, _PARTIAL, _VANISHED = 2, 23, 24
_MOST_ARGUMENTS = 64 * 1024
_MOST_ERRORS = 1000


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass did: what rsync counted, and which paths of the tree it touched.

    ``copied`` are files that are new in it, by content or as one more name of another
    file; ``folders`` is how many folders there are. ``is_same`` says that nothing differs from
    the generation before. ``errors`` is path and errno of what could not be read.
    """

    statistics: dict[str, int]
    copied: tuple[str, ...]
    folders: int
    is_same: bool
    errors: tuple[tuple[str, int], ...]

    def count(self, name: str) -> int:
        """Return a number of rsync's statistics; 0 if it told none."""
        return self.statistics.get(name, 0)


def run_pass(
    tree: Path,
    generations: Path,
    into: str,
    *,
    link_to: str | None = None,
    only: Sequence[str] | None = None,
) -> Pass:
    """Copy a tree into a folder of its generations; with ``only``, these paths of it.

    What is as it is in the generation ``link_to`` becomes a hard link to that.

    Raises
    ------
    RacedError
        If people exchanged folders under its hands; another try may do.
    BackupError
        If rsync did not copy the whole of it.
    """
    options = list(_OPTIONS)
    if link_to is not None:
        options.append(f"--link-dest={TO}/{link_to}")
    if only is not None:
        options += ["--files-from=-", "--from0", "--no-recursive", "--dirs"]
    with ExitStack() as stack:
        paths = stack.enter_context(tempfile.TemporaryFile())
        paths.write(b"".join(os.fsencode(path) + b"\0" for path in only or ()))
        paths.seek(0)
        output = stack.enter_context(tempfile.TemporaryFile())
        errors = stack.enter_context(tempfile.TemporaryFile())
        streams = _Streams(paths, output, errors)
        status = _run_ends(tree, generations, [*options, "--rsh"], into, streams)
        output.seek(0)
        errors.seek(0)
        found = _read_errors(errors, status)
        if status not in (0, _VANISHED, _PARTIAL):
            kind = RacedError if status == _RACED else BackupError
            raise kind(_last_words(errors, status))
        return _read_output(output, found)


@dataclass(frozen=True, slots=True)
class _Streams:
    """Files for what rsync reads and says; a pipe could fill while nobody reads it."""

    input: IO[bytes]
    output: IO[bytes]
    errors: IO[bytes]


def _run_ends(
    tree: Path, generations: Path, options: Sequence[str], into: str, streams: _Streams
) -> int:
    """Run both ends until the sender ends; return its status."""
    pipes = [os.pipe() for _ in range(3)]
    (argv_in, argv_out), (down_in, down_out), (up_in, up_out) = pipes
    inherited = (argv_out, down_in, up_out)
    relay = f"/usr/bin/bash {RELAY} {argv_out} {down_in} {up_out}"
    command = ["rsync", *options, relay, f"{FROM}/", f"af:{TO}/{into}/"]
    with ExitStack() as stack:
        ours = [stack.enter_context(os.fdopen(fd, "rb")) for fd in (argv_in, up_in)]
        down = stack.enter_context(os.fdopen(down_out, "wb"))
        try:
            sender = _start(
                [*make_sender(tree), *command],
                streams,
                pass_fds=inherited,
            )
        finally:
            for descriptor in inherited:
                os.close(descriptor)
        stack.callback(_end, sender)
        words = _read_words(argv_in)
        if not words:
            return sender.wait()
        receiver = subprocess.Popen(
            [*make_receiver(generations), *_check_words(words, into)],
            stdin=ours[1],
            stdout=down,
            stderr=streams.errors,
            env=ENVIRONMENT,
        )
        for file in (*ours, down):
            file.close()
        # the receiver notices when nothing comes, also from a sender that hangs
        receiver.wait()
        return _end(sender)


def _start(
    command: Sequence[str], streams: _Streams, *, pass_fds: Sequence[int]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=streams.input,
        stdout=streams.output,
        stderr=streams.errors,
        env=ENVIRONMENT,
        pass_fds=pass_fds,
    )


def _end(process: subprocess.Popen[bytes]) -> int:
    """Wait for an end that should come by itself, and help; return the status."""
    try:
        return process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _read_words(descriptor: int) -> tuple[str, ...]:
    """Return the command that rsync wants at the other end; none if it never asked."""
    text = b""
    while not text.endswith(b"\0\0"):
        piece = os.read(descriptor, _MOST_ARGUMENTS)
        if not piece or len(text) > _MOST_ARGUMENTS:
            return ()
        text += piece
    return tuple(os.fsdecode(text).split("\0")[:-2])


def _check_words(words: tuple[str, ...], into: str) -> tuple[str, ...]:
    """Return the command, or refuse what is not rsync receiving into the one folder."""
    is_receiving = words[:2] == ("rsync", "--server") and "--sender" not in words
    if not is_receiving or words[-2:] != (".", f"{TO}/{into}/"):
        msg = "rsync asked for something else than to receive one generation."
        raise BackupError(msg)
    return words


def _read_output(output: IO[bytes], errors: tuple[tuple[str, int], ...]) -> Pass:
    """Return what rsync told, a line for each thing it touched, then the statistics."""
    copied: list[str] = []
    statistics: dict[str, int] = {}
    is_same, folders = True, 0
    for raw in output:
        line = os.fsdecode(raw.rstrip(b"\n"))
        if item := _ITEM.fullmatch(line):
            is_same = False
            if item[1].startswith(("<f", "hf")):
                copied.append(_to_path(item[3]))
        elif number := _STATISTIC.match(line):
            statistics[number[1]] = int(number[2])
            if of_folders := _FOLDERS.match(line):
                folders = int(of_folders[1])
    return Pass(statistics, tuple(copied), folders, is_same, errors)


def _to_path(shown: str) -> str:
    """Return a path that rsync shows, with the bytes that it wrote as octals put back."""
    raw = _ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), os.fsencode(shown))
    return os.fsdecode(raw)


def _read_errors(errors: Iterable[bytes], status: int) -> tuple[tuple[str, int], ...]:
    """Return path below the tree and errno of what could not be read.

    A complaint that names no path stands for itself. Where rsync says that something is
    missing and not what, its first words do.
    """
    lines = [os.fsdecode(raw.rstrip(b"\n")) for raw in errors]
    told = ((line, _ERRNO.fullmatch(line)) for line in lines)
    found = [(_path_in(line), int(number[1])) for line, number in told if number]
    if status == _PARTIAL and not found:
        found = [(line, 0) for line in lines[:1]]
    return tuple(found[:_MOST_ERRORS])


def _path_in(line: str) -> str:
    quoted = _QUOTED.search(line)
    return _to_path(quoted[1]).removeprefix(f"{FROM}/") if quoted else line


def _last_words(errors: IO[bytes], status: int) -> str:
    """Return why rsync gave up, as it says itself."""
    errors.seek(0)
    lines = [os.fsdecode(line).strip() for line in errors]
    told = [line for line in lines if line.startswith("rsync: ")] or lines
    words = told[0].encode("utf8", "replace").decode() if told else "it said nothing"
    return f"rsync ended with status {status}: {words[:300]}"
