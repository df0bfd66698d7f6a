"""A student deletes a week's work, and gets it back alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from facility_world import PYTHON, RunningFacility, wait_until
from people import picture, press_start, sign_in, stop_server
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser
TUESDAY = "2026-11-17T18-00-00Z"
FRIDAY = "2026-11-20T18-00-00Z"


def notebook(*sources: str) -> str:
    cells = [
        {
            "id": f"cell-{number}",
            "cell_type": "code",
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(sources)
    ]
    return json.dumps(
        {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    )


class Folder:
    """The folder GW as it lies on the volume, and its generations."""

    def __init__(self, areas: Path) -> None:
        self.now = areas / "collab/collabspace/GW"
        self.backups = areas / "backups/collabspace/GW"

    def write(self, path: str, text: str) -> None:
        """Write a file as anybody of the group could."""
        file = self.now / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        group = self.now.stat().st_gid
        person = (self.now.parents[2] / "private/student1").stat().st_uid
        for made in (file, *file.parents):
            if made == self.now:
                break
            os.chown(made, person, group)
            made.chmod(0o2770 if made.is_dir() else 0o660)

    def keep(self, generation: str) -> None:
        """Keep the folder as it is, as the backup does."""
        last = sorted(self.backups.glob("2*"))[-1:]
        link = [f"--link-dest={kept}" for kept in last]
        kept = self.backups / generation
        subprocess.run(
            ["rsync", "-aAXH", *link, f"{self.now}/", f"{kept}/"], check=True
        )

    def clean(self) -> None:
        """Leave nothing for the stories after this one."""
        for path in [*self.now.iterdir(), *self.backups.iterdir()]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def lab(facility: RunningFacility, page: Page) -> Iterator[Page]:
    """Give the Lab of a student, and no server after."""
    sign_in(page, facility, "student1")
    page.goto(f"{facility.url}hub/spawn")
    press_start(page, "DODAS V5")
    # a document of the story before that Lab opens anew would find its file again
    # while this story writes it, and lay a folder of checkpoints beside it
    go_to(page, "collabspace")
    yield page
    stop_server(page, facility)


@pytest.fixture
def week(lab: Page, facility: RunningFacility) -> Iterator[Folder]:
    """Give the folder with a week's work in it, kept twice."""
    folder = Folder(facility.data / "areas")
    folder.write("week/notes.txt", "mass 30\nspin 0\n")
    folder.write("week/fit.ipynb", notebook("mass = 30", "plot(mass)"))
    folder.keep(TUESDAY)
    time.sleep(1.1)  # a file system may tell times in seconds only
    folder.write("week/notes.txt", "mass 31\nspin 0\n")
    folder.write("week/fit.ipynb", notebook("mass = 31", "plot(mass)"))
    folder.write("week/friday.txt", "nearly done\n")
    folder.keep(FRIDAY)
    yield folder
    folder.clean()


@pytest.fixture
def work(lab: Page, facility: RunningFacility) -> Iterator[Folder]:
    """Give the folder with a week's work in it, as the facility itself backed it up."""
    folder = Folder(facility.data / "areas")
    folder.write("week/notes.txt", "mass 31\nspin 0\n")
    folder.write("week/fit.ipynb", notebook("mass = 31", "plot(mass)"))
    folder.write("week/friday.txt", "nearly done\n")
    back_up(facility, "collabspace/GW")
    wait_until(lambda: any(folder.backups.glob("2*Z/week/friday.txt")), seconds=60)
    yield folder
    folder.clean()


def back_up(facility: RunningFacility, tree: str) -> None:
    """Have a folder backed up now, as the administrator does."""
    command = [PYTHON, "-m", "jupyterhub_af.cli.main", "backup", "run"]
    options = ["--tree", tree, "--data", str(facility.data)]
    subprocess.run([*command, *options], check=True, capture_output=True)


def item(page: Page, name: str) -> Locator:
    """Return a file or folder of the file browser."""
    return page.locator(".jp-FileBrowser").get_by_role(
        "listitem", name=re.compile(f"^Name: {re.escape(name)}")
    )


def choose(page: Page, target: Locator, entry: str) -> None:
    """Choose an entry of the menu that a right click on something opens."""
    target.click(button="right")
    labels = page.locator(".lm-Menu-itemLabel")
    labels.get_by_text(entry, exact=True).click()


