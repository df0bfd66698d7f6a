"""Run the benchmarks named, or all: a section of the record on standard output.

Each runs in a process of its own, so that none pays for what another imported. The exit
status is 1 if a bound is missed, or the machine was too busy to tell. AF_ROUNDS makes
it short: that many rounds each.
"""

from __future__ import annotations

import subprocess
import sys

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
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
