"""The bill of materials of an environment; a container's is tested with the container."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from image_world import NAMES, environment_of, read_pins

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]

TOOL = Path(__file__).resolve().parents[2] / "tools" / "sbom.py"
STATUS = """Package: git
Status: install ok installed
Architecture: amd64
Version: 1:2.39.5-0+deb12u3
Description: fast, scalable
 distributed: revision control

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1.0
"""


def run_sbom(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, TOOL, *words], capture_output=True, text=True, check=False
    )


def make_root(folder: Path, *, name: str = "pocket", version: str = "1.0") -> Path:
    """Return a small file system with one Python package and Debian's list."""
    info = (
        folder / "opt/af/lib/python3.11/site-packages" / f"{name}-{version}.dist-info"
    )
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )
    (info / "direct_url.json").write_text(
        json.dumps({"url": f"file://{folder}/pocket.whl", "archive_info": {}})
    )
    status = folder / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text(STATUS)
    return folder


@pytest.mark.parametrize("image", NAMES)
def test_lists_every_pinned_package_with_its_version(image):
    words = (image, "--environment", str(environment_of(image)))
    first, second = run_sbom(*words), run_sbom(*words)
    assert (first.returncode, first.stdout) == (0, second.stdout), first.stderr
    bill = json.loads(first.stdout)
    listed = {
        re.sub(r"[-_.]+", "-", c["name"]).lower(): c["version"]
        for c in bill["components"]
    }
    pins = read_pins(image)
    assert {name: listed.get(name) for name in pins} == pins
    assert set(listed) - set(pins) <= {"jupyterlab-af"}


def test_is_valid_and_names_debians_packages_that_are_installed(tmp_path):
    done = run_sbom("tiny", "--root", str(make_root(tmp_path)), "--validate")
    assert done.returncode == 0, done.stderr
    bill = json.loads(done.stdout)
    assert bill["metadata"]["component"]["name"] == "tiny"
    assert [(c["name"], c["version"]) for c in bill["components"]] == [
        ("pocket", "1.0"),
        ("git", "1:2.39.5-0+deb12u3"),
    ]
    assert bill["components"][1]["purl"] == (
        "pkg:deb/debian/git@1%3A2.39.5-0%2Bdeb12u3?arch=amd64&distro=debian-12"
    )


def test_names_no_time_no_number_and_no_place(tmp_path):
    roots = [make_root(tmp_path / name) for name in "ab"]
    bills = {run_sbom("tiny", "--root", str(root)).stdout for root in roots}
    (bill,) = bills
    assert str(tmp_path) not in bill
    assert "serialNumber" not in bill
    assert "timestamp" not in bill


def test_a_folder_that_is_no_environment_is_refused_in_words(tmp_path):
    done = run_sbom("tiny", "--environment", str(tmp_path))
    assert (done.returncode, done.stderr) == (
        1,
        f"{tmp_path} is no Python environment.\n",
    )
