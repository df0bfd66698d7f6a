"""Each exercise, run from top to bottom by a person in the image that brings it.

The one that asks for a Dask cluster is run alone, and with a cluster: a real one of
Dask's, in the sandbox, behind a stand-in for `jupyterlab_af.dask`. The facility's own
clusters are met where a whole facility runs.
"""

from __future__ import annotations

import json
import os

import nbformat
import pytest
from image_world import IMAGES, environment_of, make_home, run_notebook

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]

TUMOURS = "01-first-exercise-breast-tumours.ipynb"
CHIRP = "02-first-exercise-gravitational-waves.ipynb"
Z_BOSON = "03-first-exercise-z-boson.ipynb"
PNG = b"\x89PNG"
# each is another chirp, and nobody's may be lost in the noise
NUMBERS = range(1, 21) if os.environ.get("AF_PROOF") == "1" else [1]
LOCAL_CLUSTER = """
import sys, types
from dask.distributed import LocalCluster

class StandIn(LocalCluster):
    def shutdown(self):
        self.close()

stand_in = types.ModuleType("jupyterlab_af.dask")
stand_in.cluster = lambda: StandIn(
    n_workers=0, threads_per_worker=1, dashboard_address=None, local_directory="/tmp"
)
sys.modules["jupyterlab_af.dask"] = stand_in
"""
NO_CLUSTER = """
import sys
sys.modules["jupyterlab_af.dask"] = None
"""


@pytest.fixture
def home(tmp_path):
    return make_home(tmp_path)


def read_exercise(name: str, *, answer: tuple[str, str], before: str = ""):
    """Return an exercise with the student's answer, and with a cell before the first."""
    notebook = nbformat.read(IMAGES / "dodas" / "exercises" / name, as_version=4)
    (cell,) = [c for c in notebook.cells if "student" in c.metadata.get("tags", [])]
    assert answer[0] in cell.source
    cell.source = cell.source.replace(*answer)
    if before:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
    return notebook


@pytest.mark.parametrize(
    ("threshold", "missed", "verdict"),
    [
        pytest.param(
            0.5, range(3, 10), "Try a lower threshold.", id="as it is shipped"
        ),
        pytest.param(
            0.02, range(2), "the clinic agrees.", id="with the student's answer"
        ),
        pytest.param(
            0.0, range(1), "Is there a better choice?", id="with everybody called ill"
        ),
    ],
)
def test_tumours_from_top_to_bottom(home, threshold, missed, verdict):
    notebook = read_exercise(TUMOURS, answer=("= 0.5", f"= {threshold}"))
    said = run_notebook(environment_of("dodas"), home, notebook)

    results = json.loads((home / "exercises/results.json").read_text("utf8"))
    assert results["auc"] > 0.98
    assert results["missed_tumours"] in missed
    assert verdict in said
    assert "not one of the areas" not in said
    assert (home / "exercises/roc-curve.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("threshold", "verdict"),
    [
        pytest.param(2.0, "Try a higher threshold.", id="as it is shipped"),
        pytest.param(6.0, "a candidate!", id="with the student's answer"),
        pytest.param(99.0, "you have lost the wave.", id="with a threshold too high"),
    ],
)
def test_chirp_from_top_to_bottom(home, threshold, verdict):
    notebook = read_exercise(CHIRP, answer=("= 2.0", f"= {threshold}"))
    said = run_notebook(environment_of("dodas"), home, notebook)

    results = json.loads((home / "exercises/chirp.json").read_text("utf8"))
    assert 3 < results["loudest_noise"] < 6
    assert results["verdict"] in said
    assert verdict in results["verdict"]
    assert min(results["found"][name]["snr"] for name in ("H1", "L1")) > 10
    assert "not one of the areas" not in said
    assert (home / "exercises/chirp.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("number", NUMBERS)
def test_chirp_is_found_whatever_the_number(home, number):
    notebook = read_exercise(CHIRP, answer=("= 2.0", "= 6.0"))
    (cell,) = [c for c in notebook.cells if "my_number = 7" in c.source]
    cell.source = cell.source.replace("my_number = 7", f"my_number = {number}")
    assert "a candidate!" in run_notebook(environment_of("dodas"), home, notebook)


@pytest.mark.parametrize(
    ("scale", "before", "verdict", "computed"),
    [
        pytest.param(
            1.0, NO_CLUSTER, "Too light", "on this computer", id="as it is, alone"
        ),
        pytest.param(
            1.0053, LOCAL_CLUSTER, "is calibrated", "on the cluster", id="on a cluster"
        ),
        pytest.param(
            1.02, NO_CLUSTER, "Too heavy", "on this computer", id="with too much scale"
        ),
    ],
)
def test_z_boson_from_top_to_bottom(home, scale, before, verdict, computed):
    answer = ("= 1.000", f"= {scale}")
    notebook = read_exercise(Z_BOSON, answer=answer, before=before)
    said = run_notebook(environment_of("dodas"), home, notebook)

    results = json.loads((home / "exercises/z-boson.json").read_text("utf8"))
    assert results["collisions"] == 500
    assert 90.5 < results["mass"] < 90.9
    assert 0.1 < results["scatter"] < 0.2
    assert results["computed"] == computed
    assert verdict in results["verdict"]
    assert ("No cluster here" in said) == (before is NO_CLUSTER)
    assert ("My cluster is gone." in said) == (before is LOCAL_CLUSTER)
    assert "not one of the areas" not in said
    assert (home / "exercises/z-boson.png").read_bytes().startswith(PNG)
