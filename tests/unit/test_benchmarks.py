"""The benchmarks' arithmetic: rounds, medians, the control, the verdict, the offers."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from itertools import chain, cycle, repeat
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import offers
from benchmarks.__main__ import NAMES, main
from benchmarks.harness import (
    Attempt,
    Comparison,
    Report,
    Round,
    compare,
    cpu_samples,
    cpu_seconds_of,
    is_short,
    median_ratio,
    middle_seconds,
    rounds_wanted,
    run_round,
    to_markdown,
)
from jupyterhub_af.policy.access import resolve_access
from jupyterhub_af.policy.identity import make_identity

STEADY = Round((1.0, 1.0), (1.0, 1.0))
SHAKEN = Round((1.2, 1.0), (1.0, 1.0))


def side(*seconds: float):
    """Return a sample that gives these, then the last of them for ever."""
    values = chain(seconds, repeat(seconds[-1]))
    return lambda: next(values)


def comparison(ratio: float, control: Round = STEADY, tries: int = 1) -> Comparison:
    found = Attempt((Round((ratio, ratio), (1.0, 1.0)),), (control,))
    return Comparison("ours", "stock", (found,) * tries)


def test_a_round_goes_a_b_b_a():
    order = []

    def named(name: str):
        def sample() -> float:
            order.append(name)
            return float(len(order))

        return sample

    found = run_round(named("a"), named("b"))
    assert order == ["a", "b", "b", "a"]
    assert found == Round((1.0, 4.0), (2.0, 3.0))


def test_a_machine_that_slows_down_evenly_changes_no_ratio():
    assert run_round(side(1.0, 4.0), side(2.0, 3.0)).ratio == 1.0


def test_the_figure_is_the_median_of_the_ratios_and_one_bad_round_does_not_count():
    rounds = [Round((r, r), (1.0, 1.0)) for r in (0.5, 9.0, 0.6)]
    assert median_ratio(rounds) == 0.6


def test_medians_of_seconds_are_over_all_samples_of_a_side():
    rounds = (Round((1.0, 2.0), (4.0, 4.0)), Round((3.0, 4.0), (4.0, 8.0)))
    found = Comparison("ours", "stock", (Attempt(rounds, (STEADY,)),))
    assert middle_seconds(found) == (2.5, 4.0)


def test_a_steady_machine_is_measured_once_and_the_control_lies_between_the_rounds():
    found = compare(("ours", "stock"), side(2.0), side(4.0), rounds=3)
    assert found.ratio == 0.5
    assert [len(found.last.rounds), len(found.last.control)] == [3, 3]
    assert found.last.control == (Round((2.0, 2.0), (2.0, 2.0)),) * 3
    assert len(found.attempts) == 1


def test_a_busy_machine_is_measured_again_and_the_last_series_counts(capsys):
    # one to warm, A-B-B-A, then a control whose halves differ; steady after that
    shaky = side(1.0, 1.0, 1.0, 1.2, 1.0, 1.0, 1.2, 1.0)
    found = compare(("ours", "stock"), shaky, side(2.0), rounds=1)
    assert [attempt.is_steady for attempt in found.attempts] == [False, True]
    assert found.ratio == 0.5
    assert "the machine was not steady" in capsys.readouterr().err


def test_a_machine_that_is_never_steady_fails_after_three_series(tmp_path, capsys):
    values = cycle([1.0, 2.0, 1.0, 1.0])
    found = compare(("ours", "stock"), lambda: next(values), side(2.0), rounds=1)
    assert len(found.attempts) == 3
    report = Report("some", "Some", "Text.")
    report.add(found)
    assert report.publish(tmp_path) == 1
    assert "series 3 of 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("control", "is_steady"),
    [
        pytest.param(1.049, True, id="within five hundredths above"),
        pytest.param(1.051, False, id="beyond five hundredths above"),
        pytest.param(0.951, True, id="within five hundredths below"),
        pytest.param(0.949, False, id="beyond five hundredths below"),
    ],
)
def test_the_control_must_be_one(control, is_steady):
    rounds = (Round((control, control), (1.0, 1.0)),)
    assert Attempt(rounds, rounds).is_steady is is_steady


@pytest.mark.parametrize(
    ("found", "bound", "status"),
    [
        pytest.param(comparison(0.4), 0.4, 0, id="a ratio at its bound holds"),
        pytest.param(comparison(0.41), 0.4, 1, id="a ratio over its bound fails"),
        pytest.param(comparison(9.0), None, 0, id="a ratio without a bound holds"),
        pytest.param(comparison(0.1, SHAKEN), 0.4, 1, id="a shaken control fails"),
    ],
)
def test_the_exit_status_says_whether_all_held(found, bound, status, tmp_path, capsys):
    report = Report("some", "Some", "Text.")
    report.add(found, at_most=bound)
    assert report.publish(tmp_path) == status


def test_a_figure_of_another_kind_fails_the_run_too(tmp_path, capsys):
    report = Report("some", "Some", "Text.")
    report.check("leaks", "1", bound="0", passed=False)
    assert report.publish(tmp_path) == 1


def test_the_section_of_the_record_reads_so():
    report = Report("some", "Some (`benchmarks/some.py`)", "\nWhat was\nmeasured.\n")
    report.add(comparison(0.25), at_most=0.4)
    report.check("leaks", "1", bound="0", passed=False)
    report.note("a form", "2 ms")
    assert to_markdown(report).splitlines() == [
        "### Some (`benchmarks/some.py`)",
        "",
        "What was measured.",
        "",
        "| figure | measured | bound | |",
        "|---|---|---|---|",
        "| ours / stock | 0.25 (0.25 to 0.25) | at most 0.4 | passed |",
        "| control: ours / itself | 1.000 | 0.95 to 1.05 | passed |",
        "| leaks | 1 | 0 | **missed** |",
        "| a form | 2 ms | none |  |",
    ]


def test_the_raw_rounds_of_every_series_and_the_machine_are_kept(tmp_path, capsys):
    report = Report("some", "Some", "Text.")
    report.add(comparison(0.25, tries=2), at_most=0.4)
    report.publish(tmp_path)
    kept = json.loads((tmp_path / "some.json").read_text())
    attempts = kept["comparisons"][0]["attempts"]
    assert [a["rounds"] for a in attempts] == [[{"a": [0.25, 0.25], "b": [1, 1]}]] * 2
    assert [a["control"] for a in attempts] == [[{"a": [1, 1], "b": [1, 1]}]] * 2
    assert kept["machine"]["cores"] == str(len(os.sched_getaffinity(0)))
    assert kept["machine"]["jupyterhub"]


def test_both_sides_repeat_their_run_equally_often():
    calls = {"quick": 0, "slow": 0}

    async def quick() -> None:
        calls["quick"] += 1

    async def slow() -> None:
        calls["slow"] += 1
        sum(range(1000))

    with asyncio.Runner() as runner:
        samples = cpu_samples([quick, slow], runner, seconds=0.002)
        calls |= {"quick": 0, "slow": 0}
        seconds = [sample() for sample in samples]
    assert calls["quick"] == calls["slow"] > 1
    assert 0 < min(seconds) < max(seconds) < 0.1


def test_the_cpu_time_of_another_process_is_its_own_and_not_its_sleep():
    work = (
        "import sys, time\nwhile time.process_time() < 0.2: pass\n"
        "print(time.process_time(), flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        said = float(process.stdout.readline())
        time.sleep(0.1)
        measured = cpu_seconds_of(process.pid)
        process.stdin.close()
    assert said <= measured < said + 0.09


def test_fewer_rounds_can_be_asked_for(monkeypatch):
    monkeypatch.delenv("AF_ROUNDS", raising=False)
    assert (rounds_wanted(11), is_short()) == (11, False)
    monkeypatch.setenv("AF_ROUNDS", "3")
    assert (rounds_wanted(11), is_short()) == (3, True)


def test_a_benchmark_that_is_not_there_is_refused_with_the_names(capsys):
    assert main(["forms"]) == 2
    said = capsys.readouterr().err
    assert said == f"'forms' is no benchmark: {', '.join(NAMES)}\n"


@pytest.mark.parametrize("name", [pytest.param(n, id=f"{n} is there") for n in NAMES])
def test_every_benchmark_of_the_list_is_there(name):
    assert (Path(__file__).parents[2] / "benchmarks" / f"{name}.py").exists()


def test_people_have_as_many_profiles_as_asked_and_differ():
    found = offers.people(20, of=30)
    facility = offers.make_facility(count=30)
    for name, groups, entitled in found:
        access = resolve_access(facility, make_identity(name, groups))
        allowed = [p.profile.slug for p in access.profiles if p.allowed]
        assert allowed == [offers.texts(number)["slug"] for number in entitled]
        assert len(allowed) == 10
    assert len({entitled for _, _, entitled in found}) == 20


def test_both_sides_offer_the_same_to_the_same_groups():
    facility = offers.make_facility(count=3)
    entries = offers.make_profile_list(count=3)
    for profile, (groups, entry) in zip(facility.profiles, entries, strict=True):
        assert groups == set(profile.allowed_groups)
        override = entry["kubespawner_override"]
        ours = (profile.slug, profile.title, profile.description, profile.image)
        stock = (entry["slug"], entry["display_name"], entry["description"])
        assert ours == (*stock, override["image"])
        choices = entry["profile_options"]["size"]["choices"]
        assert {s.slug: (s.cores, s.memory) for s in profile.sizes} == {
            slug: tuple(choice["kubespawner_override"].values())
            for slug, choice in choices.items()
        }


def test_every_text_of_a_profile_bears_its_mark():
    (profile,) = offers.make_facility(count=1).profiles
    texts = [profile.slug, profile.title, profile.description, profile.image]
    texts.append(profile.allowed_groups[0])
    assert [offers.MARK.findall(text) for text in texts] == [["q0000"]] * 5
