"""Who may do what where: one table, tried by system calls in people's own servers.

Mounts and ownership stand together here, as in any server. Nothing looks at mode bits:
each person's own kernel lists, reads, writes, creates, deletes, renames and changes a
mode in every place, and what came of it is the table.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from facility_world import Person, RunningFacility, running_facility
from kernel_world import Kernel, make_kernel

pytestmark = pytest.mark.local
FACILITY = r"""version: 1
name: A facility with two classes
contact: support@example.org
iam:
  issuer: https://iam-demo.cloud.cnaf.infn.it/
access:
  allowed_groups: [hackathon, physics, cygno]
  admin_groups: [facility/admins]
classes:
  - {name: hackathon, students: hackathon/students, teachers: hackathon/teachers}
  - {name: physics, students: physics/students, teachers: physics/teachers}
profiles:
  - slug: dodas-v5
    image: registry.example.org/af/dodas:5
storage:
  - {name: private, kind: private}
  - {name: shared, kind: shared, class: hackathon}
  - {name: lessons, kind: shared, class: physics}
  - {name: common, kind: shared}
  - {name: collabspace, kind: collab, folders: {GW: hackathon/gw, HEP: hackathon/hep}, backup: {every: 15m, keep: 4}}
  - {name: cvmfs, kind: cvmfs, optional: true}
"""
# the accounts of the demo that play somebody else here
GROUPS = {
    "student3": ["hackathon", "hackathon/students", "hackathon/gw"],
    "researcher2": ["physics", "physics/teachers"],
}
ROLES = {
    "owner": "student1",
    "class teacher": "teacher1",
    "teacher of another class": "researcher2",
    "fellow of the folder": "student3",
    "other student": "student2",
    "researcher": "researcher1",
    "administrator": "admin1",
}
OWNER, OTHER = ROLES["owner"], ROLES["other student"]
MOMENT = "2026-11-21T10-00-00Z"
OPERATIONS = ("list", "read", "write", "create", "delete", "rename", "mode")
# in this order: what was done, "." for what was refused, "-" where nothing is there
EXPECTED = """
                         | private | own     | class   | folder  | another | backups | lessons | common
owner                    | lrwcdnm | lrwcdnm | lr..... | lrwcdnm | ------- | lr..... | ------- | lrwcdnm
class teacher            | ------- | lrwcdn. | lr..... | ------- | ------- | ------- | ------- | lr.....
teacher of another class | ------- | ------- | ------- | ------- | ------- | ------- | lr..... | lr.....
fellow of the folder     | ------- | lr..... | lr..... | lrwcdn. | ------- | lr..... | ------- | lr.....
other student            | ------- | lr..... | lr..... | ------- | lrwcdnm | ------- | ------- | lr.....
researcher               | ------- | ------- | ------- | ------- | ------- | ------- | ------- | lr.....
administrator            | ------- | ------- | ------- | ------- | ------- | ------- | ------- | lr.....
"""
LETTERS = dict(zip(OPERATIONS, "lrwcdnm", strict=True))
PLACES = {
    "own": f"/af/shared/{OWNER}",
    "class": "/af/shared",
    "folder": "/af/collabspace/GW",
    "another": "/af/collabspace/HEP",
    "backups": f"/af/collabspace/backups/GW/{MOMENT}",
    "lessons": "/af/lessons",
    "common": f"/af/common/{OWNER}",
}
SEED = """
import os
def seed(*folders):
    for folder in folders:
        for name in ("file", *(f"{what}-{role}" for what in ("victim", "old") for role in %s)):
            with open(f"{folder}/{name}", "w") as file: file.write("x")
seed(*%s)
"""
ATTEMPT = """
import errno, json, os
REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
def attempt(work):
    try:
        work()
    except OSError as error:
        if error.errno == errno.ENOENT: return "-"
        return "." if error.errno in REFUSED else errno.errorcode[error.errno]
    return "yes"
def write(path):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"x")
    os.close(fd)
def read(path):
    fd = os.open(path, os.O_RDONLY)
    assert os.read(fd, 1)
    os.close(fd)
