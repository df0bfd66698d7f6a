"""A second generation of a tree of which 1 % changed, against plain rsync."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from jupyterhub_af.policy.generations import Keeping
from jupyterhub_af.policy.storage import make_tree
from jupyterhub_af.policy.storage_messages import TreeName
from jupyterhub_af.storage.accept import IdRanges
from jupyterhub_af.storage.backup.place import Place
from jupyterhub_af.storage.backup.times import to_name
from jupyterhub_af.storage.backup.worker import Done, Job

from .harness import Report, compare, middle_seconds, rounds_wanted

AT_MOST = 1.2
IN_A_FOLDER = 100
FILE_BYTES = 2000
TEXT = """
Wall time of a second generation, from the start of a worker process to the end of the
job: sandboxes, copy, second look at what was copied, `syncfs`, record, rename. Held
against `rsync -aAXH --link-dest`, which does none of the rest, on the same disk and with
the same priority. 1 % of the files changed since the first generation, which both have;
what a sample made is removed, and the disk is synchronized, before the next one.
"""


@dataclass(frozen=True, slots=True)
class Disk:
    """A tree, our generations of it, and plain rsync's."""

    folder: Path
    files: int

    @property
    def place(self) -> Place:
        return Place(self.folder / "areas", make_tree("collab", "bench", "GW"))

    @property
    def plain(self) -> Path:
        return self.folder / "plain"

    def fill(self) -> None:
        for number in range(self.files):
            path = self.path(number)
            if number % IN_A_FOLDER == 0:
                path.parent.mkdir(parents=True)
            path.write_bytes(os.urandom(FILE_BYTES))
        os.chown(self.place.source, 0, IdRanges().first_gid)
        self.plain.mkdir()

    def change(self) -> None:
        for number in range(0, self.files, 100):
            self.path(number).write_bytes(os.urandom(FILE_BYTES + 1))

    def path(self, number: int) -> Path:
        folder = f"folder-{number // IN_A_FOLDER:05d}"
        return self.place.source / folder / f"file-{number:06d}"


def back_up(disk: Disk) -> str:
    """Run one job in a worker of its own; return the generation's name."""
    tree = TreeName(area="bench", kind="collab", owner="GW")
    job = Job(
        volume=str(disk.place.volume),
        tree=tree,
        keeping=Keeping(1000),
        budget_bytes=None,
        ranges=IdRanges(),
    )
    command = [sys.executable, "-m", "jupyterhub_af.storage.backup"]
    text = job.model_dump_json().encode() + b"\n"
    ran = subprocess.run(command, input=text, stdout=subprocess.PIPE, check=True)
    done = Done.model_validate_json(ran.stdout)
    assert done.record is not None, done.failure
    assert done.is_new
    return done.record.name


def copy_plainly(disk: Disk, *, name: str) -> None:
    options = ["-aAXH", f"--link-dest={disk.plain / 'first'}"]
    ends = [f"{disk.place.source}/", f"{disk.plain / name}/"]
    subprocess.run(["/usr/bin/rsync", *options, *ends], check=True)


def seconds_of_ours(disk: Disk) -> float:
    os.sync()
    begin = time.perf_counter()
    back_up(disk)
    taken = time.perf_counter() - begin
    shutil.rmtree(disk.place.generations / to_name(disk.place.times()[-1]))
    return taken


def seconds_of_plain(disk: Disk) -> float:
    os.sync()
    begin = time.perf_counter()
    copy_plainly(disk, name="second")
    taken = time.perf_counter() - begin
    shutil.rmtree(disk.plain / "second")
    return taken


def main() -> int:
    files = int(os.environ.get("AF_FILES", "0")) or 100_000
    report = Report("backup", "Backup (`benchmarks/backup.py`)", TEXT)
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("AF_BENCHMARK_DISK")))
    try:
        disk = Disk(folder, files)
        disk.fill()
        back_up(disk)
        copy_plainly(disk, name="first")
        disk.change()
        found = compare(
            ("our generation", "plain rsync"),
            lambda: seconds_of_ours(disk),
            lambda: seconds_of_plain(disk),
            rounds=rounds_wanted(5),
        )
    finally:
        shutil.rmtree(folder)
    report.add(found, at_most=AT_MOST)
    ours, plain = middle_seconds(found)
    report.note(f"{files} files", f"{ours:.2f} s ours, {plain:.2f} s plain")
    return report.publish()


if __name__ == "__main__":
    sys.exit(main())
