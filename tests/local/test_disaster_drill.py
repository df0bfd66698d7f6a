"""The disk is lost: the steps of the administrator's page, on a whole facility."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from facility_world import PYTHON, Person, RunningFacility, running_facility
from kernel_world import make_kernel

from jupyterhub_af.local.up import DEMO_FACILITY

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


@pytest.fixture
def facility_file(tmp_path) -> Path:
    """The demo's facility, with backups of private areas too."""
    text = DEMO_FACILITY.read_text(encoding="utf8")
    private = "{ name: private, kind: private, claim: af-areas, quota: 20G"
    assert text.count(private) == 1
    folder = tmp_path / "facility"
    folder.mkdir()
    for path in (tmp_path, folder):
        path.chmod(0o755)
    file = folder / "facility.yaml"
    rule = f"{private}, backup: {{ every: 1d, keep: 5 }}"
    file.write_text(text.replace(private, rule), encoding="utf8")
    return file


@pytest.fixture
def elsewhere(tmp_path) -> tuple[str, ...]:
    """A repository in another folder, which stands for another machine."""
    password = tmp_path / "password"
    password.write_text("of the repository alone")
    password.chmod(0o600)
    place = ("--repository", str(tmp_path / "elsewhere"))
    return (*place, "--password-file", str(password))


def test_after_the_disk_is_lost_a_student_finds_the_work(
    tmp_path, facility_file, elsewhere
):
    data = tmp_path / "data"
    facility_arguments = ("--facility", str(facility_file))
    with running_facility(data, *facility_arguments) as facility:
        person = at_work(facility)
        assert make_kernel(person).run(WORK).strip() == "saved"
        uid = (data / "areas/private/student1").stat().st_uid
        bring_back_a_mistake(data, person)
        person.stop()
        said = backup(data, "offsite", "save", "--init", *elsewhere)
        assert "is in the repository" in said
        before = generations(data)
        facility.stop()
    lose(data)
    said = backup(data, "offsite", "restore", "--with-databases", *elsewhere)
    for path in ("service/af.sqlite", "hub/jupyterhub.sqlite", "hub/crypt-key"):
        assert f"{data / path}: put back" in said
    manifest = said.partition("--manifest ")[2].split("\n")[0]
    assert backup(data, "verify", "--manifest", manifest) == ""
    with running_facility(data, *facility_arguments) as facility:
        person = at_work(facility)
        assert make_kernel(person).run(LOOK).split() == [
            *('{"cells":', "[]}", "mine", "of", "the", "group", "True"),
        ]
        assert (data / "areas/private/student1").stat().st_uid == uid
        actions = [line["action"] for line in facility.audit()]
        # the audit goes on where it was
        assert actions.count("account.register") == 1
        assert actions.count("server.start") >= 2
        # of each tree the newest generation was kept elsewhere
        assert {tree: times[:1] for tree, times in before.items()} == {
            tree: times[-1:] for tree, times in generations(data).items()
        }
        person.stop()


def generations(data: Path) -> dict[str, list[str]]:
    """Return the backups of each tree, newest first, as the command lists them."""
    found = json.loads(backup(data, "list", "--json"))["trees"]
    return {
        f"{tree['tree']['area']}/{tree['tree']['owner']}": [
            made["name"] for made in tree["generations"]
        ]
        for tree in found
        if tree["generations"]
    }


def bring_back_a_mistake(data: Path, person: Person) -> None:
    """Back up, lose a chapter, find it missing, bring it back."""
    assert "trees are backed up" in backup(data, "run", "--facility")
    newest = generations(data)["private/student1"][0]
    assert "collabspace/GW" in generations(data)
    tree = ("--tree", "private/student1", "--from", newest)
    make_kernel(person).run("import shutil; shutil.rmtree('/af/private/thesis')")
    command = [PYTHON, "-m", "jupyterhub_af.cli.main", "backup", "verify", *tree]
    found = subprocess.run(
        [*command, "--data", str(data)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert "thesis/chapter.ipynb: is missing" in found.stdout.splitlines()
    said = backup(data, "restore", *tree, "--path", "thesis", "--to", "live")
    assert said == "thesis: brought back\n"
    look = "print(open('/af/private/newest').read())"
    assert make_kernel(person).run(look).strip() == '{"cells": []}'
    audit = [
        (line["action"], line["target"], line["person"])
        for line in person.facility.audit()
        if line["actor"].startswith("unix:")
    ]
    assert ("backup.restore", "student1/private", "student1") in audit
    assert ("backup.verify", "student1/private", "student1") in audit
    # each look once, however often the command line asked whether it is done
    assert len([line for line in audit if line[0] == "backup.run"]) == 1
    assert len([line for line in audit if line[0] == "backup.list"]) == 2
