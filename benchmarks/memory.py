"""Memory of each process of a facility, early and after a hundred starts of servers."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from .harness import ROOT, Report, rounds_wanted

sys.path.insert(0, str(ROOT / "tests"))
from facility_world import Person, RunningFacility, descendants, running_facility

TEXT = """
Proportional set size, so that shared pages count once, of each process of `up`, with
what runs below it (below the hub only itself: the others and the servers are its
children). Two people start and stop servers side by side. There is no stock facility to
compare with; the bound is on the growth from the first starts to the last, which would
be a leak.
"""
STARTS = 100
EARLY = 10
PEOPLE = ("student1", "student2")
MIB = 1024 * 1024
MOST_GROWTH_MIB = 16


def memory_of(pids: set[int]) -> int:
    """Return the proportional set size of processes in bytes; what ended counts none."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def measure(facility: RunningFacility) -> dict[str, int]:
    """Return the memory of each process of the facility by name."""
    up = {"up": facility.process.pid, "iam": int(facility.up["pids"]["iam"])}
    found = {**up, **facility.pids()}
    return {
        name: memory_of({pid} | (set() if name in ("hub", "up") else descendants(pid)))
        for name, pid in found.items()
    }


def start_and_stop(people: Sequence[Person], times: int) -> None:
    """Have all people start and stop a server so many times, side by side."""

    def work(person: Person) -> None:
        for _ in range(times):
            person.start(profile="dodas-v5")
            person.stop()

    with ThreadPoolExecutor(len(people)) as pool:
        list(pool.map(work, people))


def add_rows(
    report: Report, early: Mapping[str, int], late: Mapping[str, int], starts: int
) -> None:
    for name in sorted(late):
        before, after = early[name] / MIB, late[name] / MIB
        report.check(
            name,
            f"{after:.0f} MiB ({after - before:+.1f} since the first {EARLY} starts)",
            bound=f"at most {MOST_GROWTH_MIB} MiB more",
            passed=after - before <= MOST_GROWTH_MIB,
        )
    total = sum(late.values()) / MIB
    report.note(f"all of them, after {starts} starts", f"{total:.0f} MiB")


def main() -> int:
    report = Report("memory", "Memory after starts (`benchmarks/memory.py`)", TEXT)
    # a round is ten starts
    starts = max(EARLY * rounds_wanted(STARTS // EARLY), 2 * EARLY)
    with (
        tempfile.TemporaryDirectory() as name,
        running_facility(Path(name) / "data") as facility,
    ):
        people = [facility.person(username) for username in PEOPLE]
        for person in people:
            person.log_in()
        start_and_stop(people, EARLY // len(people))
        early = measure(facility)
        start_and_stop(people, (starts - EARLY) // len(people))
        add_rows(report, early, measure(facility), starts)
    return report.publish()


if __name__ == "__main__":
    sys.exit(main())
