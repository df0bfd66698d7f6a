"""Every benchmark finds what it measures; measuring is for `make proof`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_can_be_loaded(name):
    command = [sys.executable, "-c", f"import benchmarks.{name}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_benchmark_is_forgotten():
    files = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    with_main = {
        name
        for name in files
        if "def main() -> int:" in (ROOT / "benchmarks" / f"{name}.py").read_text()
    }
    assert with_main == set(NAMES)
