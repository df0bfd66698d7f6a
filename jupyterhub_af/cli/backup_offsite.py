"""``jupyterhub-af backup offsite``: a copy elsewhere by restic, and back; manifests."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from jupyterhub_af.line.places import AREAS
from jupyterhub_af.policy.errors import AFError

from .asking import complain
from .commands import Commands
from .service_line import add_data_argument


def add_offsite(acts: Commands) -> None:
    """Add the command."""
    offsite = acts.add_parser(
        "offsite",
        help="keep a copy elsewhere by restic, and bring it back",
        description="Copy areas, newest backups, databases and keys by restic. Run it as "
        "root, from cron. Addresses are restic's; what they need beside the password "
        "(AWS_ACCESS_KEY_ID …) is read from the environment.",
    )
    which = offsite.add_subparsers(required=True, metavar="WHICH")
    save = which.add_parser("save", help="make a copy")
    save.add_argument(
        "--init", action="store_true", help="make the repository first: it is new"
    )
    save.set_defaults(run=run_save)
    restore = which.add_parser("restore", help="bring the newest copy back")
    restore.add_argument(
        "--with-databases",
        action="store_true",
        help="put databases and keys back too, where there are none",
    )
    restore.set_defaults(run=run_restore)
    for parser in (save, restore):
        add_data_argument(parser)
        parser.add_argument(
            "--volume",
            type=Path,
            metavar="DIR",
            help="the folder of all areas (default: areas in the data folder)",
        )
        parser.add_argument(
            "--repository", required=True, metavar="R", help="restic's repository"
        )
        parser.add_argument(
            "--password-file",
            type=Path,
            required=True,
            metavar="F",
            help="file (0600) with the repository's password",
        )


def run_save(parsed: argparse.Namespace) -> int:
    """Make a copy."""
    from jupyterhub_af.storage.offsite import Repository, save

    repository = Repository(parsed.repository, parsed.password_file)
    try:
        if parsed.init:
            repository.check()
            repository.make()
        listed = save(repository, parsed.data, parsed.volume or parsed.data / AREAS)
    except AFError as error:
        complain(error)
        return 1
    print(f"A copy with {listed} entries is in the repository.")
    return 0


def run_restore(parsed: argparse.Namespace) -> int:
    """Bring the newest copy back into an empty volume."""
    from jupyterhub_af.storage.databases import put_back_facility
    from jupyterhub_af.storage.offsite import Repository, restore

    repository = Repository(parsed.repository, parsed.password_file)
    volume = parsed.volume or parsed.data / AREAS
    try:
        manifest = restore(repository, volume)
        print(f"Restored into {volume}. Now compare every file:")
        print(f"  jupyterhub-af backup verify --volume {volume} --manifest {manifest}")
        if parsed.with_databases:
            for path in put_back_facility(parsed.data, manifest.parent):
                print(f"{parsed.data / path}: put back")
    except AFError as error:
        complain(error)
        return 1
    return 0


def run_manifest(parsed: argparse.Namespace) -> int:
    """Write a manifest of everything on a volume."""
    from jupyterhub_af.storage.beneath import choose_opener
    from jupyterhub_af.storage.manifest import Walk, write_manifest
    from jupyterhub_af.storage.offsite import find_roots

    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        root_fd = os.open(parsed.volume, os.O_RDONLY | os.O_DIRECTORY)
        with os.fdopen(os.open(parsed.to, flags, 0o600), "wb") as file:
            walk, roots = Walk(root_fd, choose_opener()), find_roots(parsed.volume)
            count = write_manifest(file, walk, tuple(roots), made_at=time.time())
        os.close(root_fd)
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}.")
        return 1
    print(f"{parsed.to} lists {count} entries.")
    return 0
