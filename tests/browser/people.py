"""What people do in the browser, step by step."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facility_world import RunningFacility
from playwright.sync_api import Browser, BrowserType, Page, expect, sync_playwright

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
# a bound, not an expectation: the machine may be five times slower
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ),
]


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Give a Chromium that asks nobody but the facility."""
    with sync_playwright() as playwright:
        chromium = launch(playwright.chromium)
        yield chromium
        chromium.close()


def launch(kind: BrowserType) -> Browser:
    return kind.launch(executable_path=CHROMIUM, args=ARGUMENTS)


def picture(page: Page, name: str) -> None:
    """Keep what the person sees now."""
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"{name}.png")


def sign_in(
    page: Page, facility: RunningFacility, username: str, *, name: str = ""
) -> None:
    """Go to the facility, sign in at the IAM, agree once."""
    page.goto(facility.url)
    page.locator("main a.btn-jupyter").click()
    page.fill("input[name=login]", username)
    page.fill("input[name=password]", facility.password(username))
    if name:
        picture(page, f"{name}-login")
    submit = page.locator("form button[type=submit], form input[type=submit]").first
    submit.click()
    # what comes then is the question for consent, or ours already
    expect(page.locator("input[name=password]")).to_have_count(0)
    if page.url.startswith(facility.iam_url):
        if name:
            picture(page, f"{name}-consent")
        submit.click()
    page.wait_for_url(re.compile(re.escape(facility.url)))


def press_start(page: Page, profile: str) -> None:
    """Choose a card and press Start; wait until Lab is there."""
    page.get_by_role("radio", name=profile).check()
    page.locator("#spawn_form button[type=submit]").click()
    page.wait_for_url("**/user/*/lab**", timeout=90_000)
    expect(page.locator("#jp-main-dock-panel")).to_be_visible()


def stop_server(page: Page, facility: RunningFacility) -> None:
    """Stop the own server on the hub's home page."""
    page.goto(f"{facility.url}hub/home")
    page.locator("#stop").click()
    expect(page.locator("#stop")).to_have_count(0)
    expect(page.locator("#start")).to_be_visible()
