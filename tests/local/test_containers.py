"""The container images, built by buildah on a Debian from debootstrap, and run.

The first run builds them in the cache folder (minutes); later runs find them there
(seconds). They run with a read-only root, without network, as a user that the image does
not know. `base` and `dodas` always; with AF_PROOF=1 the others too.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from image_world import (
    IMAGES,
    IMPORTS,
    NOTEBOOKS,
    PERSON,
    as_person,
    lab_wheels,
    make_home,
    own,
    read_pins,
)

pytestmark = [
    pytest.mark.local,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.getuid() != 0, reason="images are built as root"),
]

TOOLS = Path(__file__).resolve().parents[2] / "tools"
IS_PROOF = os.environ.get("AF_PROOF") == "1"
BUILT = ["base", "dodas", *(["cygno", "ml-infn"] if IS_PROOF else [])]
HOME = "/mnt"


def call_tool(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, TOOLS / name, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def run_tool(name: str, *words: str) -> str:
    done = call_tool(name, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Container:
    """An image that is mounted."""

    image: str
    reference: str
    folder: Path
    config: dict[str, Any]

    def run(self, home: Path, *command: str) -> str:
        """Run a command as Kubernetes would: another uid, read-only root, own home."""
        own(home)
        words = ["bwrap", "--unshare-net", "--unshare-pid", "--die-with-parent"]
        words += [
            "--ro-bind",
            str(self.folder),
            "/",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
        ]
        for place in ("/tmp", "/dev/shm"):
            words += ["--perms", "1777", "--tmpfs", place]
        words += ["--bind", str(home), HOME]
        words += ["--chdir", f"{HOME}/exercises", "--clearenv"]
        for entry in (
            *self.config["Env"],
            f"HOME={HOME}",
            f"PYTHONUSERBASE={HOME}/.own",
        ):
            words += ["--setenv", *entry.split("=", 1)]
        done = subprocess.run(
            [*words, "--", *as_person(), *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module", params=BUILT)
def container(request) -> Iterator[Container]:
    mounted = json.loads(run_tool("images.py", "mount", request.param))
    yield Container(
        request.param, mounted["reference"], Path(mounted["folder"]), mounted["config"]
    )
    run_tool("images.py", "unmount", mounted["container"])


@pytest.fixture
def home(tmp_path):
    return make_home(tmp_path)


class TestContainer:
    def test_has_the_versions_of_the_lock(self, container, home):
        program = (
            "import importlib.metadata as m, json, sys;"
            "print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
        )
        pins = read_pins(container.image)
        said = container.run(home, "python", "-s", "-c", program, *pins)
        assert json.loads(said) == pins

    def test_imports_what_it_promises(self, container, home):
        lines = "\n".join(f"import {name}" for name in IMPORTS[container.image])
        container.run(home, "python", "-s", "-c", lines)

    def test_runs_a_kernel_as_a_user_it_does_not_know(self, container, home):
        notebook = nbformat.v4.new_notebook()
        cell = "import os, pathlib\npathlib.Path.home().joinpath('note').touch()\n"
        cell += "print('uid', os.getuid(), os.access('/opt/af', os.W_OK))"
        notebook.cells = [nbformat.v4.new_code_cell(cell)]
        nbformat.write(notebook, home / "exercises" / "one.ipynb")
        execute = [
            "nbconvert",
            "--to",
            "notebook",
            "--execute",
            "--stdout",
            "one.ipynb",
        ]
        said = container.run(home, "jupyter", *execute)
        assert f"uid {PERSON} False" in said
        assert f":{PERSON}:" not in (container.folder / "etc/passwd").read_text("utf8")

    def test_starts_the_server(self, container, home):
        (command,) = container.config["Cmd"]
        said = container.run(home, command, "--version")
        assert said.strip().startswith(read_pins(container.image)["jupyterhub"])

    def test_starts_as_nobody_special(self, container):
        assert container.config["User"] == "1000:1000"
        assert "VIRTUAL_ENV=/opt/af" in container.config["Env"]

    def test_nobody_else_may_write_what_it_is_made_of(self, container):
        found = subprocess.run(
            ["find", container.folder / "opt", "-not", "-type", "l",
             "(", "-perm", "/022", "-o", "-not", "-user", "0", ")"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert found.stdout == ""

    def test_has_the_panel_if_people_start_it(self, container):
        found = list(
            container.folder.glob("opt/af/lib/python3*/site-packages/jupyterlab_af")
        )
        assert bool(found) == bool(container.image != "base" and lab_wheels())

    def test_brings_its_exercises(self, container):
        folder = container.folder / "opt/af/share/jupyterhub-af/exercises"
        ours = {n.name: n.read_bytes() for n in NOTEBOOKS if container.image in n.parts}
        assert {n.name: n.read_bytes() for n in folder.glob("*")} == ours

    def test_lets_a_person_install_a_package_for_themselves(self, container, home):
        (home / "exercises" / "pocket").mkdir()
        (home / "exercises" / "pocket" / "pocket.py").touch()
        check = (
            "import site, sys; print(site.ENABLE_USER_SITE, site.getusersitepackages())"
        )
        said = container.run(home, "python", "-c", check)
        assert said.startswith(f"True {HOME}/.own/")

    def test_a_second_build_is_a_look(self, container):
        done = call_tool("images.py", "build", container.image)
        # whatever is built is said; how long it takes is up to who holds the store
        assert (done.stdout.split(), done.stderr) == ([container.reference], "")

    def test_the_bill_lists_every_package_and_is_always_the_same(self, container, home):
        words = (container.image, "--root", str(container.folder))
        bill = run_tool("sbom.py", *words)
        assert run_tool("sbom.py", *words) == bill
        purls = {c["purl"] for c in json.loads(bill)["components"] if "purl" in c}
        pins = read_pins(container.image).items()
        assert {f"pkg:pypi/{name}@{version}" for name, version in pins} <= purls
        query = r"${db:Status-Abbrev}|pkg:deb/debian/${Package}\n"
        said = container.run(home, "dpkg-query", "--show", "--showformat", query)
        debian = {line.split("|")[1] for line in said.splitlines() if line[:2] == "ii"}
        assert {p.partition("@")[0] for p in purls if p.startswith("pkg:deb")} == debian


@pytest.mark.parametrize("container", ["dodas"], indirect=True)
def test_an_exercise_runs_in_dodas(container, home):
    name = "01-first-exercise-breast-tumours.ipynb"
    exercise = IMAGES / "dodas" / "exercises" / name
    (home / "exercises" / name).write_bytes(exercise.read_bytes())
    execute = ["nbconvert", "--to", "notebook", "--execute", "--inplace", name]
    container.run(home, "jupyter", *execute)
    results = json.loads((home / "exercises/results.json").read_text("utf8"))
    assert results["auc"] > 0.98


def test_an_unknown_image_is_refused_in_words():
    done = subprocess.run(
        [sys.executable, TOOLS / "images.py", "build", "nonsense"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"There is no image 'nonsense' in {IMAGES}.\n"


@pytest.mark.skipif(not IS_PROOF, reason="half a minute: with AF_PROOF=1")
def test_an_image_can_be_pushed(tmp_path):
    run_tool("images.py", "push", "base", f"oci:{tmp_path}/base:1")
    index = json.loads((tmp_path / "base/index.json").read_text("utf8"))
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", index["manifests"][0]["digest"])
