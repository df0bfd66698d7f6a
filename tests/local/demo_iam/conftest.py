"""A demo IAM that runs, for the tests of this folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from iam_driver import (
    CALLBACK,
    NODE_FOLDER,
    RunningIAM,
)

from jupyterhub_af.local.demo_iam import (
    ensure_demo_iam,
    make_demo_iam_command,
)


@pytest.fixture(scope="session")
def node() -> str:
    found = os.environ.get("AF_NODE") or shutil.which("node")
    assert found, "Node 20 or newer must be on PATH, or named by AF_NODE."
    return found


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory) -> Path:
    """The installed Node packages: those of AF_NODE_MODULES, else a new copy."""
    named = os.environ.get("AF_NODE_MODULES")
    if named:
        return Path(named)
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(NODE_FOLDER / name, folder)
    subprocess.run(["npm", "ci"], cwd=folder, check=True, capture_output=True)
    return folder / "node_modules"


@pytest.fixture(scope="session")
def start_iam(tmp_path_factory, node, node_modules) -> Iterator[Callable]:
    """A function that starts a new demo IAM."""
    started: list[RunningIAM] = []

    def start(profile: str = "iam") -> RunningIAM:
        state = tmp_path_factory.mktemp("iam") / "state"
        iam = ensure_demo_iam(
            state, profile=profile, redirect_uris=[CALLBACK], node_modules=node_modules
        )
        log = state.parent / "log"
        log.touch()
        running = RunningIAM(iam, make_demo_iam_command(iam, node), log)
        started.append(running)
        running.start()
        return running

    yield start
    for running in started:
        running.http.close()
        if running.process:
            running.stop()


@pytest.fixture(scope="session")
def shared_iam(start_iam) -> RunningIAM:
    return start_iam()


@pytest.fixture
def running(shared_iam) -> Iterator[RunningIAM]:
    """The shared demo IAM; what a test changed is put back."""
    yield shared_iam
    shared_iam.restore()
