"""A student sees what fills a disk, and makes room."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from facility_world import RunningFacility
from people import picture, press_start, sign_in, stop_server
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
BIG_BYTES = 30 * 1024**2


def write_as_owner(home: Path, path: str) -> Path:
    """Write a large file as the owner of a private area."""
    owner = home.stat()
    file = home / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(os.urandom(BIG_BYTES))
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
