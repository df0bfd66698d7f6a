"""Ownership and modes alone, asked by system calls of real uids.

In a server the mounts are a second wall: what somebody may not see is not mounted. Here
only the first wall stands, so a stranger reads what the class may read.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from storage_world import (
    FELLOW,
    GIDS,
    STRANGER,
    STUDENT,
    TEACHER,
    ensure,
    open_volume,
    plan_for,
    run_as,
)

MEMBER = 1_000_005
GW, HEP, TEACHERS = (GIDS[f"hackathon/{n}"] for n in ("gw", "hep", "teachers"))
ROLES = {
    "owner": (STUDENT, [GW]),
    "fellow student": (FELLOW, [HEP]),
    "folder member": (MEMBER, [GW]),
    "teacher": (TEACHER, [TEACHERS]),
    "stranger": (STRANGER, []),
}
PLACES = {
    "private": "private/student1",
    "shared own": "shared/shared/student1",
    "shared root": "shared/shared",
    "folder": "collab/collabspace/GW",
}
ATTEMPT = """
import json, os, sys
def attempt(work):
    try:
        work()
    except OSError as error:
        return type(error).__name__
    return "yes"
def create(path):
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
os.umask(0o002)
found = {}
for name, folder in json.loads(sys.argv[1]).items():
    here = folder + "/"
    new = f"{here}new-{os.getuid()}"
    found[name] = {
        "list": attempt(lambda: os.listdir(folder)),
        "read": attempt(lambda: open(here + "file").read()),
        "write": attempt(lambda: open(here + "file", "a").write("x")),
        "create": attempt(lambda: create(new)),
        "delete": attempt(lambda: os.unlink(here + "victim")),
        "rename": attempt(lambda: os.rename(here + "old", here + "older")),
        "chmod": attempt(lambda: os.chmod(here + "file", 0o664)),
    }
print(json.dumps(found))
"""
SEED = """
import os, sys
os.umask(0o002)
for folder in sys.argv[1:]:
    for name in ("file", "victim", "old"):
        open(folder + "/" + name, "w").write("x")
"""


@pytest.fixture
def volume() -> Iterator[Path]:
    """Return the areas of three people, where every uid can come to."""
    with open_volume() as folder:
        for person in ("student1", "student2", "teacher1"):
            ensure(folder, plan_for(person))
        seeded = [str(folder / PLACES[p]) for p in ("private", "shared own", "folder")]
        run_as(STUDENT, [GW], SEED, *seeded)
        for file in ("file", "victim", "old"):
            (folder / PLACES["shared root"] / file).write_text("x")
        yield folder


def allowed(volume: Path, role: str) -> dict[str, str]:
    """Return what a role can do in every place, as words."""
    uid, groups = ROLES[role]
    places = {name: str(volume / path) for name, path in PLACES.items()}
    found = json.loads(run_as(uid, groups, ATTEMPT, json.dumps(places)))
    refusals = {answer for done in found.values() for answer in done.values()}
    assert refusals <= {"yes", "PermissionError"}
    return {
        place: " ".join(what for what, answer in done.items() if answer == "yes")
        for place, done in found.items()
    }


EVERYTHING = "list read write create delete rename chmod"
ALL_BUT_CHMOD = "list read write create delete rename"
EXPECTED = {
    "owner": {
        "private": EVERYTHING,
        "shared own": EVERYTHING,
        "shared root": "list read",
        "folder": EVERYTHING,
    },
    "fellow student": {
        "private": "",
        "shared own": "list read",
        "shared root": "list read",
        "folder": "",
    },
    "folder member": {
        "private": "",
        "shared own": "list read",
        "shared root": "list read",
        "folder": ALL_BUT_CHMOD,
    },
    "teacher": {
        "private": "",
        "shared own": ALL_BUT_CHMOD,
        "shared root": "list read",
        "folder": "",
    },
    "stranger": {
        "private": "",
        "shared own": "list read",
        "shared root": "list read",
        "folder": "",
    },
}


@pytest.mark.parametrize("role", list(EXPECTED))
def test_a_role_can_do_exactly_this(volume, role):
    assert allowed(volume, role) == EXPECTED[role]


def test_new_files_take_the_group_of_the_place(volume):
    places = json.dumps({name: str(volume / path) for name, path in PLACES.items()})
    for role in ("owner", "folder member", "teacher"):
        run_as(*ROLES[role], ATTEMPT, places)
    found = {
        str(p.relative_to(volume)): (p.stat().st_uid, p.stat().st_gid)
        for p in volume.rglob("new-*")
    }
    assert found == {
        f"private/student1/new-{STUDENT}": (STUDENT, STUDENT),
        f"shared/shared/student1/new-{STUDENT}": (STUDENT, TEACHERS),
        f"shared/shared/student1/new-{TEACHER}": (TEACHER, TEACHERS),
        f"collab/collabspace/GW/new-{STUDENT}": (STUDENT, GW),
        f"collab/collabspace/GW/new-{MEMBER}": (MEMBER, GW),
    }


def test_a_student_cannot_exchange_the_own_directory_for_a_link(volume):
    script = "import os, sys; os.rename(sys.argv[1], sys.argv[1] + '.old')"
    for path in ("private/student1", "shared/shared/student1", "collab/collabspace/GW"):
        with pytest.raises(subprocess.CalledProcessError) as refused:
            run_as(STUDENT, [GW], script, str(volume / path))
        assert "PermissionError" in refused.value.stderr
