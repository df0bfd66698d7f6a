"""A student sees what fills a disk, and makes room."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from facility_world import RunningFacility, running_facility, wait_until
from people import picture, press_start, sign_in, stop_server
from playwright.sync_api import Page, expect

import jupyterhub_af

pytestmark = pytest.mark.browser
DEMO = Path(jupyterhub_af.__file__).parent / "local" / "facility.yaml"
BIG_BYTES = 30 * 1024**2


def write_as_owner(home: Path, path: str, size: int = BIG_BYTES) -> Path:
    """Write a file as the owner of a private area."""
    owner = home.stat()
    file = home / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(os.urandom(size))
    for made in (file, file.parent):
        os.chown(made, owner.st_uid, owner.st_gid)
    return file


def test_a_student_finds_what_fills_the_disk_and_deletes_it(
    facility: RunningFacility, page: Page
):
    sign_in(page, facility, "student1")
    page.goto(f"{facility.url}hub/spawn")
    press_start(page, "DODAS V5")
    home = facility.data / "areas/private/student1"
    big = write_as_owner(home, ".cache-of-a-week/samples.bin")
    page.locator(".jp-af-Profile").click()
    panel = page.locator("#jp-af-facility")
    expect(panel).to_contain_text("Disk space")
    panel.get_by_role("button", name="What fills /af/private").click()
    page.get_by_role("button", name="Count again").click()
    look = page.get_by_role("button", name="Look into .cache-of-a-week")
    expect(look).to_be_visible()
    picture(page, "disk")
    look.click()
    row = page.get_by_role("row", name=re.compile("samples.bin")).first
    expect(row).to_contain_text("30 MiB")
    row.get_by_role("button", name="Delete").click()
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("/af/private/.cache-of-a-week/samples.bin: 30 MiB")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator("body")).to_contain_text("Deleted: .cache-of-a-week/samples")
    assert not big.exists()
    stop_server(page, facility)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[RunningFacility]:
    """A facility of this story's own, where people have 16 MiB."""
    tmp_path.chmod(0o755)
    file = tmp_path / "facility.yaml"
    file.write_text(DEMO.read_text().replace("quota: 20G", "quota: 16M"))
    with running_facility(tmp_path / "data", "--facility", str(file)) as running:
        yield running


def test_a_student_with_a_full_disk_starts_cleans_up_and_goes_on(
    small: RunningFacility, page: Page
):
    sign_in(page, small, "student1")
    page.goto(f"{small.url}hub/spawn")
    press_start(page, "DODAS V5")
    home = small.data / "areas/private/student1"
    notes = write_as_owner(home, "work/notes.bin", 1024)
    big = write_as_owner(home, "work/samples.bin")
    stop_server(page, small)

    def sees_warning() -> bool:
        page.goto(f"{small.url}hub/spawn")
        return page.locator("#af-rescue").count() == 1

    # the end of a server has its trees counted
    wait_until(sees_warning, seconds=90, what="a warning at the form")
    expect(page.locator("#af-rescue")).to_contain_text("Your area private is full")
    picture(page, "full-form")
    press_start(page, "DODAS V5")
    panel = page.locator("#jp-af-facility")
    page.locator(".jp-af-Profile").click()
    expect(panel).to_contain_text("This is a rescue server")
    expect(panel).to_contain_text("of 16 MiB")
    picture(page, "full-panel")
    panel.get_by_role("button", name="What fills /af/private").click()
    page.get_by_role("button", name="Look into work").click()
    row = page.get_by_role("row", name=re.compile("samples.bin")).first
    row.get_by_role("button", name="Delete").click()
    page.locator(".jp-Dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("body")).to_contain_text("Deleted: work/samples")
    assert not big.exists()
    stop_server(page, small)

    wait_until(lambda: not sees_warning(), what="no warning once there is room")
    press_start(page, "DODAS V5")
    page.locator(".jp-af-Profile").click()
    expect(panel).to_contain_text("Disk space")
    expect(panel).not_to_contain_text("This is a rescue server")
    assert notes.exists()
    stop_server(page, small)
