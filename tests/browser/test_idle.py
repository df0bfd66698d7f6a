"""A server with nobody at it is stopped, though its Lab is open; one that is used is not."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from facility_world import RunningFacility, running_facility
from people import PATIENCE_MS, picture, press_start, sign_in
from playwright.sync_api import Browser, Page, expect

from jupyterhub_af.local.up import DEMO_FACILITY

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
IDLE_SECONDS = 60
# what a server tells is told late, and the service looks from time to time
LATE_SECONDS = 60 + 60


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFacility]:
    """A facility that stops a server soon."""
    folder = tmp_path_factory.mktemp("af")
    folder.chmod(0o755)
    text = DEMO_FACILITY.read_text()
    usual = "lifetime: { idle: 1h, longest: 12h }"
    assert usual in text
    file = folder / "facility.yaml"
    file.write_text(text.replace(usual, f"lifetime: {{ idle: {IDLE_SECONDS}s }}"))
    with running_facility(folder / "data", "--facility", str(file)) as running:
        yield running


def open_lab(browser: Browser, facility: RunningFacility, username: str) -> Page:
    """Return a Lab with a notebook whose kernel runs."""
    page = browser.new_context(viewport={"width": 1280, "height": 850}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    sign_in(page, facility, username)
    page.goto(f"{facility.url}hub/spawn")
    press_start(page, "DODAS V5")
    page.locator(".jp-LauncherCard[title^='Python 3']").first.click()
    idle = page.get_by_text(re.compile(r"Python 3.*\| Idle"))
    expect(idle).to_be_visible()
    return page


def ends_of(facility: RunningFacility) -> list[tuple[str, str]]:
    return [
        (event["target"], event["rule"])
        for event in facility.audit()
        if event["action"] == "server.stop"
    ]


def test_only_who_is_away_is_stopped(hasty: RunningFacility, browser: Browser):
    # the one who goes away comes last: nobody is idle while another Lab opens
    busy = open_lab(browser, hasty, "student2")
    away = open_lab(browser, hasty, "student1")
    left_at = time.monotonic()
    work_until(busy, lambda: warning_of(away).count() > 0)
    # not before the time that the file allows
    assert time.monotonic() - left_at > IDLE_SECONDS / 2
    expect(warning_of(away)).to_contain_text("because nothing happens in it")
    picture(away, "student-warning")
    away.get_by_role("button", name="Keep my server").click()
    expect(away.get_by_text(re.compile("now runs until"))).to_be_visible()
    kept_at = time.monotonic()
    work_until(busy, lambda: ends_of(hasty))
    assert time.monotonic() - kept_at > IDLE_SECONDS
    assert ends_of(hasty) == [("student1/", "lifetime-idle")]
    expect(away.get_by_role("dialog")).to_contain_text(
        "Would you like to restart it?", timeout=90_000
    )
    picture(away, "student-stopped")
    # the Lab that asks for its server all the time is no reason to start it again
    pid = hasty.plans()["student1", ""]["start_id"]
    time.sleep(5)
    assert hasty.plans()["student1", ""]["start_id"] == pid
    assert busy.locator("#jp-main-dock-panel").is_visible()
    for page in (away, busy):
        page.context.close()


def warning_of(page: Page):
    return page.locator(".Toastify__toast").filter(has_text="Your server stops at")


def work_until(page: Page, is_over) -> None:
    """Press a key from time to time until something is so."""
    notebook = page.locator(".jp-Notebook").first
    for _ in range((IDLE_SECONDS + LATE_SECONDS + 60) // 10):
        notebook.press("ArrowDown")
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if is_over():
                return
            # Playwright handles the events of both pages meanwhile
            page.wait_for_timeout(500)
    raise AssertionError(f"not within {IDLE_SECONDS + LATE_SECONDS + 60} s")
