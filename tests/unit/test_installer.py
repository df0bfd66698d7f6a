from __future__ import annotations

import json

import pytest

from jupyterhub_af.local.installer import (
    advice_for,
    count_packages,
    switch_debuggers_off,
)


def test_packages_of_a_lock_file_are_counted():
    text = "# no==1\na-b==1 \\\n    --hash=sha256:00==\n    # via c==2\nd[e]==3 \\\n"
    assert count_packages(text) == 2


def test_the_debugger_of_a_kernel_is_switched_off(tmp_path):
    spec = tmp_path / "share/jupyter/kernels/python3/kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text('{"argv": ["python"], "metadata": {"debugger": true, "x": 1}}')
    switch_debuggers_off(tmp_path)
    assert json.loads(spec.read_text()) == {
        "argv": ["python"],
        "metadata": {"debugger": False, "x": 1},
    }


@pytest.mark.parametrize(
    ("output", "words"),
    [
        pytest.param(
            "error: No space left on device (os error 28)",
            "Free some disk",
            id="disk full",
        ),
        pytest.param(
            "error: Hash mismatch for `six==1.16`",
            "names: nothing",
            id="wrong hash, uv",
        ),
        pytest.param(
            "dns error: failed to lookup address", "network", id="no name server"
        ),
        pytest.param(
            "NewConnectionError('Connection refused')", "network", id="no index"
        ),
        pytest.param(
            "ensurepip is not available", "python3-venv", id="Debian without venv"
        ),
        pytest.param(
            "OSError: [Errno 13] Permission denied", "may write", id="foreign folder"
        ),
        pytest.param("something else", "Repair what", id="anything else"),
    ],
)
def test_advice(output, words):
    assert words in advice_for(output)
