"""Environments that the servers of one machine run in, built once from an image's lock.

This module owns `CACHE/environments/`: a folder `<image>-<key>` for each environment,
beside it `<image>-<key>.building`, the lock that a builder holds. The key covers all
that the content depends on, so an environment is never changed: another lock file gives
another folder. A virtual environment cannot be moved, so it is made at its final path
and counts only once the marker `.ready` is in it. Whatever lacks the marker is removed
and built again.

Words: an *image* is a folder of `images/`; its *environment* is what its container
image would have at the same versions, without the container.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .installer import (
    FILES_NAME,
    LOCK_NAME,
    Build,
    EnvironmentBuildError,
    Interpreter,
    build_error,
    exercises_of,
    files_of,
    install,
)

BUILDER_VERSION = "1"
KEY_LENGTH = 12
READY_NAME = ".ready"

# A sandbox binds /usr and the environment, nothing else, and runs as another user: an
# interpreter under somebody's home would not be there.
INTERPRETERS = (
    "/usr/bin/python3",
    "/usr/bin/python3.11",
    "/usr/bin/python3.12",
    "/usr/bin/python3.13",
)
OLDEST_PYTHON = (3, 11)

_REFERENCE = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9._:-]*/)*"
    r"(?P<name>[a-z0-9][a-z0-9-]*)"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?"
    r"(?:@sha256:[0-9a-f]{64})?"
)
_LONGEST_REFERENCE = 255


def cache_dir() -> Path:
    """Return where environments are kept: AF_CACHE, else the person's cache folder."""
    if chosen := os.environ.get("AF_CACHE"):
        return Path(chosen).absolute()
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification: a relative path is invalid and to be ignored.
    return (base if base.is_absolute() else Path.home() / ".cache") / "jupyterhub-af"


def find_images_dir() -> Path:
    """Return the folder of the images: the checkout's, else the installed one.

    Raises
    ------
    EnvironmentBuildError
        If neither has the base image's lock file.
    """
    candidates = (
        Path(__file__).resolve().parents[2] / "images",
        Path(sys.prefix) / "share" / "jupyterhub-af" / "images",
    )
    for folder in candidates:
        if (folder / "base" / LOCK_NAME).is_file():
            return folder
    msg = (
        f"The images' lock files are neither in {candidates[0]} nor in {candidates[1]}. "
        "Install jupyterhub-af again, or run it from a checkout."
    )
    raise EnvironmentBuildError(msg)


def image_name(image_reference: str) -> str | None:
    """Return the folder name that an image reference stands for, None if it has none.

    ``registry.example.org/af/dodas:5`` gives ``dodas``. Only lower-case letters, digits
    and hyphens make a name, so the result is always safe as one path component.
    """
    if len(image_reference) > _LONGEST_REFERENCE:
        return None
    match = _REFERENCE.fullmatch(image_reference)
    return match["name"] if match else None


def find_interpreter() -> Interpreter:
    """Return the system's Python that environments are made of.

    Raises
    ------
    EnvironmentBuildError
        If there is none of at least Python 3.11 under /usr.
    """
    for candidate in INTERPRETERS:
        path = Path(candidate)
        # A link to /home/... would be dangling inside the sandbox.
        if not path.is_file() or not path.resolve().is_relative_to("/usr"):
            continue
        version = _ask_version(path)
        if tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_PYTHON:
            return Interpreter(path, version)
    msg = (
        f"None of {', '.join(INTERPRETERS)} is Python 3.11 or newer and lies under /usr, "
        "as the sandboxes need. Install the Debian packages python3 and python3-venv."
    )
    raise EnvironmentBuildError(msg)


def _ask_version(interpreter: Path) -> str:
    """Return what an interpreter says its version is, such as 3.11.2."""
    question = "import platform; print(platform.python_version())"
    answer = subprocess.run(
        [interpreter, "-I", "-c", question], capture_output=True, text=True, check=False
    ).stdout.strip()
    return answer if re.match(r"\d+\.\d+", answer) else "0.0"


def environment_dir(image_dir: Path, cache: Path, extra_wheels: Sequence[Path]) -> Path:
    """Return where the environment of an image belongs, built or not."""
    return _environment_dir(image_dir, cache, extra_wheels, find_interpreter())


def _environment_dir(
    image_dir: Path, cache: Path, wheels: Sequence[Path], interpreter: Interpreter
) -> Path:
    """Return the folder whose key covers all that the environment is made of."""
    digest = hashlib.sha256()
    machine = platform.machine()
    for part in (BUILDER_VERSION, str(interpreter.path), interpreter.version, machine):
        _add(digest, part.encode())
    for path in _inputs(image_dir, wheels):
        _add(digest, _place(path, image_dir).encode())
        _add(digest, path.read_bytes())
    key = digest.hexdigest()[:KEY_LENGTH]
    return cache / "environments" / f"{image_dir.name}-{key}"


def _add(digest: hashlib._Hash, content: bytes) -> None:
    """Add content to a digest, its length first, so that no two lists look alike."""
    digest.update(len(content).to_bytes(8, "big"))
    digest.update(content)


