"""An edit of the facility file while the facility runs: good ones hold, bad ones show."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from door_world import FACILITY, words_of
from facility_world import Person, RunningFacility, running_facility, wait_until

pytestmark = pytest.mark.local
BAD = FACILITY.replace("allowed_groups: [ml-infn]", "alowed_groups: [ml-infn]")
UNKNOWN_KEY = "is not a key here"
OF_THE_HUB = " JupyterHub "
# what is new in every page
ROTATING = re.compile(r"_xsrf=[^\"]+")


@dataclass
class Edited:
    """A facility, its file, and two people who look at it."""

    facility: RunningFacility
    file: Path
    student: Person
    admin: Person

    def form(self) -> str:
        return ROTATING.sub("", self.student.form_page().text)

    def health(self) -> dict:
        url = self.student.at("services/af/health")
        return dict(self.student.http.get(url).json())

    def metric(self, name: str) -> float:
        token = self.admin.make_token()
        answer = httpx.get(
            self.student.at("services/af/metrics"),
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        lines = answer.text.splitlines()
        return float(next(x.split()[-1] for x in lines if x.startswith(f"{name} ")))

    def write(self, text: str) -> None:
        """Replace the file as an editor does."""
        beside = self.file.with_suffix(".new")
        beside.write_text(text)
        beside.chmod(0o644)
        beside.replace(self.file)


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edited]:
    folder = tmp_path_factory.mktemp("af")
    folder.chmod(0o755)
    file = folder / "facility.yaml"
    file.write_text(FACILITY)
    with running_facility(folder / "data", "--facility", str(file)) as running:
        people = [running.person(name) for name in ("student2", "admin1")]
        for person in people:
            person.log_in()
        yield Edited(running, file, *people)


@pytest.fixture(autouse=True)
def mended(edited: Edited) -> Iterator[None]:
    yield
    # another file, with its own mode and owner: a failed test may have left none
    edited.write(FACILITY)
    # a hub reads at a form: the same bad text twice, unseen between, is one bad edit
    edited.form()


def test_an_edit_holds_at_the_next_form_and_the_next_start(edited):
    assert "Laboratory" in edited.form()
    edited.write(
        FACILITY.replace("Laboratory", "Workshop").replace(
            "slug: ml-infn\n    allowed_groups: [ml-infn]", "slug: ml-infn"
        )
    )
    form = edited.form()
    assert "Workshop" in form
    assert "Laboratory" not in form
    edited.student.start(profile="ml-infn")
    edited.student.stop()
    edited.write(FACILITY)
    answer = edited.student.post_form(profile="ml-infn")
    assert answer.status_code == 403
    assert "is for members of the group ml-infn." in words_of(answer)


BAD_EDITS = [
    pytest.param(lambda e: e.write(BAD), UNKNOWN_KEY, id="a misspelt key"),
    pytest.param(lambda e: e.write(""), "is empty", id="an empty file"),
    pytest.param(lambda e: e.write("a: [b"), "is not valid YAML", id="half a file"),
    pytest.param(lambda e: e.file.unlink(), "cannot be read", id="no file"),
    pytest.param(lambda e: e.file.chmod(0o666), "may be written", id="open to all"),
    pytest.param(
        lambda e: os.chown(e.file, 1000001, 1000001), "belongs to", id="somebody's"
    ),
]


@pytest.mark.parametrize(("edit", "words"), BAD_EDITS)
def test_a_bad_edit_leaves_the_last_good_one_and_is_seen(edited, edit, words):
    before = edited.form()
    digest = edited.health()["facility_digest"]
    edit(edited)
    assert edited.form() == before
    health = edited.health()
    assert (health["status"], health["facility_digest"]) == ("degraded", digest)
    assert edited.metric("af_facility_problems") >= 1
    assert words in edited.facility.logs()
    edited.write(FACILITY)
    assert wait_until(lambda: edited.health()["status"] == "ok", what="mended")
    assert edited.metric("af_facility_problems") == 0


def test_a_bad_edit_is_logged_once_by_the_hub_and_not_at_every_form(edited):
    log = edited.facility.data / "logs" / "hub.log"
    before = len(log.read_text())
    edited.write(BAD)
    for _ in range(5):
        edited.form()

    def said() -> int:
        # the other processes write into the same log, whenever they look at the file
        lines = log.read_text()[before:].splitlines()
        mine = "\n".join(line for line in lines if OF_THE_HUB in line)
        return mine.count("profiles.4.alowed_groups")

    assert wait_until(said, what="the line of the bad edit")
    edited.form()
    assert said() == 1
