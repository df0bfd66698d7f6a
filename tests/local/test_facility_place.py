"""Where a facility file may lie, so that the service without power can read it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from facility_world import UP
from ports import free_port

from jupyterhub_af.local.up import DEMO_FACILITY

pytestmark = pytest.mark.local


def run_up(file: Path, data: Path) -> subprocess.CompletedProcess[str]:
    words = ["--facility", str(file), "--data", str(data), "--port", str(free_port())]
    return subprocess.run(
        [*UP, *words], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    assert os.geteuid() == 0, "this test must run as root"
    found = tmp_path / "open" / "facility.yaml"
    found.parent.mkdir(mode=0o755)
    found.write_text(DEMO_FACILITY.read_text())
    return found


@pytest.mark.parametrize(
    ("part", "mode", "words"),
    [
        pytest.param("folder", 0o700, "chmod go+x", id="a closed folder"),
        pytest.param("file", 0o600, "chmod go+r", id="a closed file"),
    ],
)
def test_a_file_that_the_service_cannot_read_is_refused_in_words(
    file, tmp_path, part, mode, words
):
    (file.parent if part == "folder" else file).chmod(mode)
    done = run_up(file, tmp_path / "data")
    assert done.returncode == 1
    assert words in done.stdout
    assert "must read the facility file" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_file_in_the_data_folder_itself_is_refused_in_words(file):
    done = run_up(file, file.parent)
    assert done.returncode == 1
    assert "put it into another folder" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