def _inputs(image_dir: Path, wheels: Sequence[Path]) -> Iterator[Path]:
    """Yield the files an environment is made of, in an order that never changes."""
    yield image_dir / LOCK_NAME
    yield from exercises_of(image_dir)
    yield from files_of(image_dir)
    yield from sorted(wheels, key=lambda wheel: wheel.name)


def _place(path: Path, image_dir: Path) -> str:
    """Return what a file's key says about where it belongs, wherever the image lies."""
    is_own = path.is_relative_to(image_dir / FILES_NAME)
    return str(path.relative_to(image_dir)) if is_own else path.name


def is_ready(environment: Path) -> bool:
    """Tell whether an environment was built to its end."""
    return (environment / READY_NAME).is_file()


def ensure_environment(
    image_dir: Path,
    *,
    cache: Path,
    wheels: Sequence[Path],
    uv: Path | None,
    say: Callable[[str], None],
) -> Path:
    """Return the ready environment of an image, built now if nobody did before.

    Two callers at once build once: the second waits for the first. `say` gets one line
    of progress at a time.

    Raises
    ------
    EnvironmentBuildError
        If it cannot be built; nothing half-done is left that would count as ready.
    """
    _check_inputs(image_dir, wheels)
    interpreter = find_interpreter()
    target = _environment_dir(image_dir, cache.absolute(), wheels, interpreter)
    if is_ready(target):
        return target
    name = image_dir.name
    build = Build(
        name, image_dir, target, tuple(wheels), interpreter, uv, say, time.monotonic()
    )
    try:
        _build_alone(build)
    except OSError as error:
        raise build_error(build, [str(error)]) from error
    return target


def _check_inputs(image_dir: Path, wheels: Sequence[Path]) -> None:
    """Refuse an image without a lock file, and a wheel that is not there."""
    if image_name(image_dir.name) is None or not (image_dir / LOCK_NAME).is_file():
        images = sorted(
            lock.parent.name for lock in image_dir.parent.glob(f"*/{LOCK_NAME}")
        )
        known = (
            f"The images are {', '.join(images)}."
            if images
            else "There are no images there."
        )
        msg = f"There is no image {image_dir.name!r} in {image_dir.parent}. {known}"
        raise EnvironmentBuildError(msg)
    for wheel in wheels:
        if not wheel.is_file():
            msg = f"There is no wheel {wheel}: build it first."
            raise EnvironmentBuildError(msg)


def _build_alone(build: Build) -> None:
    """Build unless another builder did so while we waited for its lock."""
    build.target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(build) as lock_fd:
        if is_ready(build.target):
            return
        if build.target.exists():
            build.say(f"{build.name} environment: removing an unfinished one.")
            shutil.rmtree(build.target)
        _build(build, lock_fd)


@contextmanager
def _locked(build: Build) -> Iterator[int]:
    """Hold the lock of an environment, and give its descriptor."""
    lock = build.target.with_name(f"{build.target.name}.building")
    lock_fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            build.say(f"{build.name} environment: another process builds it, waiting.")
            fcntl.flock(lock_fd, fcntl.LOCK_EX)
        yield lock_fd
    finally:
        os.close(lock_fd)


def _build(build: Build, lock_fd: int) -> None:
    """Fill the folder, then mark it as ready."""
    size = install(build, lock_fd)
    _mark_ready(build)
    build.say(
        f"{build.name} environment: ready after {build.elapsed_seconds()} s, "
        f"{size / 1e6:.0f} MB in {build.target}."
    )


def _mark_ready(build: Build) -> None:
    """Write the marker, all at once, after everything else is on the disk."""
    record = {
        "image": build.name,
        "python": build.interpreter.version,
        "seconds": build.elapsed_seconds(),
        "wheels": [wheel.name for wheel in build.wheels],
    }
    aside = build.target / f"{READY_NAME}.new"
    aside.write_text(json.dumps(record) + "\n", "utf8")
    aside.chmod(0o644)
    # Without it a power cut could keep the marker and lose the files before it.
    os.sync()
    aside.replace(build.target / READY_NAME)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the environments of some images, and print their paths."""
    parser = argparse.ArgumentParser(prog="python -m jupyterhub_af.local.environments")
    parser.add_argument("names", nargs="+", metavar="NAME", help="a folder of images/")
    parser.add_argument(
        "--wheel", action="append", default=[], type=Path, dest="wheels"
    )
    parser.add_argument("--uv", type=Path, help="uv to install with (default: pip)")
    chosen = parser.parse_args(arguments)
    try:
        for name in chosen.names:
            environment = ensure_environment(
                find_images_dir() / name,
                cache=cache_dir(),
                wheels=chosen.wheels,
                uv=chosen.uv,
                say=_say_on_stderr,
            )
            print(environment)
    except EnvironmentBuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _say_on_stderr(line: str) -> None:
    """Show progress at once; standard output is for the paths."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
