"""What a Lab asks the facility: nothing while hidden; without the service it goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from facility_world import RunningFacility, wait_until
from people import picture, press_start, sign_in, stop_server
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
PROFILE = "DODAS V5 · small"
HIDE = """isHidden => {
  Object.defineProperty(document, 'hidden', { configurable: true, value: isHidden });
  document.dispatchEvent(new Event('visibilitychange'));
}"""


@pytest.fixture
def lab(facility: RunningFacility, page: Page) -> Iterator[Page]:
    """The Lab of a student, which knows the facility."""
    sign_in(page, facility, "student3")
    page.goto(f"{facility.url}hub/spawn")
    press_start(page, "DODAS V5")
    expect(page.locator(".jp-af-Profile")).to_have_text(PROFILE)
    yield page
    stop_server(page, facility)


def test_a_hidden_lab_asks_nothing_and_hears_all_once_it_is_seen(lab: Page):
    asked: list[str] = []

    def note(request) -> None:
        path = request.url.partition("?")[0]
        if "/jupyterlab-af/" in path:
            asked.append(path.rpartition("/")[2])

    lab.evaluate(HIDE, True)
    lab.on("request", note)
    lab.keyboard.press("ArrowDown")
    lab.wait_for_timeout(10_000)
    assert asked == []
    lab.evaluate(HIDE, False)
    # the word that somebody is there again may come with it
    wait_until(lambda: lab.wait_for_timeout(100) or "events" in asked, what="a stream")
    expect(lab.locator(".jp-af-Profile")).to_have_text(PROFILE)


def test_a_lab_goes_on_without_the_service_says_so_once_and_recovers(
    lab: Page, facility: RunningFacility
):
    item = lab.locator(".jp-af-Profile")
    said: list[str] = []
    lab.on("console", lambda message: said.append(message.text))
    hub, service = facility.up["pids"]["hub"], facility.pids()["service"]
    # a hub that is held does not start it again
    os.kill(hub, signal.SIGSTOP)
    try:
        os.kill(service, signal.SIGKILL)
        # the proxy between hides that the service ended; silence tells
        expect(item).to_have_text("Facility: not reachable", timeout=120_000)
        assert lab.locator(".Toastify__toast").count() == 0
        picture(lab, "lab-without-service")
        answer = lab.request.get(f"{lab.url.partition('/lab')[0]}/api/contents/private")
        assert answer.ok
    finally:
        os.kill(hub, signal.SIGCONT)
    expect(item).to_have_text(PROFILE, timeout=180_000)
    errors = [text for text in said if "jupyterlab-af" in text and "rror" in text]
    assert len(errors) <= 1, errors
