"""A person whose disk is full starts all the same, cleans up, and goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from facility_world import Person, RunningFacility, running_facility, wait_until
from kernel_world import make_kernel
from loop_world import fill, mounted, needs_root, run

import jupyterhub_af

pytestmark = [pytest.mark.local, needs_root]
DEMO = Path(jupyterhub_af.__file__).parent / "local" / "facility.yaml"
MIB = 1024**2
QUOTA = 8 * MIB


@dataclass
class Student:
    """A student, their area on the volume, and how a browser talks to their server."""

    person: Person
    home: Path

    @property
    def facility(self) -> RunningFacility:
        return self.person.facility

    def start(self) -> dict:
        """Start a server; return its plan."""
        self.person.start(profile="dodas-v5")
        return self.facility.plans()[self.person.username, ""]

    def ask(self, method: str, path: str, **arguments) -> httpx.Response:
        """Ask the running server, as its Lab does."""
        url = self.person.at(f"user/{self.person.username}/{path}")
        headers = {"Authorization": f"token {self.token()}"}
        return self.person.http.request(method, url, headers=headers, **arguments)

    def token(self) -> str:
        if not hasattr(self, "_token"):
            self._token = self.person.make_token()
        return self._token

    def form(self) -> str:
        return self.person.form_page().text

    def actions(self) -> list[tuple[str, str, str]]:
        """Return what the audit says of them and their area."""
        return [
            (line["action"], line["target"], line["rule"])
            for line in self.facility.audit()
            if line["action"].startswith(("storage.", "server."))
            and line["target"].startswith(f"{self.person.username}/")
        ]


def student_of(facility: RunningFacility, name: str) -> Student:
    person = facility.person(name)
    person.log_in()
    return Student(person, facility.data / "areas" / "private" / name)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFacility]:
    """A facility where people have little, on a file system that holds nobody to it."""
    folder = tmp_path_factory.mktemp("af")
    folder.chmod(0o755)
    file = folder / "facility.yaml"
    text = DEMO.read_text().replace("quota: 20G", "quota: 8M")
    file.write_text(
        text.replace("lease_seconds: 60", "lease_seconds: 60\n    quota: 1M")
    )
    with running_facility(folder / "data", "--facility", str(file)) as running:
        yield running


def test_a_student_over_their_quota_cleans_up_and_goes_on(small):
    student = student_of(small, "student1")
    plan = student.start()
    assert not plan["is_rescue"]
    assert plan["dask"] == "standard"
    code = "open('/af/private/big.bin', 'wb').write(__import__('os').urandom(9 << 20))"
    make_kernel(student.person).run(code)
    student.person.stop()
    # the end of a server has its trees counted, and the form says what comes of it
    form = wait_until(
        lambda: "af-rescue" in (page := student.form()) and page, what="a warning"
    )
    assert "Your area private is full: " in form
    assert "of 8 MiB" in form

    plan = student.start()
    assert plan["is_rescue"]
    assert (plan["home"], plan["dask"]) == ("/tmp", None)
    assert ("server.start", "student1/", "rescue") in student.actions()
    assert "planned dodas-v5 as a rescue for student1" in small.logs()
    names = [
        item["name"]
        for item in student.ask("GET", "api/contents/private").json()["content"]
    ]
    assert "big.bin" in names
    largest = wait_until(
        lambda: (
            (
                reply := student.ask(
                    "GET", "jupyterlab-af/largest?area=private&owner=student1"
                ).json()
            )["largest_files"]
            and reply
        ),
        what="what fills the disk",
    )
    assert largest["largest_files"][0]["path"] == "big.bin"
    wait_until(
        lambda: ("storage.full", "student1/private", "accounting") in student.actions(),
        seconds=60,
        what="a line about the full area",
    )
    answer = student.ask("DELETE", "api/contents/private/big.bin")
    assert answer.status_code == 204, answer.text
    assert not list(student.home.glob(".Trash*"))
    answer = student.ask(
        "POST", "jupyterlab-af/recount?area=private&owner=student1", json={}
    )
    assert answer.status_code == 200, answer.text
    student.person.stop()

    plan = student.start()
    assert not plan["is_rescue"]
    assert plan["home"] == "/af/private"
    wait_until(
        lambda: ("storage.ok", "student1/private", "accounting") in student.actions(),
        seconds=60,
        what="a line about the area with room",
    )
    student.person.stop()
    lines = [line for line in student.actions() if line[0].startswith("storage.")]
    assert [action for action, *_ in lines] == ["storage.full", "storage.ok"]


def test_a_folder_over_its_quota_is_said_and_still_written(small):
    student = student_of(small, "student2")
    student.start()
    kernel = make_kernel(student.person)
    code = "open('/af/collabspace/HEP/big.bin', 'wb').write(b'x' * (2 << 20))"
    assert "Error" not in kernel.run(code)
    recount = "jupyterlab-af/recount?area=collabspace&owner=HEP"
    # one wish is enough, though it may have been counted at the start
    assert student.ask("POST", recount, json={}).status_code == 200
    wait_until(
        lambda: (
            ("storage.full", "collabspace:HEP")
            in [(line["action"], line["target"]) for line in small.audit()]
        ),
        seconds=120,
        what="a line about the full folder",
    )
    # what a group works at is not to break in the middle of a write
    assert "Error" not in kernel.run(code.replace("big", "more"))
    student.person.stop()
    plan = student.start()
    assert not plan["is_rescue"]
    student.person.stop()


def test_nobody_asks_about_what_is_not_theirs(small):
    student = student_of(small, "student3")
    student.start()
    for query in (
        "area=private&owner=student1",
        "area=collabspace&owner=HEP",
        "area=shared&owner=student1",
        "area=private&owner=../student1",
        "area=.usage&owner=private",
    ):
        for method, path in (("GET", "largest"), ("POST", "recount")):
            body = {"json": {}} if method == "POST" else {}
            answer = student.ask(method, f"jupyterlab-af/{path}?{query}", **body)
            assert answer.status_code == 409, answer.text
            assert "nothing that this server's person writes in" in answer.text
    student.person.stop()


@pytest.mark.parametrize("kind", ["ext4", "btrfs"])
def test_a_student_on_a_full_disk_cleans_up_and_goes_on(tmp_path, kind):
    tmp_path.chmod(0o755)
    areas = tmp_path / "data" / "areas"
    areas.mkdir(parents=True)
    (tmp_path / "data").chmod(0o700)
    with ExitStack() as stack:
        stack.enter_context(mounted(tmp_path, kind, 128 * MIB, at=areas))
        if kind == "btrfs":
            run("btrfs", "quota", "enable", str(areas))
        facility = stack.enter_context(running_facility(tmp_path / "data"))
        student = student_of(facility, "student1")
        assert not student.start()["is_rescue"]
        student.person.stop()
        large = student.home / "large.bin"
        fill(large)
        os.chown(large, student.home.stat().st_uid, student.home.stat().st_gid)
        assert os.statvfs(areas).f_bavail * os.statvfs(areas).f_frsize < 1 * MIB

        form = student.form()
        assert "The facility&#39;s disk is full" in form
        plan = student.start()
        assert plan["is_rescue"]
        said = make_kernel(student.person).run(
            "open('/af/private/one', 'wb').write(b'x' * (32 << 20))"
        )
        assert "No space left" in said
        content = student.ask("GET", "api/contents/private").json()["content"]
        assert "large.bin" in [item["name"] for item in content]
        for name in ("large.bin", "one"):
            answer = student.ask("DELETE", f"api/contents/private/{name}")
            assert answer.status_code == 204, answer.text
        student.person.stop()
        run("sync", "-f", str(areas))
        wait_until(lambda: "af-rescue" not in student.form(), what="room again")
        assert not student.start()["is_rescue"]
        student.person.stop()
