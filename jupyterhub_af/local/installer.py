"""How one environment is filled: virtual environment, packages, wheels, files, exercises.

This module runs the tools (the system's Python, uv or pip) and says in words why they
failed. It does not decide where an environment belongs or whether one is needed.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jupyterhub_af.policy.errors import AFError

LOCK_NAME = "requirements.lock"
# What an image lays over its environment as it is: data of an exercise, kernels, settings.
FILES_NAME = "files"
INSTALLED_EXERCISES = Path("share/jupyterhub-af/exercises")
TAIL_LINES = 12
SILENCE_SECONDS = 10

# One line for each package says little to who waits; each stays in the tail.
_NOISE = re.compile(r"\s*(?:\+ |Using cached|Downloaded |Collecting )")

# Settings of the caller's own Python or shell that would lead the installers astray.
FOREIGN_VARIABLES = (
    "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "PIP_ROOT", "PIP_TARGET", "PIP_USER",
    "PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE", "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON", "UV_SYSTEM_PYTHON", "VIRTUAL_ENV",
)  # fmt: skip

_REQUIREMENT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?==", re.MULTILINE)

# What an installer says, and what the administrator can do about it; first match wins.
ADVICE = (
    (
        r"no space left|disk quota exceeded",
        "Free some disk space, or name a folder on a larger disk in AF_CACHE.",
    ),
    (
        r"hash mismatch|do not match the hashes|hashes are required|in --require-hashes mode",
        "A package is not the one that the lock file names: nothing of it is used. "
        "If the lock file is your own, write it again; otherwise ask who runs your "
        "package index.",
    ),
    (
        r"ensurepip is not available|no module named ensurepip",
        "Install the Debian package python3-venv, or give the path of uv.",
    ),
    (
        r"dns error|name resolution|name or service not known|error sending request|"
        r"failed to fetch|connection refused|newconnectionerror|network is unreachable|"
        r"could not connect|timed out|certificate",
        "Check this machine's network, its proxy settings and its package index.",
    ),
    (
        r"permission denied|read-only file system|operation not permitted",
        "Name a folder that you may write in AF_CACHE.",
    ),
)
DEFAULT_ADVICE = "Repair what these lines say."


class EnvironmentBuildError(AFError):
    """Say to the administrator why an environment could not be built."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of the system, and the version it says it is."""

    path: Path
    version: str


@dataclass(frozen=True, slots=True)
class Build:
    """One environment to build: where, of what, with which tools."""

    name: str
    image_dir: Path
    target: Path
    wheels: tuple[Path, ...]
    interpreter: Interpreter
    uv: Path | None
    say: Callable[[str], None]
    started: float

    def elapsed_seconds(self) -> int:
        """Return how long this build has been going on, in whole seconds."""
        return round(time.monotonic() - self.started)


def install(build: Build, lock_fd: int) -> int:
    """Make the environment at its place, all but the marker; return its size in bytes."""
    count = count_packages((build.image_dir / LOCK_NAME).read_text("utf8"))
    build.say(f"{build.name} environment: installing {count} packages (only once) …")
    for command in commands(build, count):
        _run(build, command, lock_fd)
    _copy_files(build)
    _copy_exercises(build)
    switch_debuggers_off(build.target)
    _open_user_site(build.target)
    return make_world_readable(build.target)


def count_packages(lock_text: str) -> int:
    """Return how many packages a lock file pins."""
    return len(_REQUIREMENT.findall(lock_text))


def commands(build: Build, count: int) -> Iterator[list[str]]:
    """Yield the commands that fill the environment, in order.

    Only wheels are taken: an sdist would run its own code while it is built, as the
    administrator. Everything is compiled, for the sandbox mounts it read-only.
    """
    nothing_to_install = not count and not build.wheels
    bare = ["--without-pip"] if build.uv or nothing_to_install else []
    yield [str(build.interpreter.path), "-m", "venv", *bare, str(build.target)]
    python = str(build.target / "bin" / "python")
    lock = str(build.image_dir.absolute() / LOCK_NAME)
    wheels = [str(wheel.absolute()) for wheel in build.wheels]
    if build.uv:
        # Copies: a hard link would be one file with the cache of whoever runs uv.
        options = ["--python", python, "--link-mode", "copy", "--compile-bytecode"]
        uv = [str(build.uv.absolute()), "pip"]
        sync = [*uv, "sync", *options, "--require-hashes", "--only-binary", ":all:"]
        install = [*uv, "install", *options, "--no-deps", "--no-index"]
    else:
        sync = [python, "-m", "pip", "install", "--require-hashes"]
        sync += ["--only-binary", ":all:", "--progress-bar", "off", "--requirement"]
        install = [python, "-m", "pip", "install", "--no-deps", "--no-index"]
    if count:
        yield [*sync, lock]
    if wheels:
        yield [*install, *wheels]


