"""The disk is lost: the steps of the administrator's page, on a whole facility."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from facility_world import PYTHON, Person, RunningFacility, running_facility
from kernel_world import make_kernel

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs real uids"),
]
WORK = """
import os, pathlib
home = pathlib.Path('/af/private')
(home / 'thesis').mkdir()
(home / 'thesis' / 'chapter.ipynb').write_text('{"cells": []}')
os.link(home / 'thesis' / 'chapter.ipynb', home / 'same chapter.ipynb')
(home / 'newest').symlink_to('thesis/chapter.ipynb')
(home / 'secret').write_text('mine'); (home / 'secret').chmod(0o600)
os.utime(home / 'secret', ns=(1, 1_700_000_000_123_456_789))
pathlib.Path('/af/collabspace/GW/ours.txt').write_text('of the group')
print('saved')
"""
LOOK = """
import os, pathlib
home = pathlib.Path('/af/private')
print((home / 'newest').read_text(), (home / 'secret').read_text(),
      pathlib.Path('/af/collabspace/GW/ours.txt').read_text(),
      os.stat(home / 'secret').st_uid == os.getuid())
"""


def backup(data: Path, *arguments: str) -> str:
    """Run the command as the page says; return what it prints."""
    command = [PYTHON, "-m", "jupyterhub_af.cli.main", "backup", *arguments]
    done = subprocess.run(
        [*command, "--data", str(data)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "XDG_CACHE_HOME": str(data.parent / "cache")},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def at_work(facility: RunningFacility) -> Person:
    person = facility.person("student1")
    person.log_in()
    person.start()
    return person


def lose(data: Path) -> None:
    """Lose everything but the IAM, which elsewhere is another machine."""
    for path in data.iterdir():
        if path.name == "iam":
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def test_after_the_disk_is_lost_a_student_finds_the_work(tmp_path):
    data = tmp_path / "data"
    password = tmp_path / "password"
    password.write_text("of the repository alone")
    password.chmod(0o600)
    elsewhere = (
        *("--repository", str(tmp_path / "elsewhere")),
        *("--password-file", str(password)),
    )
    with running_facility(data) as facility:
        person = at_work(facility)
        assert make_kernel(person).run(WORK).strip() == "saved"
        uid = (data / "areas/private/student1").stat().st_uid
        person.stop()
        said = backup(data, "offsite", "save", "--init", *elsewhere)
        assert "is in the repository" in said
        facility.stop()
    lose(data)
    said = backup(data, "offsite", "restore", "--with-databases", *elsewhere)
    for path in ("service/af.sqlite", "hub/jupyterhub.sqlite", "hub/crypt-key"):
        assert f"{data / path}: put back" in said
    manifest = said.partition("--manifest ")[2].split("\n")[0]
    assert backup(data, "verify", "--manifest", manifest) == ""
    with running_facility(data) as facility:
        person = at_work(facility)
        assert make_kernel(person).run(LOOK).split() == [
            *('{"cells":', "[]}", "mine", "of", "the", "group", "True"),
        ]
        assert (data / "areas/private/student1").stat().st_uid == uid
        actions = [line["action"] for line in facility.audit()]
        # the audit goes on where it was
        assert actions.count("account.register") == 1
        assert actions.count("server.start") >= 2
        person.stop()
