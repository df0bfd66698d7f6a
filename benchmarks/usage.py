"""What the Lab's "what fills my disk" costs for a million files that were counted."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from jupyterhub_af.storage.usage.index import IndexWriter, Totals, read_largest
from jupyterhub_af.storage.usage.walk import MOST_FILES, File, Folders
from jupyterhub_af.storage.usage.worker import Job, count

from .harness import Report, rounds_wanted

TEXT = """
Wall time of one answer of the storage agent's, from opening the index to the JSON it
sends: what lies in a folder, and the largest files anywhere below it. The index of a
million files is made up, and written by what writes every index: folders of a hundred
files, seven levels deep, with sizes that put the largest files of the tree into its last
corner; and one folder of 100 000 files. Nothing is cached by us between two answers.
"""
FILES = 1_000_000
FILES_OF_A_FOLDER = 100
ONE_FOLDER = 100_000
WIDTH = 4
AT_MOST_SECONDS = 0.050
ROUNDS = 50
REAL_FILES = 20_000


def make_index(path: Path) -> dict[str, str]:
    """Write the index of a made-up tree; return folders to ask about, by what they are."""
    writer, folders = IndexWriter(path), Folders()
    folders.add(0, b"", 0.0)
    paths = [""]
    for number, size in enumerate(sizes(), start=1):
        parent = (number - 1) // WIDTH
        name = f"folder-{number}"
        folders.add(parent, name.encode(), float(number))
        paths.append(f"{paths[parent]}/{name}".strip("/"))
        files = ONE_FOLDER if number == 1 else FILES_OF_A_FOLDER
        told = [
            File(f"file-{n}.root".encode(), size + n * 4096, float(n))
            for n in range(min(files, MOST_FILES))
        ]
        told.reverse()
        writer.add_files(number, told)
        folders.files[number] = files
        folders.used[number] = sum(file.used_bytes for file in told)
        folders.largest[number] = told[0].used_bytes
    folders.add_up()
    writer.finish(folders, Totals(folders.used[0], folders.files[0], time.time(), 1.0))
    deepest = max(paths, key=lambda path: path.count("/"))
    return {
        "the whole tree": "",
        "the folder of many files": paths[1],
        "a folder half-way down": "/".join(deepest.split("/")[:4]),
        "the deepest folder": deepest,
    }


def sizes() -> Iterator[int]:
    """Yield a size for each folder's files: the later the folder, the larger."""
    for number in range((FILES - ONE_FOLDER) // FILES_OF_A_FOLDER + 1):
        yield 4096 * (1 + number)


def seconds_to_answer(path: Path, folder: str) -> float:
    began = time.perf_counter()
    reply = read_largest(path, folder, 20)
    if reply is None or len(reply.largest_files) != 20:
        msg = f"The index does not know {folder!r}."
        raise AssertionError(msg)
    reply.model_dump_json()
    return time.perf_counter() - began


def add_real_count(report: Report, folder: Path) -> None:
    """Note how long a count of real files takes here; the disk decides."""
    tree = folder / "private" / "anna"
    for number in range(REAL_FILES):
        file = tree / str(number % 200) / str(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    began = time.perf_counter()
    totals = count(Job(str(folder), "private/anna", str(folder / "real.sqlite")))
    seconds = time.perf_counter() - began
    report.note(f"counting {totals.files} real files", f"{seconds:.2f} s")


def main() -> int:
    report = Report("usage", "What fills a disk (`benchmarks/usage.py`)", TEXT)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "made-up.sqlite"
        began = time.perf_counter()
        folders = make_index(path)
        seconds = time.perf_counter() - began
        report.note("writing the index", f"{seconds:.1f} s")
        report.note("its size", f"{path.stat().st_size / 1024**2:.0f} MiB")
        for what, folder in folders.items():
            rounds = [
                seconds_to_answer(path, folder) for _ in range(rounds_wanted(ROUNDS))
            ]
            slowest, middle = max(rounds), statistics.median(rounds)
            report.check(
                what,
                f"{middle * 1000:.1f} ms (slowest {slowest * 1000:.1f} ms)",
                bound=f"at most {AT_MOST_SECONDS * 1000:.0f} ms",
                passed=middle <= AT_MOST_SECONDS,
            )
        add_real_count(report, Path(name))
    return report.publish()


if __name__ == "__main__":
    sys.exit(main())
