"""People who leave, come back and are called otherwise, in a whole facility."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from facility_world import PYTHON, RunningFacility, running_facility, wait_until
from kernel_world import make_kernel

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs real uids"),
]


@pytest.fixture(scope="module")
def facility(tmp_path_factory) -> Iterator[RunningFacility]:
    """A facility of this module's own: accounts end here."""
    with running_facility(tmp_path_factory.mktemp("af") / "data") as running:
        yield running


def account(facility: RunningFacility, *arguments: str) -> subprocess.CompletedProcess:
    command = [PYTHON, "-m", "jupyterhub_af.cli.main", "account", *arguments]
    return subprocess.run(
        [*command, "--data", str(facility.data)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "SUDO_USER": "ada"},
        check=False,
    )


def line_of(facility: RunningFacility, name: str) -> dict:
    found = json.loads(account(facility, "list", "--json").stdout)
    return next(line for line in found if line["name"] == name)


def test_a_retired_student_is_out_with_server_and_tokens_and_comes_back(facility):
    person = facility.person("student1")
    person.log_in()
    person.start()
    token = person.make_token()
    assert line_of(facility, "student1")["servers"] == 1
    done = account(facility, "retire", "student1")
    assert (done.returncode, done.stderr) == (
        0,
        "student1 is out; 1 servers are being stopped.\n",
    ), done.stdout
    assert not facility.sandboxes()
    headers = {"Authorization": f"token {token}"}
    assert (
        person.http.get(person.at("hub/api/user"), headers=headers).status_code == 403
    )
    page = facility.person("student1").log_in()
    assert page.status_code == 403
    assert "The account student1 is closed. Ask support@example.org." in page.text
    assert line_of(facility, "student1")["state"] == "retired"
    assert account(facility, "reopen", "student1").returncode == 0
    again = facility.person("student1")
    again.log_in()
    again.start()
    again.stop()
    acts = [
        (e["actor"], e["action"], e["target"], e["result"])
        for e in facility.audit()
        if e["actor"] == "unix:ada" and e["target"] == "student1/"
    ]
    assert acts == [
        ("unix:ada", "account.retire", "student1/", "allowed"),
        ("unix:ada", "account.retire", "student1/", "done"),
        ("unix:ada", "account.reopen", "student1/", "done"),
    ]


def test_a_renamed_student_finds_the_files_under_the_new_name(facility):
    person = facility.person("student2")
    person.log_in()
    person.start()
    before = line_of(facility, "student2")
    kernel = make_kernel(person)
    kernel.run("open('/af/private/thesis.txt', 'w').write('three years')")
    refused = account(facility, "rename", "student2", "rossi")
    assert refused.returncode == 1
    assert "1 of student2's servers run" in refused.stderr
    person.stop()
    done = account(facility, "rename", "student2", "rossi")
    assert done.returncode == 0, done.stderr
    # the IAM still says student2: the person is issuer and subject
    again = facility.person("student2")
    again.log_in()
    again.username = "rossi"
    again.start()
    said = make_kernel(again).run("print(open('/af/private/thesis.txt').read())")
    assert said.strip() == "three years"
    after = line_of(facility, "rossi")
    assert (after["uid"], after["former_names"]) == (before["uid"], ["student2"])
    assert not (facility.data / "areas/private/student2").exists()
    again.stop()


def test_a_deleted_researcher_leaves_nothing_but_the_export(facility, tmp_path):
    person = facility.person("researcher1")
    person.log_in()
    person.start()
    make_kernel(person).run("open('/af/private/data.txt', 'w').write('data')")
    to = tmp_path / "researcher1.tar"
    assert account(facility, "export", "researcher1", "--to", str(to)).returncode == 0
    with tarfile.open(to) as tar:
        assert tar.extractfile("private/researcher1/data.txt").read() == b"data"
        names = tar.getnames()
    assert "facility.json" in names
    assert account(facility, "retire", "researcher1").returncode == 0
    done = account(facility, "delete", "researcher1", "--yes", "researcher1")
    assert done.returncode == 0, done.stderr
    assert [str(p) for p in Path(facility.data / "areas").rglob("researcher1")] == []
    wait_until(lambda: line_of(facility, "researcher1")["state"] == "deleted")
    page = facility.person("researcher1").log_in()
    assert "The account researcher1 is closed." in page.text
