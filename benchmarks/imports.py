"""What it costs to import all of ``policy``: each process and each command pays it."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from .harness import ROOT, Report, compare, rounds_wanted

AT_MOST_SECONDS = 0.2
TEXT = """
Wall time of a fresh interpreter, from its start to its end, that imports every module
of `jupyterhub_af.policy`, held against one that imports nothing. The bound is for the
import: the one less the other, in each round. Byte code is there already, as after an
installation.
"""


def policy_modules() -> list[str]:
    folder = ROOT / "jupyterhub_af" / "policy"
    names = sorted(path.stem for path in folder.glob("*.py"))
    return [f"jupyterhub_af.policy.{name}" for name in names if name != "__init__"]


def seconds_of(statement: str) -> float:
    """Return how long an interpreter takes to start, run a statement and end."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - begin


def cpu_seconds_of_child(statement: str) -> float:
    """Return the CPU time of the same, which others on the machine change less."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds_of(statement)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def middle(seconds: Sequence[float]) -> str:
    return (
        f"{statistics.median(seconds):.3f} s ({min(seconds):.3f} to {max(seconds):.3f})"
    )


def main() -> int:
    report = Report("imports", "Imports of policy (`benchmarks/imports.py`)", TEXT)
    statement = f"import {', '.join(policy_modules())}"
    found = compare(
        ("importing policy", "importing nothing"),
        lambda: seconds_of(statement),
        lambda: seconds_of("pass"),
        rounds=rounds_wanted(11),
    )
    report.add(found)
    rounds = found.last.rounds
    imports = [(sum(r.a) - sum(r.b)) / 2 for r in rounds]
    report.check(
        "the import",
        middle(imports),
        bound=f"under {AT_MOST_SECONDS} s",
        passed=statistics.median(imports) < AT_MOST_SECONDS,
    )
    report.note("with the interpreter", middle([sum(r.a) / 2 for r in rounds]))
    report.note("CPU time of the whole", f"{cpu_seconds_of_child(statement):.3f} s")
    report.note("the interpreter alone", middle([sum(r.b) / 2 for r in rounds]))
    return report.publish()


if __name__ == "__main__":
    sys.exit(main())
