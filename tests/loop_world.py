"""A small disk of the test's own: an image file, mounted as a file system of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_MAKE = {
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
    # nothing is kept back for root: a full disk is full for everybody
    "ext4": ("mkfs.ext4", "-q", "-F", "-m", "0"),
}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@contextmanager
def mounted(
    folder: Path, kind: str, size: int, *, at: Path | None = None
) -> Iterator[Path]:
    """Give a mounted disk of a kind and a size in bytes; skip where there is none."""
    image, place = folder / f"{kind}.img", at or folder / kind
    with image.open("wb") as file:
        file.truncate(size)
    if shutil.which(_MAKE[kind][0]) is None:
        pytest.skip(f"{_MAKE[kind][0]} is not installed")
    place.mkdir(exist_ok=True)
    run(*_MAKE[kind], str(image))
    loop = subprocess.run(
        ["mount", "-o", "loop,nosuid,nodev", str(image), str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if loop.returncode:
        pytest.skip(f"this machine mounts no {kind}: {loop.stderr.strip()}")
    try:
        yield place
    finally:
        # lazily: what still looks at it must not keep the disk for ever
        run("umount", "--lazy", str(place))
        image.unlink()


def run(*command: str) -> str:
    """Run a command that must go well; return what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fill(path: Path, *, leave: int = 0) -> int:
    """Fill the disk that a path is on with one file; return the file's size."""
    with path.open("wb", buffering=0) as file:
        for size in (65536, 512):
            block = os.urandom(size)
            with suppress(OSError):
                while file.write(block):
                    pass
        size = max(0, file.tell() - leave)
        file.truncate(size)
        os.fsync(file.fileno())
    return size
