"""What all generations of an area take on the disk: counted once, then kept up to date."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from jupyterhub_af.policy.storage import BACKUPS

from .place import RECORDS, run_tool


def load_space(volume: Path, area: str) -> int | None:
    """Return the number of bytes; None where it is not known, or just changes."""
    try:
        return int(_file_of(volume, area).read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None


class Space:
    """The number of bytes, to be changed between ``with`` and its end.

    Meanwhile there is no file, so that a run that is killed leads to a new count and
    never to a wrong number.
    """

    def __init__(self, volume: Path, area: str) -> None:
        self.bytes = 0
        self._volume, self._area = volume, area

    def __enter__(self) -> Space:
        known = load_space(self._volume, self._area)
        self.bytes = self._count() if known is None else known
        _file_of(self._volume, self._area).unlink(missing_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _file_of(self._volume, self._area).write_text(f"{max(self.bytes, 0)}\n")

    def _count(self) -> int:
        """Count what each file takes, once however many names it has."""
        folder = self._volume / BACKUPS / self._area
        return int(run_tool("/usr/bin/du", "-sB1", str(folder)).split()[0])


def _file_of(volume: Path, area: str) -> Path:
    return volume / RECORDS / area / ".space"
