"""Who saved a file: noted at each save through the Lab, beside the file's content.

The note is an extended attribute, ``<person> <time of change>``, which goes with the
file into its backups. It counts only while the file's time of change is the noted one:
what a program wrote since was saved by whoever owns the file. A file system without
such attributes keeps no note, and no save fails for it. It is a hint and no proof:
whoever may write the file may write the note.
"""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from typing import TYPE_CHECKING

from jupyterlab_af.beneath import READ

if TYPE_CHECKING:
    from pathlib import Path

ATTRIBUTE = "user.af.saved_by"
_LONGEST = 256


def note_saver(path: Path, person: str) -> None:
    """Note that `person` saved the file just now; do nothing where that cannot be."""
    with suppress(OSError, ValueError):
        descriptor = os.open(path, READ)
        try:
            changed = int(os.fstat(descriptor).st_mtime)
            os.setxattr(descriptor, ATTRIBUTE, f"{person} {changed}".encode())
        finally:
            os.close(descriptor)


def copy_note(source: int, target: int) -> None:
    """Give an open file the note of another, whose time of change it is to have."""
    with suppress(OSError):
        os.setxattr(target, ATTRIBUTE, os.getxattr(source, ATTRIBUTE))


def find_saver(descriptor: int) -> str | None:
    """Return who changed an open file last, as far as it can be known."""
    status = os.fstat(descriptor)
    with suppress(OSError, ValueError):
        note = os.getxattr(descriptor, ATTRIBUTE)[:_LONGEST].decode()
        person, _, changed = note.rpartition(" ")
        if int(changed) == int(status.st_mtime) and person.isprintable():
            return person or None
    return owner_name(status.st_uid)


def owner_name(uid: int) -> str | None:
    """Return the name that goes with a uid; None if this server knows none."""
    if uid == os.getuid() and (me := person_here()):
        return me
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def person_here() -> str:
    """Return whose server this is; empty outside a hub."""
    return os.environ.get("JUPYTERHUB_USER", "")
