"""Each exercise, run by the person whom it is for, in their own server of a facility."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from cluster_world import write_facility
from facility_world import running_facility, wait_until
from kernel_world import make_kernel

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]
FOLDER = "private/exercises"
EXECUTE = """
import subprocess, sys
from pathlib import Path
done = subprocess.run(
    [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", {name!r}],
    cwd=Path.home() / "exercises", capture_output=True, text=True,
)
print(done.returncode, done.stderr[-2000:] if done.returncode else "")
"""


@pytest.fixture(scope="module")
def everyday(tmp_path_factory):
    """A facility where a small machine has room for clusters of two people."""
    folder = tmp_path_factory.mktemp("af")
    file = write_facility(folder)
    with running_facility(folder / "data", "--facility", str(file)) as running:
        yield running


def lines_about(facility, username):
    """The action and the rule of each line of the audit about a person's clusters."""
    return [
        (event["action"], event["rule"])
        for event in facility.audit()
        if event["target"].startswith(f"{username}//")
    ]


@pytest.mark.parametrize(
    ("username", "exercise", "results", "expected"),
    [
        pytest.param(
            "student3",
            "01-first-exercise-breast-tumours.ipynb",
            "results.json",
            {"missed_tumours": range(3, 10)},
            id="FisMed",
        ),
        pytest.param(
            "student1",
            "02-first-exercise-gravitational-waves.ipynb",
            "chirp.json",
            {},
            id="GW",
        ),
        pytest.param(
            "student2",
            "03-first-exercise-z-boson.ipynb",
            "z-boson.json",
            {"collisions": [500], "computed": ["on the cluster"]},
            id="HEP",
        ),
    ],
)
def test_a_person_runs_their_exercise(everyday, username, exercise, results, expected):
    with at_work(everyday, username) as kernel:
        said = kernel.run(EXECUTE.format(name=exercise), seconds=450)
        assert said.startswith("0 "), said
        answer = json.loads(read(kernel, results))
        for key, values in expected.items():
            assert answer[key] in values, key
        cells = [c for c in read(kernel, exercise)["cells"] if c["cell_type"] == "code"]
        assert all(cell["execution_count"] for cell in cells)
        see_the_end_of_clusters(everyday, username, "computed" in expected)


@contextmanager
def at_work(facility, username):
    """Give a kernel of a person's server, which is stopped whatever comes."""
    person = facility.person(username)
    person.log_in()
    person.start(profile="dodas-v5")
    try:
        yield make_kernel(person)
    finally:
        person.stop()


def read(kernel, name):
    """Return what a file in the folder of exercises holds."""
    path = f"user/{kernel.person.username}/api/contents/{FOLDER}/{name}"
    answer = kernel.person.http.get(kernel.person.at(path), headers=kernel.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["content"]


def see_the_end_of_clusters(everyday, username, has_some):
    """Whatever a notebook started ends soon after it, and is in its person's history."""
    wait_until(lambda: not everyday.cluster_parts(), what="no cluster")
    started = [("cluster.start", ""), ("cluster.stop", "asked")]
    expected = started if has_some else []
    wait_until(lambda: lines_about(everyday, username) == expected, what="lines")
