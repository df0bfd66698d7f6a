"""Compare what lies on a volume: with a manifest, or a tree with its generation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from jupyterhub_af.policy.errors import AFError

from .beneath import choose_opener
from .ensure import Volume
from .manifest import Walk, read_manifest
from .restore import RestoreError, Wanted
from .verify import Difference, find_differences


class ManifestError(AFError):
    """Say that a file is no manifest."""


def compare_generation(volume: Volume, wanted: Wanted) -> Iterator[Difference]:
    """Return how a live tree differs from one of its generations.

    Raises
    ------
    RestoreError
        If there is no such generation, or no such tree.
    """
    paths = (wanted.generation_path, wanted.tree.source)
    opened: list[int] = []
    try:
        for path in paths:
            try:
                opened.append(volume.open(path))
            except FileNotFoundError as error:
                msg = f"There is no {path!r} on the volume."
                raise RestoreError(msg, rule="not-in-backup", status=404) from error
        copy, live = (Walk(fd, volume.opener).entries(_names_in(fd)) for fd in opened)
        yield from find_differences(copy, live, is_generation=True)
    finally:
        for fd in opened:
            os.close(fd)


def compare_manifest(volume: Path, manifest: Path) -> Iterator[Difference]:
    """Return how a volume differs from what a manifest lists.

    Raises
    ------
    ManifestError
        If the file cannot be read, or is no manifest.
    """
    try:
        root_fd = os.open(volume, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with manifest.open("rb") as file:
                heading, wanted = read_manifest(file)
                found = Walk(root_fd, choose_opener()).entries(heading.roots)
                yield from find_differences(wanted, found)
        finally:
            os.close(root_fd)
    except OSError as error:
        msg = f"{error.filename or manifest} cannot be read: {error.strerror}."
        raise ManifestError(msg) from error
    except ValidationError as error:
        msg = f"{manifest} is no manifest, or one that was cut off."
        raise ManifestError(msg) from error


def _names_in(fd: int) -> list[str]:
    with os.scandir(fd) as entries:
        return [entry.name for entry in entries]
