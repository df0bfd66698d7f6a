"""What `show` and `plan` have in common: a file, and a person who asks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from jupyterhub_af.catalogue import read_facility_text
from jupyterhub_af.policy.access import Access, resolve_access
from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.facility_text import parse_facility
from jupyterhub_af.policy.groups import is_group
from jupyterhub_af.policy.identity import make_identity


def add_person_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file, the person and their groups."""
    parser.add_argument("file", metavar="FILE", help="the facility file")
    parser.add_argument(
        "--user", type=_user, required=True, metavar="U", help="the person's hub name"
    )
    parser.add_argument(
        "--groups",
        type=_groups,
        default=frozenset(),
        metavar="A,B",
        help="the person's groups, full paths, as they are: no ancestor is added",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON instead of text"
    )


def load_access(parsed: argparse.Namespace) -> tuple[Facility, Access]:
    """Return the facility of the file and what the person may use in it.

    Raises
    ------
    ConfigError
        With every problem of the file.
    """
    text = read_facility_text(Path(parsed.file), file_name=parsed.file)
    facility = parse_facility(text, file_name=parsed.file)
    identity = make_identity(parsed.user, parsed.groups)
    return facility, resolve_access(facility, identity)


def complain(text: object) -> None:
    """Print why a command did not do what was asked."""
    print(text, file=sys.stderr, flush=True)


def _user(text: str) -> str:
    if not text or not text.isprintable() or len(text) > 255:
        msg = f"{text[:80]!r} is not a hub name"
        raise argparse.ArgumentTypeError(msg)
    return text


def _groups(text: str) -> frozenset[str]:
    """Return the groups of a list with commas; an empty text has none."""
    groups = text.split(",") if text else []
    for group in groups:
        if not is_group(group):
            msg = (
                f"{group[:80]!r} is not a group: write full paths without a leading "
                "slash and with commas between them, such as hackathon,hackathon/students"
            )
            raise argparse.ArgumentTypeError(msg)
    return frozenset(groups)
