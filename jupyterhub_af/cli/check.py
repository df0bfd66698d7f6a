"""``jupyterhub-af check``: every problem of a facility file at once, a line each."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from jupyterhub_af.catalogue import read_facility_text
from jupyterhub_af.policy.errors import ConfigError
from jupyterhub_af.policy.facility import Facility, facility_digest
from jupyterhub_af.policy.facility_text import parse_facility
from jupyterhub_af.policy.fault import to_line

from .commands import Commands


def add_check(commands: Commands) -> None:
    """Add the command."""
    check = commands.add_parser(
        "check",
        help="list every problem of a facility file",
        description="List every problem of a facility file, a line each.",
    )
    check.add_argument("file", metavar="FILE", help="the facility file")
    check.set_defaults(run=run_check)


def run_check(parsed: argparse.Namespace) -> int:
    """Print every problem and return 1, or one line about a good file and return 0."""
    name = parsed.file
    try:
        facility = parse_facility(
            read_facility_text(Path(name), file_name=name), file_name=name
        )
    except ConfigError as error:
        for problem in error.problems:
            _print(problem.to_text(name))
        count = _count(len(error.problems), "problem")
        print(f"{count}; nothing starts with this file", file=sys.stderr)
        return 1
    _print(f"{name}: {_summary(facility)}")
    return 0


def _summary(facility: Facility) -> str:
    """Return what a good file holds: enough to see that it is the right one."""
    counts = (
        _count(len(facility.profiles), "profile"),
        _count(len(facility.storage), "area"),
        _count(len(facility.classes), "class", "classes"),
        _count(len(facility.dask), "dask entry", "dask entries"),
    )
    digest = facility_digest(facility)
    return f"{facility.name}: {', '.join(counts)}, digest {digest}"


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or f'{one}s'}"


def _print(line: str) -> None:
    """Print one line, whatever is in it and whatever the terminal can show."""
    encoding = sys.stdout.encoding or "utf8"
    print(to_line(line).encode(encoding, "backslashreplace").decode(encoding))
