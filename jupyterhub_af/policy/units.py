"""Sizes and durations as people write them in the facility file.

Memory and disk are bytes inside; ``K``, ``M``, ``G``, ``T`` are powers of 1024, as
JupyterHub and Dask Gateway read them. Durations are seconds inside.
"""

from __future__ import annotations

import re

from .fault import FaultError

_MEMORY = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,3}))?([KMGT])")
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_MEMORY_FACTOR = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_DURATION_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# for editors; what they are is decided above, and a test holds the two equal
MEMORY_PATTERN = r"^[0-9]{1,6}(\.[0-9]{1,3})?[KMGT]$"
DURATION_PATTERN = r"^[0-9]{1,6}[smhd]$"


def parse_memory_bytes(value: object) -> int:
    """Return the bytes of ``"2G"``, ``"512M"`` or ``"1.5G"``.

    Raises
    ------
    FaultError
        If the value is not a number followed by one of the units.
    """
    match = _MEMORY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        wrong, allowed = "is not a size", "write a number and K, M, G or T, such as 2G"
        raise FaultError(wrong, allowed)
    whole, fraction, unit = match.groups()
    thousandths = int(whole) * 1000 + int((fraction or "").ljust(3, "0"))
    return thousandths * _MEMORY_FACTOR[unit] // 1000


def parse_duration_seconds(value: object) -> int:
    """Return the seconds of ``"30m"``, ``"1h"``, ``"90s"`` or ``"2d"``.

    Raises
    ------
    FaultError
        If the value is not a whole number followed by one of the units.
    """
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        allowed = "write a whole number and s, m, h or d, such as 30m"
        raise FaultError("is not a duration", allowed)
    return int(match.group(1)) * _DURATION_SECONDS[match.group(2)]


def format_memory(size_bytes: int) -> str:
    """Return bytes in the largest unit that keeps the number short: ``2 GiB``."""
    for unit, factor in (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2)):
        if size_bytes >= factor:
            return f"{round(size_bytes / factor, 2):g} {unit}"
    return f"{round(size_bytes / 1024, 2):g} KiB"


def format_cores(cores: float) -> str:
    """Return ``1 core``, ``4 cores`` or ``0.5 cores``."""
    return f"{cores:g} core" if cores == 1 else f"{cores:g} cores"


def format_duration(seconds: int) -> str:
    """Return seconds in the largest unit that says them exactly: ``90 minutes``."""
    units = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
    whole = ((unit, factor) for unit, factor in units if seconds % factor == 0)
    unit, factor = next(whole) if seconds else units[-1]
    count = seconds // factor
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