def go_to(page: Page, folder: str) -> None:
    # as a Lab opens for the first time: another story may have left a panel open
    page.goto(f"{page.url.partition('/lab')[0]}/lab/tree/{folder}?reset")
    expect(page.locator(".jp-FileBrowser")).to_be_visible()


def test_a_student_deletes_a_week_s_work_and_gets_it_back_alone(lab, work):
    go_to(lab, "collabspace/GW")
    choose(lab, item(lab, "week"), "Delete")
    lab.locator(".jp-Dialog").get_by_role("button", name="Delete").click()
    expect(item(lab, "week")).to_have_count(0)
    assert not (work.now / "week").exists()

    choose(lab, lab.locator(".jp-DirListing-content"), "Deleted files…")
    deleted = lab.locator(".jp-af-Kept")
    expect(deleted.get_by_role("row")).to_have_count(2)
    picture(lab, "versions-deleted")
    deleted.get_by_role("button", name="Restore collabspace/GW/week").click()
    expect(deleted.locator("[role=status]")).to_have_text(
        "It is back: collabspace/GW/week."
    )
    names = {path.name for path in (work.now / "week").iterdir()}
    # Lab lays its own folder beside documents; nothing else may be left of the restoring
    assert names - {".ipynb_checkpoints"} == {"fit.ipynb", "friday.txt", "notes.txt"}
    assert (work.now / "week/notes.txt").read_text() == "mass 31\nspin 0\n"
    panel = lab.locator("#jp-af-facility")
    lab.locator(".jp-af-Profile").click()
    expect(panel).to_contain_text(
        "You brought an earlier version back: collabspace/GW/week."
    )


def test_an_earlier_version_is_compared_and_put_in_place(lab, week):
    go_to(lab, "collabspace/GW/week/notes.txt")
    editor = lab.locator(".jp-FileEditor .cm-content")
    expect(editor).to_contain_text("mass 31")
    editor.click()
    lab.keyboard.press("Control+End")
    lab.keyboard.type("not saved yet")
    choose(lab, item(lab, "notes.txt"), "Previous versions…")
    versions = lab.locator(".jp-af-Kept")
    expect(versions.get_by_role("row")).to_have_count(3)
    picture(lab, "versions")
    versions.get_by_role("button", name=re.compile("^Compare")).last.click()
    difference = lab.locator(".jp-af-Difference")
    expect(difference.locator("del").first).to_have_text("mass 30")
    expect(difference.locator("ins").first).to_have_text("mass 31")
    picture(lab, "versions-difference")

    lab.get_by_role("tab", name="Versions: notes.txt").click()
    versions.get_by_role("button", name=re.compile("^Restore: ")).last.click()
    said = versions.locator(".jp-af-Kept-said")
    expect(said).to_contain_text("What was there is kept as collabspace/GW/week/notes")
    assert (week.now / "week/notes.txt").read_text() == "mass 30\nspin 0\n"
    kept = list((week.now / "week").glob("notes.before-restore-*.txt"))
    assert [path.read_text() for path in kept] == ["mass 31\nspin 0\nnot saved yet"]
    # the open document shows the file, and saving it asks no question
    lab.get_by_role("tab", name="notes.txt", exact=True).click()
    expect(editor).to_contain_text("mass 30")
    expect(editor).not_to_contain_text("not saved yet")
    editor.click()
    lab.keyboard.type("x")
    lab.keyboard.press("Control+s")
    wait_until(lambda: "x" in (week.now / "week/notes.txt").read_text())
    expect(lab.locator(".jp-Dialog")).to_have_count(0)


def test_what_changed_in_a_notebook_is_shown_side_by_side(lab, week):
    go_to(lab, "collabspace/GW/week")
    choose(lab, item(lab, "fit.ipynb"), "Previous versions…")
    versions = lab.locator(".jp-af-Kept")
    expect(versions.get_by_role("row")).to_have_count(3)
    versions.get_by_role("button", name=re.compile("^Compare")).last.click()
    frame = lab.frame_locator("iframe[title*='fit.ipynb: the version of']")
    expect(frame.locator("#nbdime-root")).to_contain_text("mass = 30")
    expect(frame.locator("#nbdime-root")).to_contain_text("mass = 31")
    picture(lab, "versions-notebook")
