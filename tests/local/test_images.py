"""The images' lock files, and the real environments that they become."""

from __future__ import annotations

import json
import re
import subprocess

import nbformat
import pytest
from image_world import (
    IMAGES,
    IMPORTS,
    NAMES,
    NOTEBOOKS,
    environment_of,
    lab_wheels,
    make_home,
    make_notebook,
    read_pins,
    run_as_person,
    run_in,
    run_notebook,
    write_wheel,
)

LOCKS = sorted(IMAGES.glob("*/requirements*.lock"))


@pytest.fixture
def home(tmp_path):
    # bwrap as root looks the source of a mount up itself; the person does not.
    return make_home(tmp_path)


@pytest.mark.parametrize(
    "lock", LOCKS, ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_lock_names_hashes_and_no_address(lock):
    text = lock.read_text("utf8")
    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("    --hash=", ""), re.MULTILINE)
    packages = re.split(r"\n(?=\S)", text)
    assert [p.splitlines()[0] for p in packages if "--hash=sha256:" not in p] == []


@pytest.mark.parametrize("image", NAMES)
def test_image_has_the_base_images_packages_at_its_versions(image):
    base = read_pins("base")
    assert {name: read_pins(image).get(name) for name in base} == base


@pytest.mark.parametrize("image", NAMES)
def test_image_is_complete(image):
    present = {path.name for path in (IMAGES / image).iterdir()}
    assert present >= {
        "Containerfile",
        "README.md",
        "requirements.in",
        "requirements.lock",
    }


def test_the_cuda_lock_adds_nvidias_packages_and_changes_nothing():
    cpu = read_pins("ml-infn")
    cuda = read_pins("ml-infn", "requirements-cuda.lock")
    assert {name: cuda.get(name) for name in cpu} == cpu
    added = set(cuda) - set(cpu)
    assert {name for name in added if not name.startswith("nvidia-")} == {
        "jax-cuda12-pjrt",
        "jax-cuda12-plugin",
    }
    assert cuda["jax-cuda12-plugin"] == cuda["jax"]


@pytest.mark.parametrize("image", NAMES)
def test_containerfile_stands_on_a_base_that_can_be_chosen(image):
    lines = (IMAGES / image / "Containerfile").read_text("utf8").splitlines()
    assert [line for line in lines if line.startswith(("ARG BASE", "FROM "))] == [
        "ARG BASE_IMAGE="
        + ("debian:bookworm-slim" if image == "base" else "localhost/base:1"),
        "FROM ${BASE_IMAGE}",
    ]
    assert [line for line in lines if line.startswith("USER ")][-1] == "USER 1000:1000"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_valid_and_clean(notebook):
    content = nbformat.read(notebook, as_version=4)
    nbformat.validate(content)
    assert content.metadata.kernelspec.name == "python3"
    code = [cell for cell in content.cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in code] == [
        ([], None)
    ] * len(code)


@pytest.mark.local
@pytest.mark.timeout(900)
@pytest.mark.parametrize("image", NAMES)
class TestEnvironment:
    def test_has_the_versions_of_the_lock(self, image):
        program = (
            "import importlib.metadata as m, json, sys;"
            "print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
        )
        pins = read_pins(image)
        said = run_in(environment_of(image), "python", "-s", "-c", program, *pins)
        assert json.loads(said) == pins

    def test_has_no_package_that_lacks_another(self, image):
        done = subprocess.run(
            [environment_of(image) / "bin" / "python", "-s", "-m", "pip", "check"],
            capture_output=True,
            text=True,
            check=False,
        )
        ours = {*read_pins(image), "jupyterlab-af"}
        # pip looks at the machine's own packages too; those are not ours to judge.
        complaints = [
            line for line in done.stdout.splitlines() if line.split()[0] in ours
        ]
        assert complaints == []

    def test_imports_what_it_promises_as_a_person(self, image, home):
        lines = "\n".join(f"import {name}" for name in IMPORTS[image])
        run_as_person(environment_of(image), home, "python", "-s", "-c", lines)

    def test_runs_a_notebook_as_a_person_without_writing_elsewhere(self, image, home):
        cell = (
            "import os, pathlib\n"
            "for folder in (pathlib.Path.home(), '/tmp'):\n"
            "    pathlib.Path(folder, 'note').write_text('mine')\n"
            "print('uid', os.getuid(), os.access(os.sys.prefix, os.W_OK))"
        )
        said = run_notebook(environment_of(image), home, make_notebook(cell))
        assert f"uid {home.stat().st_uid} False" in said
        assert home.stat().st_uid != 1000

    def test_has_one_kernel_without_a_debugger(self, image):
        environment = environment_of(image)
        specs = list((environment / "share/jupyter/kernels").glob("*/kernel.json"))
        found = {spec.parent.name: json.loads(spec.read_text("utf8")) for spec in specs}
        assert {name: spec["metadata"]["debugger"] for name, spec in found.items()} == {
            "python3": False
        }

    def test_starts_the_server_for_another_user_without_writing(self, image, home):
        environment = environment_of(image)
        said = run_as_person(environment, home, "jupyterhub-singleuser", "--version")
        assert said.strip().startswith(read_pins(image)["jupyterhub"])

    def test_brings_its_exercises(self, image):
        installed = environment_of(image) / "share/jupyterhub-af/exercises"
        ours = {
            path.name: path.read_bytes() for path in NOTEBOOKS if image in path.parts
        }
        assert {path.name: path.read_bytes() for path in installed.glob("*")} == ours

    def test_lab_finds_its_extensions_and_the_italian_pack(self, image):
        environment = environment_of(image)
        said = run_in(environment, "jupyter", "labextension", "list")
        wanted = ["@jupyter-widgets/jupyterlab-manager"] if image != "base" else []
        wanted += ["jupyterlab-af"] if lab_wheels() else []
        for name in wanted:
            assert re.search(rf"{name} v\S+ .*enabled.*OK", said), said
        program = (
            "from jupyterlab_server.translation_utils import get_language_packs as g;"
            "print('it_IT' in g()[0])"
        )
        assert run_in(environment, "python", "-s", "-c", program).strip() == "True"

    def test_lets_a_person_install_a_package_for_themselves(
        self, image, home, tmp_path
    ):
        wheel = write_wheel(home / "exercises", name="pocket", version="1.0")
        environment = environment_of(image)
        install = ["-m", "pip", "install", "--user", "--no-index", wheel.name]
        run_as_person(environment, home, "python", *install)
        said = run_as_person(
            environment, home, "python", "-c", "import pocket;print(pocket)"
        )
        assert "/af/private/.packages/" in said


TRAIN = """
import jax, optax
from flax import nnx
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

x, y = load_breast_cancer(return_X_y=True)
x = StandardScaler().fit_transform(x)
model = nnx.Linear(30, 1, rngs=nnx.Rngs(0))
optimizer = nnx.Optimizer(model, optax.adam(0.05), wrt=nnx.Param)

def loss(model):
    return optax.sigmoid_binary_cross_entropy(model(x)[:, 0], y).mean()

@nnx.jit
def step(model, optimizer):
    value, gradient = nnx.value_and_grad(loss)(model)
    optimizer.update(model, gradient)
    return value

first, *_, last = [float(step(model, optimizer)) for _ in range(100)]
print(jax.default_backend(), first > 0.3, last < 0.1)
"""


@pytest.mark.local
@pytest.mark.timeout(900)
def test_ml_infn_trains_on_the_cpu_as_a_person(home):
    said = run_as_person(environment_of("ml-infn"), home, "python", "-c", TRAIN)
    assert said.split()[-3:] == ["cpu", "True", "True"]