def _run(build: Build, command: list[str], lock_fd: int) -> None:
    """Run one command, show what it says, and turn its failure into words."""
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with _started(command, build.target.parent, lock_fd) as process:
        for line in _lines(process):
            if line is None:
                build.say(f"{build.name} environment: {build.elapsed_seconds()} s …")
                continue
            tail.append(line)
            if not _NOISE.match(line):
                build.say(f"  {line}")
        code = process.wait()
    if code:
        raise build_error(
            build, [*tail, f"({Path(command[0]).name} ended with {code})"]
        )


@contextmanager
def _started(
    command: list[str], folder: Path, lock_fd: int
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command beside us, and end it if we leave early.

    It inherits the lock: should this process be killed, the lock is free only when the
    command, which goes on writing, has ended too.
    """
    environment = {k: v for k, v in os.environ.items() if k not in FOREIGN_VARIABLES}
    # An institute's own certificate authority is known to the system, not to uv.
    environment.setdefault("UV_SYSTEM_CERTS", "1")
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        umask=0o022,
        pass_fds=(lock_fd,),
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str | None]:
    """Yield what a command says line by line, and None whenever it is long silent."""
    assert process.stdout is not None  # noqa: S101 - for the type: we made the pipe
    pipe = process.stdout.fileno()
    waiting = b""
    while True:
        if not select.select([pipe], [], [], SILENCE_SECONDS)[0]:
            yield None
            continue
        chunk = os.read(pipe, 65536)
        *lines, waiting = (waiting + chunk).split(b"\n") if chunk else [waiting, b""]
        yield from (line.decode("utf8", "replace") for line in lines if line.strip())
        if not chunk:
            return


def build_error(build: Build, lines: Sequence[str]) -> EnvironmentBuildError:
    """Return the refusal that names the image, the last lines, and what to do."""
    said = "\n".join(f"  {line}" for line in lines)
    msg = (
        f"The environment of the image {build.name!r} could not be built in "
        f"{build.target}:\n{said}\n{advice_for(said)} Then start again."
    )
    return EnvironmentBuildError(msg)


def advice_for(output: str) -> str:
    """Return what to do about an installer's last words."""
    for pattern, advice in ADVICE:
        if re.search(pattern, output, re.IGNORECASE):
            return advice
    return DEFAULT_ADVICE


def exercises_of(image_dir: Path) -> list[Path]:
    """Return the notebooks that an image brings, in order of their names."""
    return sorted((image_dir / "exercises").glob("*.ipynb"))


def files_of(image_dir: Path) -> list[Path]:
    """Return the files that an image lays over its environment, in order."""
    return sorted(p for p in (image_dir / FILES_NAME).rglob("*") if p.is_file())


def _copy_files(build: Build) -> None:
    """Lay the image's own files over the environment, each at the same path there."""
    for file in files_of(build.image_dir):
        place = build.target / file.relative_to(build.image_dir / FILES_NAME)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)


def _copy_exercises(build: Build) -> None:
    """Put the image's notebooks where the server extension looks for them."""
    notebooks = exercises_of(build.image_dir)
    if notebooks:
        folder = build.target / INSTALLED_EXERCISES
        folder.mkdir(parents=True)
        for notebook in notebooks:
            shutil.copyfile(notebook, folder / notebook.name)


def switch_debuggers_off(environment: Path) -> None:
    """Say in each kernelspec that there is no debugger.

    debugpy listens on TCP, and all servers of one machine share the loopback.
    """
    for spec_path in sorted(
        (environment / "share/jupyter/kernels").glob("*/kernel.json")
    ):
        spec = json.loads(spec_path.read_text("utf8"))
        spec.setdefault("metadata", {})["debugger"] = False
        spec_path.write_text(json.dumps(spec, indent=1) + "\n", "utf8")


def _open_user_site(environment: Path) -> None:
    """Let `pip install --user` work: a closed virtual environment refuses it.

    Opened only now, so that nothing was taken from the system's packages above. The
    environment's own packages keep the first place: nobody breaks their own server.
    """
    settings = environment / "pyvenv.cfg"
    closed, opened = (
        f"include-system-site-packages = {word}" for word in ("false", "true")
    )
    settings.write_text(settings.read_text("utf8").replace(closed, opened), "utf8")


def make_world_readable(environment: Path) -> int:
    """Let everybody read the environment, and return its size in bytes.

    Servers run as other users, and installers keep the modes of their caches.
    """
    size = 0
    for folder, _, files in os.walk(environment):
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - a hundred thousand paths
        for file in files:
            path = f"{folder}/{file}"
            status = os.lstat(path)
            if not os.path.islink(path):  # noqa: PTH114
                size += status.st_size
                os.chmod(path, 0o755 if status.st_mode & 0o100 else 0o644)  # noqa: PTH101
    return size
