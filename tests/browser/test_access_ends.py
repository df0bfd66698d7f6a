"""Access ends while somebody works: they are told, save, and find all again when it is back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from facility_world import RunningFacility, running_facility, wait_until
from people import PATIENCE_MS, picture, press_start, sign_in
from playwright.sync_api import Browser, Page, expect

from jupyterhub_af.local.up import DEMO_FACILITY

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
STUDENT = "student1"
CONTACT = "support@example.org"
RECHECK_SECONDS = 5
# enough for a slow machine to see the banner, save twice and look
COURTESY_SECONDS = 60
CHANGES = {
    "recheck_seconds: 300": f"recheck_seconds: {RECHECK_SECONDS}",
    "courtesy_seconds: 300": f"courtesy_seconds: {COURTESY_SECONDS}",
}
# a window that is no wider than a telephone
NARROW = {"width": 360, "height": 700}
WIDE = {"width": 1280, "height": 850}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFacility]:
    """A facility that looks at groups every few seconds."""
    folder = tmp_path_factory.mktemp("af")
    folder.chmod(0o755)
    text = DEMO_FACILITY.read_text()
    for usual, ours in CHANGES.items():
        assert usual in text
        text = text.replace(usual, ours)
    file = folder / "facility.yaml"
    file.write_text(text)
    with running_facility(folder / "data", "--facility", str(file)) as running:
        yield running


@pytest.fixture
def lab(strict: RunningFacility, browser: Browser) -> Iterator[Page]:
    """The Lab of a student, with a text file that is not saved."""
    context = browser.new_context(viewport=WIDE, locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    sign_in(page, strict, STUDENT)
    page.goto(f"{strict.url}hub/spawn")
    press_start(page, "DODAS V5")
    yield page
    context.close()


def set_groups(facility: RunningFacility, groups: list[str]) -> None:
    answer = facility.control("PUT", f"accounts/{STUDENT}", {"groups": groups})
    assert answer.status_code == 200, answer.text


def groups_of(facility: RunningFacility) -> list[str]:
    accounts = facility.up["accounts"]
    return next(list(a["groups"]) for a in accounts if a["username"] == STUDENT)


def token_expiry(facility: RunningFacility) -> float:
    """Return when the token in the student's server expires."""
    (file,) = facility.data.rglob("expires_at")
    return float(file.read_text())


def write_text(page: Page, words: str) -> None:
    """Write into a new text file, and do not save it."""
    page.locator(".jp-LauncherCard[title='Create a new text file']").first.click()
    editor = page.locator(".jp-FileEditor .cm-content")
    editor.click()
    page.keyboard.type(words)
    expect(page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(1)


def saved_text(facility: RunningFacility) -> str:
    """Return the text of the student's file as it is on the disk."""
    files = [p for p in facility.data.rglob("untitled*.txt") if ".ipynb_" not in str(p)]
    return "".join(Path(file).read_text() for file in files)


def is_whole(page: Page) -> bool:
    """Return whether all of the banner's words are seen."""
    return bool(
        page.locator(".jp-af-Banner").evaluate(
            """banner => {
              const body = banner.firstElementChild;
              const room = banner.getBoundingClientRect();
              const scrolls = getComputedStyle(banner).overflowY === 'auto';
              const fits = body.getBoundingClientRect().bottom <= room.bottom + 1;
              return room.width <= window.innerWidth && (fits || scrolls)
                && room.height >= Math.min(body.scrollHeight, innerHeight / 2) - 1;
            }"""
        )
    )


def audited(facility: RunningFacility, action: str) -> list[tuple[str, str]]:
    return [
        (event["target"], event["rule"])
        for event in facility.audit()
        if event["action"] == action
    ]


def test_a_student_who_loses_access_saves_and_finds_all_again(
    lab: Page, strict: RunningFacility
):
    banner = lab.locator(".jp-af-Banner")
    item = lab.locator(".jp-af-Token")
    # the token is renewed while nobody does anything
    expect(item).to_have_text(re.compile(r"^IAM token: valid \d"))
    first = token_expiry(strict)
    wait_until(lambda: token_expiry(strict) > first, what="a renewed token")
    expect(item).not_to_have_class(re.compile("jp-mod-warn"))
    write_text(lab, "what I think of it")
    groups = groups_of(strict)

    # the group is taken away, and given back in time
    set_groups(strict, [])
    expect(banner).to_contain_text("Your server stops at")
    set_groups(strict, groups)
    expect(banner).to_have_count(0)
    expect(lab.get_by_text("Your access is back. Your server goes on.")).to_be_visible()

    # it is taken away for good
    set_groups(strict, [])
    expect(banner).to_contain_text("Your server stops at")
    expect(banner).to_contain_text(CONTACT)
    expect(banner.get_by_role("timer")).to_contain_text("left to save your work")
    assert is_whole(lab)
    picture(lab, "student-access-ends")
    lab.set_viewport_size(NARROW)
    wait_until(lambda: lab.wait_for_timeout(100) or is_whole(lab), what="all its words")
    picture(lab, "student-access-ends-narrow")
    lab.set_viewport_size(WIDE)
    banner.get_by_role("button", name="Save everything").click()
    expect(banner.get_by_role("status")).to_contain_text(re.compile(r"Saved: .*\.txt"))
    assert "what I think of it" in saved_text(strict)
    # a page that is loaded anew is let in until the end
    lab.reload()
    expect(lab.locator("#jp-main-dock-panel")).to_be_visible()
    expect(banner).to_contain_text("Your server stops at")

    # the server is stopped, and the Lab says why and where to go
    expect(banner).to_contain_text("Your server was stopped", timeout=180_000)
    expect(banner).to_contain_text(CONTACT)
    expect(lab.locator(".jp-af-Profile")).to_have_text("Your server was stopped.")
    picture(lab, "student-access-ended")
    stop = (f"{STUDENT}/", "access-lost")
    wait_until(lambda: stop in audited(strict, "server.stop"), what="a line of it")
    lab.goto(f"{strict.url}hub/home")
    expect(lab.locator("body")).to_contain_text(CONTACT)
    picture(lab, "student-no-access")

    # the group is given back: everything as before
    set_groups(strict, groups)
    lab.context.clear_cookies()
    sign_in(lab, strict, STUDENT)
    lab.goto(f"{strict.url}hub/spawn")
    press_start(lab, "DODAS V5")
    expect(banner).to_have_count(0)
    expect(item).to_have_text(re.compile(r"^IAM token: valid \d"))
    expect(lab.get_by_text(re.compile(r"untitled.*\.txt")).first).to_be_visible()
