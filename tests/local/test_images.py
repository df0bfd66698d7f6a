"""The images' locks and notebooks, and the real environments that they become.

The first run builds the environments in the cache folder (AF_CACHE); later runs find
them there. What a person does is done in a sandbox without network, as another user
where the tests run as root.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from jupyterhub_af.local.environments import (
    cache_dir,
    ensure_environment,
    find_images_dir,
)

IMAGES = find_images_dir()
# Where `make setup` puts uv and the wheel of the Lab extension; without them the images
# are built by pip and have no panel.
TOOLS = Path(sys.prefix) / "share" / "jupyterhub-af"
NAMES = sorted(lock.parent.name for lock in IMAGES.glob("*/requirements.lock"))
NOTEBOOKS = sorted(IMAGES.glob("*/exercises/*.ipynb"))
FIRST_EXERCISE = "01-first-exercise-breast-tumours.ipynb"
PERSON = 20001

IMPORTS = {
    "base": ["dask", "dask_gateway", "distributed", "ipykernel", "jupyterhub", "jupyterlab"],
    "dodas": [
        "awkward", "dask_gateway", "hist", "ipywidgets", "matplotlib.pyplot", "mplhep",
        "numpy", "pandas", "scipy.stats", "sklearn.linear_model", "uproot",
    ],
}  # fmt: skip


def read_pins(image: str) -> dict[str, str]:
    text = (IMAGES / image / "requirements.lock").read_text("utf8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text, re.MULTILINE))


def lab_wheels() -> list[Path]:
    return sorted((TOOLS / "wheels").glob("jupyterlab_af-*.whl"))


@pytest.fixture(scope="session")
def environment_of():
    uv = TOOLS / "tools" / "bin" / "uv"

    def build(image: str) -> Path:
        return ensure_environment(
            IMAGES / image,
            cache=cache_dir(),
            wheels=lab_wheels(),
            uv=uv if uv.exists() else None,
            say=print,
        )

    return build


def run_in(environment: Path, *arguments: str) -> str:
    """Run a program of an environment, free of the caller's own Python settings."""
    done = subprocess.run(
        [environment / "bin" / arguments[0], *arguments[1:]],
        env={"PATH": f"{environment}/bin:/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def run_as_person(environment: Path, home: Path, *arguments: str) -> str:
    """Run a program as a server would: own home, nothing else writable, no network."""
    as_root = os.getuid() == 0
    for path in (home, *home.rglob("*")):
        if as_root:
            os.chown(path, PERSON, PERSON)
    parents = [str(parent) for parent in reversed(environment.parents)][1:]
    command = ["bwrap", "--unshare-net", "--unshare-pid", "--die-with-parent"]
    command += ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib64"):
        command += ["--symlink", f"usr/{name}", f"/{name}"]
    for parent in [*parents, "/af"]:
        command += ["--perms", "0755", "--dir", parent]
    command += ["--ro-bind", str(environment), str(environment)]
    command += [
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--perms",
        "1777",
        "--tmpfs",
        "/tmp",
    ]
    command += ["--bind", str(home), "/af/private", "--remount-ro", "/"]
    command += ["--chdir", "/af/private/exercises", "--clearenv"]
    command += ["--setenv", "HOME", "/af/private", "--setenv", "PATH", "/usr/bin"]
    command += ["--setenv", "PYTHONUSERBASE", "/af/private/.packages", "--"]
    if as_root:
        ids = [f"--reuid={PERSON}", f"--regid={PERSON}", "--clear-groups"]
        command += ["setpriv", *ids, "--bounding-set=-all", "--no-new-privs", "--"]
    program = [str(environment / "bin" / arguments[0]), *arguments[1:]]
    done = subprocess.run(
        [*command, *program], capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home" / "exercises").mkdir(parents=True)
    # bwrap as root looks the source of a mount up itself; the person does not.
    return tmp_path / "home"


@pytest.mark.parametrize("image", NAMES)
def test_lock_names_hashes_and_no_address(image):
    text = (IMAGES / image / "requirements.lock").read_text("utf8")
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
    def test_has_the_versions_of_the_lock(self, image, environment_of):
        program = (
            "import importlib.metadata as m, json, sys;"
            "print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
        )
        pins = read_pins(image)
        said = run_in(environment_of(image), "python", "-s", "-c", program, *pins)
        assert json.loads(said) == pins

    def test_has_no_package_that_lacks_another(self, image, environment_of):
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

    def test_imports_what_it_promises(self, image, environment_of):
        lines = [f"import {name}" for name in IMPORTS[image]]
        run_in(environment_of(image), "python", "-s", "-c", "\n".join(lines))

    def test_has_one_kernel_without_a_debugger(self, image, environment_of):
        environment = environment_of(image)
        specs = list((environment / "share/jupyter/kernels").glob("*/kernel.json"))
        found = {spec.parent.name: json.loads(spec.read_text("utf8")) for spec in specs}
        assert {name: spec["metadata"]["debugger"] for name, spec in found.items()} == {
            "python3": False
        }

    def test_starts_the_server_for_another_user_without_writing(
        self, image, environment_of, home
    ):
        environment = environment_of(image)
        said = run_as_person(environment, home, "jupyterhub-singleuser", "--version")
        assert said.strip().startswith(read_pins(image)["jupyterhub"])

    def test_brings_its_exercises(self, image, environment_of):
        installed = environment_of(image) / "share/jupyterhub-af/exercises"
        ours = {
            path.name: path.read_bytes() for path in NOTEBOOKS if image in path.parts
        }
        assert {path.name: path.read_bytes() for path in installed.glob("*")} == ours

    def test_lab_finds_its_extensions_and_the_italian_pack(self, image, environment_of):
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
        self, image, environment_of, home, tmp_path
    ):
        wheel = write_wheel(home / "exercises", name="pocket", version="1.0")
        environment = environment_of(image)
        install = ["-m", "pip", "install", "--user", "--no-index", wheel.name]
        run_as_person(environment, home, "python", *install)
        said = run_as_person(
            environment, home, "python", "-c", "import pocket;print(pocket)"
        )
        assert "/af/private/.packages/" in said


def write_wheel(folder: Path, *, name: str, version: str) -> Path:
    """Write the smallest wheel there is: one empty module."""
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(
            f"{info}/RECORD",
            f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
        )
    return wheel


@pytest.mark.local
@pytest.mark.timeout(900)
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
def test_first_exercise_runs_from_top_to_bottom(
    environment_of, home, threshold, missed, verdict
):
    shipped = nbformat.read(IMAGES / "dodas/exercises" / FIRST_EXERCISE, as_version=4)
    (answer,) = [c for c in shipped.cells if "student" in c.metadata.get("tags", [])]
    answer.source = answer.source.replace("= 0.5", f"= {threshold}")
    notebook = home / "exercises" / FIRST_EXERCISE
    nbformat.write(shipped, notebook)
    execute = ["nbconvert", "--to", "notebook", "--execute", "--inplace"]
    ipc = "--KernelManager.transport=ipc"
    run_as_person(
        environment_of("dodas"), home, "jupyter", *execute, ipc, notebook.name
    )

    executed = nbformat.read(notebook, as_version=4)
    said = json.dumps([cell.get("outputs", []) for cell in executed.cells])
    results = json.loads((home / "exercises/results.json").read_text("utf8"))
    assert results["auc"] > 0.98
    assert results["missed_tumours"] in missed
    assert verdict in said
    assert "not one of the areas" not in said
    assert (home / "exercises/roc-curve.png").read_bytes().startswith(b"\x89PNG")
