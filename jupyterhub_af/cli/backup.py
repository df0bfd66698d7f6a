"""``jupyterhub-af backup``: make, list, compare, bring back, and keep copies elsewhere.

All but ``manifest`` and ``offsite`` ask the facility that runs, and its audit has them.
Where it is down, ``verify`` and ``restore`` work upon a volume's folder as root.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .backup_acts import run_list, run_purge, run_restore, run_run, run_verify
from .backup_offsite import add_offsite, run_manifest
from .commands import Commands
from .service_line import add_data_argument


def add_backup(commands: Commands) -> None:
    """Add the command with its own commands."""
    backup = commands.add_parser(
        "backup",
        help="make, list, compare and bring back backups; keep copies elsewhere",
        description="Look after the backups of a facility on this machine.",
    )
    acts = backup.add_subparsers(required=True, metavar="ACT")
    _add_run(acts)
    _add_list(acts)
    _add_verify(acts)
    _add_restore(acts)
    _add_purge(acts)
    manifest = acts.add_parser(
        "manifest",
        help="list everything on a volume, for verify",
        description="List everything on a volume with what a copy could lose.",
    )
    manifest.add_argument("--volume", type=Path, required=True, metavar="DIR")
    manifest.add_argument("--to", type=Path, required=True, metavar="FILE")
    manifest.set_defaults(run=run_manifest)
    add_offsite(acts)


def _add_run(acts: Commands) -> None:
    parser = acts.add_parser(
        "run",
        help="back up now",
        description="Back up all areas that have `backup`, one of them, or one tree.",
    )
    _add_which(parser)
    parser.add_argument(
        "--facility",
        action="store_true",
        help="copy the facility's databases and keys too",
    )
    parser.set_defaults(run=run_run)


def _add_list(acts: Commands) -> None:
    parser = acts.add_parser("list", help="list the backups there are")
    _add_which(parser)
    parser.add_argument(
        "--json", action="store_true", help="print JSON instead of text"
    )
    parser.set_defaults(run=run_list)


def _add_verify(acts: Commands) -> None:
    parser = acts.add_parser(
        "verify",
        help="compare a volume with a manifest, or a tree with a backup of it",
        description="Print every difference, a line each; exit status 1 if there is one.",
    )
    parser.add_argument("--manifest", type=Path, metavar="FILE")
    _add_generation(parser)
    parser.set_defaults(run=run_verify)


def _add_restore(acts: Commands) -> None:
    parser = acts.add_parser(
        "restore",
        help="bring something back from a backup",
        description="Bring a tree, or a path of it, back. Nothing is overwritten: what "
        "is there is kept beside.",
    )
    _add_generation(parser)
    parser.add_argument(
        "--path", default="", metavar="P", help="below the tree (default: all of it)"
    )
    parser.add_argument(
        "--to",
        required=True,
        metavar="live|DIR",
        help="live: where it was; or an existing folder to copy it into",
    )
    parser.set_defaults(run=run_restore)


def _add_purge(acts: Commands) -> None:
    parser = acts.add_parser(
        "purge",
        help="take a path out of all backups of a tree",
        description="Take a file or folder out of all backups of a tree, for ever: what "
        "must not stay anywhere. What is there now stays.",
    )
    add_data_argument(parser)
    _add_tree(parser).required = True
    parser.add_argument("--path", required=True, metavar="P", help="below the tree")
    parser.set_defaults(run=run_purge)


def _add_which(parser: argparse.ArgumentParser) -> None:
    add_data_argument(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--area", default="", metavar="AREA", help="one area")
    _add_tree(which)


def _add_generation(parser: argparse.ArgumentParser) -> None:
    add_data_argument(parser)
    parser.add_argument(
        "--volume",
        type=Path,
        metavar="DIR",
        help="work upon this volume without the facility; no audit has it",
    )
    _add_tree(parser)
    parser.add_argument(
        "--from",
        dest="generation",
        metavar="TIME",
        help="the backup's name, as `list` shows it",
    )


def _add_tree(parser: argparse._ActionsContainer) -> argparse.Action:
    return parser.add_argument(
        "--tree",
        type=_tree,
        metavar="AREA/OWNER",
        help="an area and a person's hub name, or a folder's name",
    )


def _tree(text: str) -> tuple[str, str]:
    area, slash, owner = text.partition("/")
    if not (area and slash and owner) or "/" in owner:
        msg = f"{text[:80]!r} is no tree: write AREA/OWNER, such as collabspace/GW"
        raise argparse.ArgumentTypeError(msg)
    return area, owner
