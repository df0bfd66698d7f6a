"""The images' environments, and a sandbox in which a person uses one.

The environments are built in the cache folder (AF_CACHE) at the first run; later runs
find them there. What a person does is done without network, as another user where the
tests run as root, and with nothing writable but their home and /tmp.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat

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
PERSON = 20001
HOME = "/af/private"

IMPORTS = {
    "base": ["dask", "dask_gateway", "distributed", "ipykernel", "jupyterhub", "jupyterlab"],
    "cygno": [
        "awkward", "boost_histogram", "dask_gateway", "h5py", "hepunits", "hist", "iminuit",
        "ipywidgets", "matplotlib.pyplot", "mplhep", "numba", "pandas", "particle",
        "skimage.filters", "sklearn.cluster", "scipy.stats", "uncertainties", "uproot",
        "vector",
    ],
    "dodas": [
        "awkward", "dask_gateway", "gwpy.timeseries", "hist", "iminuit", "ipywidgets",
        "matplotlib.pyplot", "mplhep", "numpy", "pandas", "scipy.stats",
        "sklearn.linear_model", "uproot",
    ],
    "ml-infn": [
        "dask_gateway", "flax.nnx", "h5py", "ipywidgets", "jax.numpy", "matplotlib.pyplot",
        "numpy", "optax", "pandas", "scipy.stats", "sklearn.linear_model",
    ],
}  # fmt: skip


def read_pins(image: str, lock: str = "requirements.lock") -> dict[str, str]:
    text = (IMAGES / image / lock).read_text("utf8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text, re.MULTILINE))


def lab_wheels() -> list[Path]:
    return sorted((TOOLS / "wheels").glob("jupyterlab_af-*.whl"))


def environment_of(image: str) -> Path:
    uv = TOOLS / "tools" / "bin" / "uv"
    return ensure_environment(
        IMAGES / image,
        cache=cache_dir(),
        wheels=lab_wheels(),
        uv=uv if uv.exists() else None,
        say=print,
    )


def run_in(environment: Path, *arguments: str) -> str:
    """Run a program of an environment, free of the caller's own Python settings."""
    done = subprocess.run(
        [environment / "bin" / arguments[0], *arguments[1:]],
        env={"PATH": f"{environment}/bin:/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def make_home(folder: Path) -> Path:
    """Return a new home of the person's."""
    home = folder / "home"
    (home / "exercises").mkdir(parents=True)
    return home


def own(home: Path) -> None:
    """Give what lies in a home to the person."""
    if os.getuid() == 0:
        for path in (home, *home.rglob("*")):
            os.chown(path, PERSON, PERSON)


def as_person() -> list[str]:
    """Return what makes a sandbox's first process the person, without any power."""
    if os.getuid() != 0:
        return []
    ids = [f"--reuid={PERSON}", f"--regid={PERSON}", "--clear-groups"]
    return ["setpriv", *ids, "--bounding-set=-all", "--no-new-privs", "--"]


def run_as_person(
    environment: Path,
    home: Path,
    *arguments: str,
    mounts: Mapping[str, Path] | None = None,
    seconds: float = 600,
) -> str:
    """Run a program as a server would: own home, nothing else writable, no network."""
    own(home)
    command = ["bwrap", "--unshare-net", "--unshare-pid", "--die-with-parent"]
    command += ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib64"):
        command += ["--symlink", f"usr/{name}", f"/{name}"]
    for target, source in {str(environment): environment, **(mounts or {})}.items():
        command += [*_folders_above(target), "--ro-bind", str(source), target]
    command += ["--perms", "0755", "--dir", "/af", "--proc", "/proc", "--dev", "/dev"]
    for place in ("/tmp", "/dev/shm"):
        command += ["--perms", "1777", "--tmpfs", place]
    command += ["--bind", str(home), HOME]
    command += ["--remount-ro", "/", "--chdir", f"{HOME}/exercises", "--clearenv"]
    variables = {
        "HOME": HOME,
        "PATH": "/usr/bin",
        "PYTHONUSERBASE": f"{HOME}/.packages",
        "VIRTUAL_ENV": str(environment),
    }
    for name, value in variables.items():
        command += ["--setenv", name, value]
    program = [str(environment / "bin" / arguments[0]), *arguments[1:]]
    return _run([*command, "--", *as_person(), *program], seconds)


def _folders_above(path: str) -> list[str]:
    """Return bwrap's words for the folders above a mount: its own would be closed."""
    parents = [str(parent) for parent in reversed(Path(path).parents)][1:]
    return [word for parent in parents for word in ("--perms", "0755", "--dir", parent)]


def _run(command: Sequence[str], seconds: float) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=seconds
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def run_notebook(
    environment: Path,
    home: Path,
    notebook: nbformat.NotebookNode,
    *,
    mounts: Mapping[str, Path] | None = None,
) -> str:
    """Run a notebook as the person, from top to bottom; return all its outputs as text."""
    file = home / "exercises" / "notebook.ipynb"
    nbformat.write(notebook, file)
    execute = ["nbconvert", "--to", "notebook", "--execute", "--inplace"]
    ipc = "--KernelManager.transport=ipc"
    run_as_person(environment, home, "jupyter", *execute, ipc, file.name, mounts=mounts)
    executed = nbformat.read(file, as_version=4)
    return json.dumps([cell.get("outputs", []) for cell in executed.cells])


def make_notebook(*sources: str, kernel: str = "python3") -> nbformat.NotebookNode:
    """Return a notebook of code cells for a kernel."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": kernel, "display_name": kernel}
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return notebook


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
