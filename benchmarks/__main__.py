"""Run the benchmarks named, or all: a section of the record on standard output.

Each runs in a process of its own, so that none pays for what another imported. The exit
status is 1 if a bound is missed, or the machine was too busy to tell. AF_ROUNDS makes
it short: that many rounds each. In the folder AF_KEPT is what was measured by a run that
was interrupted: it is shown, and not measured again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from .harness import ROOT, machine_facts

NAMES = (
    *("form", "decision", "login", "imports", "start", "clusters"),
    *("lab", "memory", "ensure", "usage", "backup"),
    *("refresh", "recheck"),
)


def main(arguments: list[str]) -> int:
    unknown = sorted(set(arguments) - set(NAMES))
    if unknown:
        print(f"{unknown[0]!r} is no benchmark: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    facts = machine_facts()
    print("## Benchmarks")
    print()
    print(", ".join(f"{name} {value}" for name, value in facts.items()) + ".")
    print("Raw rounds: `artefacts/benchmarks/`.")
    print(flush=True)
    failed = [name for name in arguments or NAMES if run(name) != 0]
    if failed:
        print(f"Not passed: {', '.join(failed)}.", flush=True)
    return int(bool(failed))


def run(name: str) -> int:
    """Show a benchmark's section; return its exit status."""
    place = os.environ.get("AF_KEPT")
    kept = Path(place) / f"{name}.json" if place else None
    if kept is not None and kept.exists():
        section, status = json.loads(kept.read_text())
        print(section, end="", flush=True)
        return int(status)
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    done = subprocess.run(
        command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True
    )
    print(done.stdout, end="", flush=True)
    if kept is not None:
        kept.write_text(json.dumps([done.stdout, done.returncode]))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
