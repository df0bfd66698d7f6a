"""The register's database is locked for half a minute: who works goes on, nothing is lost.

Somebody's backup tool, or an administrator's shell with an open transaction, does that.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import httpx
import pytest
from facility_world import PYTHON, Person, RunningFacility, running_facility
from kernel_world import Kernel, make_kernel
from waiting import wait_until

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs real uids"),
]
LOCK_SECONDS = 30
GENERATIONS = "backups/collabspace/GW"


@dataclass
class Working:
    """A facility, and a student who works in it."""

    facility: RunningFacility
    kernel: Kernel

    def generations(self) -> list[str]:
        found = (self.facility.data / "areas" / GENERATIONS).glob("2*Z/fit.py")
        return sorted(path.parent.name for path in found)

    def restore(self, path: str, generation: str) -> httpx.Response:
        """Bring a version back, as the student's Lab asks for it."""
        person = self.kernel.person
        return person.http.post(
            person.at(f"user/{person.username}/jupyterlab-af/versions/restore"),
            headers=self.kernel.headers,
            json={"path": path, "generation": generation, "how": "in-place"},
        )

    def restores(self) -> list[tuple[str, str]]:
        return [
            (line["actor"], line["target"])
            for line in self.facility.audit()
            if line["action"] == "storage.restore"
        ]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the administrator's."""
        command = [PYTHON, "-m", "jupyterhub_af.cli.main", *arguments]
        return subprocess.run(
            [*command, "--data", str(self.facility.data)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Working]:
    folder = tmp_path_factory.mktemp("af")
    folder.chmod(0o755)
    with running_facility(folder / "data") as facility:
        person = facility.person("student1")
        person.log_in()
        person.start(profile="dodas-v5")
        yield Working(facility, make_kernel(person))
        facility.end_servers()


@contextmanager
def locked(facility: RunningFacility) -> Iterator[None]:
    """Hold the writers' lock for half a minute at least."""
    path = facility.data / "service" / "af.sqlite"
    began = time.monotonic()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        time.sleep(max(0, began + LOCK_SECONDS - time.monotonic()))
        other.execute("ROLLBACK")


def refusal_of_start(person: Person) -> str:
    """Return the page of a start that came to nothing; empty while it goes on."""
    page = person.http.get(person.at(f"hub/spawn-pending/{person.username}"))
    return page.text if page.status_code >= 400 else ""


def test_who_works_goes_on_who_begins_is_told_and_nothing_is_lost(working):
    facility, kernel = working.facility, working.kernel
    kernel.run("open('/af/collabspace/GW/fit.py', 'w').write('mass = 30')")
    assert working.run("backup", "run", "--tree", "collabspace/GW").returncode == 0
    first = wait_until(working.generations, seconds=60)[-1]
    # what is held up is the start, not the login
    newcomer: Person = facility.person("student2")
    newcomer.log_in()

    with locked(facility):
        kernel.run("open('/af/collabspace/GW/fit.py', 'w').write('mass = 31')")
        answer = working.restore("collabspace/GW/fit.py", first)
        assert answer.status_code == 200, answer.text
        said = kernel.run("print(open('/af/collabspace/GW/fit.py').read())")
        assert said.strip() == "mass = 30"

        before = facility.sandboxes()
        newcomer.post_form(profile="dodas-v5")
        page = wait_until(lambda: refusal_of_start(newcomer), what="a refusal")
        assert "The database does not answer; try again in a moment." in page
        assert "Traceback" not in page
        assert facility.sandboxes() == before

        source = ("--from", first)
        for command in (
            ("account", "retire", "student2"),
            ("backup", "restore", "--tree", "collabspace/GW", *source, "--to", "live"),
        ):
            done = working.run(*command)
            assert done.returncode == 1, (command, done.stdout, done.stderr)
            assert "The database does not answer; try again in a moment." in done.stderr
        assert working.restores() == []

    wait_until(working.restores, seconds=90)
    newcomer.start(profile="dodas-v5")
    newcomer.stop()
    # told once, and the refused acts did nothing
    assert working.restores() == [("student1", "student1/collabspace/GW/fit.py")]
    accounts = working.run("account", "list").stdout
    assert "retired" not in accounts
    assert kernel.run("print(1)").strip() == "1"
