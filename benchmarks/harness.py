"""Two sides measured in turn, and whether this machine can tell them apart at all.

A round is A-B-B-A, so that a machine that grows slower in the middle slows both alike;
the figure is the median of the rounds' ratios. Between the rounds lie rounds of A
against itself: the control. Its median must be 1.00 +/- 0.05, or the machine was too
busy; then all is measured anew, three times at most, and the run fails.

pyperf and asv are not used: they measure one side to its end, then the other, which is
right for an idle machine of one's own and wrong for a shared one; and both time a
function, while some sides here are other processes.

Before each sample garbage is collected, and then the collector runs as it does in a
hub. CPU time is used where one process does the work, since it leaves out what others
do to the machine; wall time where several processes do, and each benchmark says which.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
ARTEFACTS = ROOT / "artefacts" / "benchmarks"
TOLERANCE = 0.05
ATTEMPTS = 3
PACKAGES = (
    "jupyterhub",
    "jupyterhub-kubespawner",
    "oauthenticator",
    "pydantic",
    "jinja2",
    "aiohttp",
)
# runs one side once and returns the seconds that counts
Sample = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of one A-B-B-A."""

    a: tuple[float, float]
    b: tuple[float, float]

    @property
    def ratio(self) -> float:
        return sum(self.a) / sum(self.b)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One series of rounds, and the control that lay between them."""

    rounds: tuple[Round, ...]
    control: tuple[Round, ...]

    @property
    def is_steady(self) -> bool:
        return abs(median_ratio(self.control) - 1) <= TOLERANCE


@dataclass(frozen=True, slots=True)
class Comparison:
    """All series of one comparison; the last one counts."""

    a: str
    b: str
    attempts: tuple[Attempt, ...]

    @property
    def last(self) -> Attempt:
        return self.attempts[-1]

    @property
    def ratio(self) -> float:
        return median_ratio(self.last.rounds)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, what bounds it, and whether it holds; no bound: nothing to hold."""

    what: str
    measured: str
    bound: str = "none"
    passed: bool | None = None

    @property
    def verdict(self) -> str:
        return {None: "", True: "passed", False: "**missed**"}[self.passed]


@dataclass
class Report:
    """What one benchmark found; ``publish`` prints it and keeps the raw rounds."""

    name: str
    title: str
    text: str
    figures: list[Figure] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)

    def add(self, comparison: Comparison, *, at_most: float | None = None) -> None:
        """Take up a comparison's ratio, its bound, and its control."""
        self.comparisons.append(comparison)
        ratios = [found.ratio for found in comparison.last.rounds]
        value = comparison.ratio
        self.figures.append(
            Figure(
                f"{comparison.a} / {comparison.b}",
                f"{value:.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                "none" if at_most is None else f"at most {at_most:g}",
                None if at_most is None else value <= at_most,
            )
        )
        self.figures.append(control_figure(comparison))

    def check(self, what: str, measured: str, *, bound: str, passed: bool) -> None:
        self.figures.append(Figure(what, measured, bound, passed))

    def note(self, what: str, measured: str) -> None:
        self.figures.append(Figure(what, measured))

    def publish(self, folder: Path = ARTEFACTS) -> int:
        """Print the section, write the rounds, return the exit status."""
        folder.mkdir(parents=True, exist_ok=True)
        raw = {"machine": machine_facts(), **asdict(self)}
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf8")
        print(to_markdown(self), flush=True)
        return int(any(figure.passed is False for figure in self.figures))


def median_ratio(rounds: Sequence[Round]) -> float:
    return statistics.median(found.ratio for found in rounds)


def middle_seconds(found: Comparison) -> tuple[float, float]:
    """Return the median of all samples of each side."""
    rounds = found.last.rounds
    return (
        statistics.median(seconds for one in rounds for seconds in one.a),
        statistics.median(seconds for one in rounds for seconds in one.b),
    )


def run_round(a: Sample, b: Sample) -> Round:
    a1, b1, b2, a2 = a(), b(), b(), a()
    return Round((a1, a2), (b1, b2))


def compare(
    names: tuple[str, str],
    a: Sample,
    b: Sample,
    *,
    rounds: int,
    attempts: int = ATTEMPTS,
) -> Comparison:
    """Measure two sides until the control holds, or the attempts are over."""
    a()  # warms caches; not counted
    b()
    series: list[Attempt] = []
    while len(series) < attempts:
        found, control = [], []
        for _ in range(rounds):
            found.append(run_round(a, b))
            control.append(run_round(a, a))
        series.append(Attempt(tuple(found), tuple(control)))
        if series[-1].is_steady:
            break
        print(f"{names}: the machine was not steady", file=sys.stderr)
    return Comparison(*names, tuple(series))


def control_figure(comparison: Comparison) -> Figure:
    """Return whether the machine could tell, in the last series."""
    count = len(comparison.attempts)
    tries = "" if count == 1 else f", series {count} of {ATTEMPTS}"
    return Figure(
        f"control: {comparison.a} / itself{tries}",
        f"{median_ratio(comparison.last.control):.3f}",
        f"{1 - TOLERANCE:.2f} to {1 + TOLERANCE:.2f}",
        comparison.last.is_steady,
    )


def cpu_samples(
    runs: Sequence[Callable[[], Awaitable[object]]],
    runner: asyncio.Runner,
    *,
    seconds: float = 0.15,
) -> list[Sample]:
    """Return samples of this process's CPU time for one run, for each of the runs.

    Each sample repeats its run, so often that the quickest takes ``seconds``: all the
    same number of times, so that the collector has its turns by the same rule.
    """

    async def batch(run: Callable[[], Awaitable[object]], times: int) -> float:
        gc.collect()
        begin = time.process_time()
        for _ in range(times):
            await run()
        return time.process_time() - begin

    def quickest(times: int) -> float:
        return min(runner.run(batch(run, times)) for run in runs)

    times = 1
    while (taken := quickest(times)) < seconds:
        times = max(
            times + 1, min(times * 10, int(times * 1.2 * seconds / (taken + 1e-9)))
        )

    def make_sample(run: Callable[[], Awaitable[object]]) -> Sample:
        return lambda: runner.run(batch(run, times)) / times

    return [make_sample(run) for run in runs]


def cpu_seconds_of(pid: int) -> float:
    """Return the CPU time of another process, all its threads, by its own clock."""
    # the number that clock_getcpuclockid(3) gives on Linux
    return time.clock_gettime((~pid << 3) | 2)


def rounds_wanted(ordinary: int) -> int:
    """Return how many rounds to run: AF_ROUNDS, where it is set."""
    return int(os.environ.get("AF_ROUNDS", "0")) or ordinary


def is_short() -> bool:
    """Tell whether somebody asked for less than the whole count."""
    return "AF_ROUNDS" in os.environ


def machine_facts() -> dict[str, str]:
    facts = {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": processor_name(),
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f}",
    }
    return facts | {name: importlib.metadata.version(name) for name in PACKAGES}


def processor_name() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines()
    named = (line.partition(":")[2].strip() for line in lines if "model name" in line)
    return next(named, platform.machine())


def to_markdown(report: Report) -> str:
    """Return the section of the record."""
    rows = [
        f"| {f.what} | {f.measured} | {f.bound} | {f.verdict} |" for f in report.figures
    ]
    head = ("| figure | measured | bound | |", "|---|---|---|---|")
    return "\n".join(
        (f"### {report.title}", "", " ".join(report.text.split()), "", *head, *rows, "")
    )
