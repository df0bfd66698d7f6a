"""Where a tree's generations, their records and unfinished work lie on the volume.

::

    backups/<area>/<owner>/<time>/              a generation, whole
    backups/<area>/<owner>/.work/               closed to people, there during a run only
    backups/.records/<area>/<owner>/<time>.json

Hard links do not cross mounts, and the receiver sees one: unfinished work must lie
beside the generations it is linked to. People see a generation once it is renamed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from jupyterhub_af.policy.backup_messages import GenerationRecord
from jupyterhub_af.policy.names import is_component
from jupyterhub_af.policy.storage import BACKUPS, Directory, Tree
from jupyterhub_af.storage.accept import IdRanges, Owners
from jupyterhub_af.storage.beneath import choose_opener
from jupyterhub_af.storage.ensure import Volume, ensure_directories

from .errors import BackupError
from .sandbox import ENVIRONMENT
from .times import parse_name, to_name

RECORDS = f"{BACKUPS}/.records"
WORK = ".work"
NEW = "new"
_GROUP = "the tree's"


@dataclass(frozen=True, slots=True)
class Place:
    """One tree's part of the volume's backups; its names are checked (``make_tree``)."""

    volume: Path
    tree: Tree

    @property
    def source(self) -> Path:
        """Return the tree itself."""
        return self.volume / self.tree.source

    @property
    def generations(self) -> Path:
        """Return the folder that generations lie in."""
        return self.volume / self.tree.backups

    @property
    def work(self) -> Path:
        """Return the closed folder that unfinished work lies in."""
        return self.generations / WORK

    @property
    def records(self) -> Path:
        """Return the folder of the records."""
        return self.volume / RECORDS / self.tree.area / self.tree.owner

    def times(self) -> tuple[int, ...]:
        """Return the times of all generations, oldest first."""
        return times_in(self.generations)

    def load_record(self, time: int) -> GenerationRecord | None:
        """Return how a generation was made; None where that is not known."""
        return load_record(self.records, time)

    def keep_record(self, record: GenerationRecord) -> None:
        """Write a record beside and rename it, so that it is whole or not there."""
        aside = self.records / f".{record.name}"
        aside.write_text(record.model_dump_json(), encoding="utf8")
        aside.replace(self.records / f"{record.name}.json")

    def begin(self) -> None:
        """Make the closed folder for a new generation, with nothing of before in it."""
        self.clean()
        self.work.mkdir(mode=0o700, exist_ok=True)

    def publish(self, record: GenerationRecord) -> None:
        """Make the new generation one that people see, all at once."""
        self.keep_record(record)
        (self.work / NEW).rename(self.generations / record.name)

    def clean(self) -> None:
        """Remove what a run that was killed left: work, and records of nothing."""
        remove_folder(self.work)
        known = set(self.times())
        for path in self.records.iterdir():
            if parse_name(path.stem) not in known:
                path.unlink()

    def retire(self, time: int) -> Path:
        """Take a generation away from people, all at once; return where it lies now."""
        name = to_name(time)
        self.work.mkdir(mode=0o700, exist_ok=True)
        gone = self.work / name
        (self.generations / name).rename(gone)
        with suppress(FileNotFoundError):
            (self.records / f"{name}.json").unlink()
        return gone


def times_in(folder: Path) -> tuple[int, ...]:
    """Return the times that names in a folder tell, oldest first; none without it."""
    try:
        with os.scandir(folder) as entries:
            found = [parse_name(entry.name) for entry in entries]
    except FileNotFoundError:
        return ()
    return tuple(sorted(time for time in found if time is not None))


def load_record(folder: Path, time: int) -> GenerationRecord | None:
    """Return the record of a generation; None where there is none that can be read."""
    try:
        text = (folder / f"{to_name(time)}.json").read_bytes()
        return GenerationRecord.model_validate_json(text)
    except (FileNotFoundError, ValidationError):
        return None


def owners_in(folder: Path) -> Iterator[str]:
    """Return what owners have a folder there, sorted; links and odd names are nobody's."""
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        names = []
    return (name for name in sorted(names) if is_component(name))


def ensure_place(place: Place, ranges: IdRanges) -> None:
    """Make a tree's folders; who works in the tree can see into them, nobody else.

    Raises
    ------
    AgentError, OSError
        If something is in the way, or the file system refuses.
    """
    root_fd = os.open(place.volume, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        volume = Volume(root_fd, choose_opener())
        source_fd = volume.open(place.tree.source)
        try:
            found = os.fstat(source_fd)
        finally:
            os.close(source_fd)
        ensure_directories(
            volume, _directories(place.tree, found, ranges), _owners(found, ranges)
        )
    finally:
        os.close(root_fd)


def _directories(
    tree: Tree, found: os.stat_result, ranges: IdRanges
) -> tuple[Directory, ...]:
    is_groups = tree.kind == "collab" or ranges.is_group(found.st_gid)
    above = f"{RECORDS}/{tree.area}"
    return (
        Directory(BACKUPS, "agent", None, 0o711),
        Directory(f"{BACKUPS}/{tree.area}", "agent", None, 0o755),
        Directory(
            tree.backups,
            "agent" if tree.kind == "collab" else "person",
            _GROUP,
            0o550 if is_groups else 0o500,
        ),
        Directory(RECORDS, "agent", None, 0o700),
        Directory(above, "agent", None, 0o700),
        Directory(f"{above}/{tree.owner}", "agent", None, 0o700),
    )


def _owners(found: os.stat_result, ranges: IdRanges) -> Owners:
    agent = (os.geteuid(), os.getegid())
    person = (found.st_uid, found.st_gid)
    return Owners(person, agent, {_GROUP: found.st_gid}, agent[0] == 0, ranges)


def remove_folder(folder: Path) -> None:
    """Remove a folder of any depth; what links in it lead to stays."""
    # shutil.rmtree cannot: it fails below some 1000 levels (Python 3.11)
    run_tool("/usr/bin/rm", "-rf", "--one-file-system", "--", str(folder))


def run_tool(*command: str, folder: str = "/") -> bytes:
    """Return what a program of the system says, run in a folder.

    Raises
    ------
    BackupError
        If it fails, with its own words.
    """
    ran = subprocess.run(
        command, check=False, env=ENVIRONMENT, capture_output=True, cwd=folder
    )
    if ran.returncode:
        said = ran.stderr.decode("utf8", "replace").strip()[:200]
        msg = f"{command[0]} ended with status {ran.returncode}: {said}"
        raise BackupError(msg)
    return ran.stdout