def tried(here, role):
    return {
        "list": attempt(lambda: os.listdir(here)),
        "read": attempt(lambda: read(f"{here}/file")),
        "write": attempt(lambda: write(f"{here}/file")),
        "create": attempt(lambda: os.close(os.open(f"{here}/new-{role}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))),
        "delete": attempt(lambda: os.unlink(f"{here}/victim-{role}")),
        "rename": attempt(lambda: os.rename(f"{here}/old-{role}", f"{here}/renamed-{role}")),
        "mode": attempt(lambda: os.chmod(f"{here}/file", 0o664)),
    }
print(json.dumps({name: tried(here, %r) for name, here in %r.items()}))
"""


@dataclass(frozen=True)
class Tried:
    """What everybody could do, and what files made under a closed umask were good for."""

    table: dict[str, dict[str, dict[str, str]]]
    cvmfs: dict[str, str]
    written: str


def seed(folder: Path) -> None:
    """Put files of the agent's into a folder, as root."""
    folder.mkdir(exist_ok=True)
    for what in ("file", *(f"{w}-{p}" for w in ("victim", "old") for p in people())):
        (folder / what).write_text("x")
        (folder / what).chmod(0o664)


def people() -> list[str]:
    return list(ROLES.values())


def started(facility: RunningFacility, username: str) -> Kernel:
    person = facility.person(username)
    person.log_in()
    person.start(profile="dodas-v5")
    return make_kernel(person)


def seed_as(kernel: Kernel, *folders: str) -> None:
    assert kernel.run(SEED % (people(), folders)) == ""


def attempts(kernel: Kernel, places: dict[str, str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(
        kernel.run(ATTEMPT % (kernel.person.username, places))
    )
    return found


def row(found: dict[str, str]) -> str:
    """Return one cell: a letter for what was done."""
    return "".join(
        LETTERS[name] if said == "yes" else said for name, said in found.items()
    )


def run_everybody(facility: RunningFacility) -> Tried:
    """Start everybody's server, seed, and let each try everything."""
    areas = facility.data / "areas"
    kernels = {username: started(facility, username) for username in people()}
    seed_as(
        kernels[OWNER], "/af/private", PLACES["own"], PLACES["folder"], PLACES["common"]
    )
    seed_as(kernels[OTHER], PLACES["another"])
    for folder in ("shared/shared", "shared/lessons"):
        seed(areas / folder)
    make_generation(areas)
    table, cvmfs = {}, {}
    for role, username in ROLES.items():
        # somebody else's private area has no name in a server: the host's is tried
        private = "/af/private" if username == OWNER else f"{areas}/private/{OWNER}"
        found = attempts(kernels[username], {"private": private, **PLACES})
        table[role] = found
        cvmfs[role] = row(attempts(kernels[username], {"": "/cvmfs"})[""])
    written = write_in_turn(kernels[OWNER], kernels[ROLES["fellow of the folder"]])
    for kernel in kernels.values():
        kernel.person.stop()
    return Tried(table, cvmfs, written)


def make_generation(areas: Path) -> None:
    """Copy the folder as a backup does: with its owners and modes."""
    source, moment = areas / "collab/collabspace/GW", areas / "backups/collabspace/GW"
    moment /= MOMENT
    moment.mkdir()
    status = source.stat()
    os.chown(moment, status.st_uid, status.st_gid)
    moment.chmod(0o770)
    for path in source.iterdir():
        if not path.is_file():
            continue
        copy, status = moment / path.name, path.stat()
        copy.write_bytes(path.read_bytes())
        os.chown(copy, status.st_uid, status.st_gid)
        copy.chmod(status.st_mode & 0o777)


def write_in_turn(one: Kernel, other: Kernel) -> str:
    """Let one make a folder and a file with a closed umask, and a fellow go on there."""
    folder = f"{PLACES['folder']}/closed/below"
    one.run(
        f"import os; os.umask(0o077); os.makedirs({folder!r}); "
        f"open({folder + '/notes'!r}, 'w').write('one')"
    )
    return other.run(
        f"open({folder + '/notes'!r}, 'a').write(', other'); "
        f"os.rename({folder + '/notes'!r}, {folder + '/ours'!r}); "
        f"print(open({folder + '/ours'!r}).read())"
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFacility]:
    assert os.geteuid() == 0, "real uids can be tested by root only"
    folder = tmp_path_factory.mktemp("af")
    folder.chmod(0o755)
    file = folder / "facility.yaml"
    file.write_text(FACILITY)
    with running_facility(folder / "data", "--facility", str(file)) as facility:
        for username, groups in GROUPS.items():
            answer = facility.control("PUT", f"accounts/{username}", {"groups": groups})
            assert answer.status_code < 300, answer.text
        yield facility


@pytest.fixture(scope="module")
def tried(running: RunningFacility) -> Tried:
    return run_everybody(running)


def to_text(table: dict[str, dict[str, dict[str, str]]]) -> str:
    width = max(map(len, table))
    head = ["private", *PLACES]
    lines = [" " * width + "".join(f" | {name:7}" for name in head)]
    for role, places in table.items():
        cells = "".join(f" | {row(places[name])}" for name in head)
        lines.append(f"{role:{width}}{cells}")
    return "\n".join(line.rstrip() for line in lines)


def test_everybody_can_do_exactly_what_the_table_says(tried):
    assert to_text(tried.table) == EXPECTED.strip("\n")


def test_software_of_the_experiments_is_read_only_or_not_there(tried):
    done = {
        role: set(letters) - {"l", "r", ".", "-"}
        for role, letters in tried.cvmfs.items()
    }
    assert done == {role: set() for role in ROLES}
    if not Path("/cvmfs").is_dir():
        assert set(tried.cvmfs.values()) == {"-------"}


def test_a_fellow_goes_on_with_what_was_made_under_a_closed_umask(tried):
    assert tried.written == "one, other\n"


def test_an_outsider_gets_no_server_and_is_told_why(running):
    """The seventh role has no row: there is no server to try anything in."""
    outsider: Person = running.person("outsider1")
    before = running.sandboxes()
    page = outsider.log_in()
    assert page.status_code == 403
    for words in ("outsider1", "hackathon", "physics", "cygno", "support@example.org"):
        assert words in page.text
    for method, path in (
        ("GET", "hub/spawn"),
        ("POST", "hub/api/users/outsider1/server"),
    ):
        answer = outsider.http.request(
            method, outsider.at(path), follow_redirects=False
        )
        assert answer.status_code in (302, 403), (path, answer.text)
    assert running.sandboxes() == before
    assert not (running.data / "areas/private/outsider1").exists()
