"""The student's day: refused, let in, first exercise, storage, stop, come back."""

from __future__ import annotations

import json
import re
import time

import pytest
from facility_world import RunningFacility, wait_until
from people import picture, press_start, sign_in, stop_server
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
NOTEBOOK = "private/exercises/01-first-exercise-breast-tumours.ipynb"


def test_an_outsider_reads_why_and_whom_to_ask(facility: RunningFacility, page: Page):
    sign_in(page, facility, "outsider1")
    expect(page.locator("h1")).to_contain_text("You may not use")
    body = page.locator("body")
    for words in (
        "outsider1",
        "none",
        "hackathon, cygno, ml-infn",
        "support@example.org",
    ):
        expect(body).to_contain_text(words)
    picture(page, "outsider")
    page.get_by_role("link", name="Log in with another account").click()
    expect(page.locator("input[name=password]")).to_be_visible()


def test_a_wrong_password_and_a_cancelled_login_are_said_in_words(facility, page: Page):
    page.goto(facility.url)
    page.get_by_role("button", name=re.compile("sign in", re.IGNORECASE)).click()
    page.fill("input[name=login]", "student1")
    page.fill("input[name=password]", "wrong")
    page.locator("form button").first.click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("link", name=re.compile("cancel", re.IGNORECASE)).click()
    expect(page.locator("body")).to_contain_text("cancelled")
    assert "Traceback" not in page.content()


def test_the_pages_need_no_javascript(facility, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, facility, "teacher1")
    page.goto(f"{facility.url}hub/spawn")
    expect(page.get_by_role("radio", name="DODAS V5")).to_be_checked()
    expect(page.get_by_role("button", name="Start")).to_be_enabled()
    context.close()


def test_a_student_works_saves_stops_comes_back_and_finds_it(facility, page: Page):
    picture_names = "student"
    sign_in(page, facility, "student1", name=picture_names)
    page.goto(f"{facility.url}hub/spawn")
    expect(page.get_by_role("radio", name="DODAS V5")).to_be_checked()
    expect(page.get_by_role("radio", name="Your own image")).to_be_disabled()
    expect(page.locator("body")).to_contain_text("is for members of the group cygno.")
    expect(page.locator("body")).not_to_contain_text("Cygno")
    picture(page, "student-form")
    started = time.monotonic()
    press_start(page, "DODAS V5")
    expect(page.get_by_role("listitem", name=re.compile("exercises"))).to_be_visible()
    print(f"from Start to a usable Lab: {time.monotonic() - started:.1f} s")
    expect(page.locator(".jp-af-Profile")).to_have_text("DODAS V5 · small")
    picture(page, "student-lab")
    run_the_exercise(page, facility)
    see_the_facility(page)
    write_where_it_is_allowed(page)
    stop_server(page, facility)
    page.goto(f"{facility.url}hub/spawn")
    press_start(page, "DODAS V5")
    found = read(page, "private/exercises/results.json")
    assert 0.98 < json.loads(found["content"])["auc"] < 1.0
    assert "output_type" in json.dumps(read(page, NOTEBOOK)["content"])
    for path in (
        "private/mine.txt",
        "shared/student1/mine.txt",
        "collabspace/GW/mine.txt",
    ):
        assert read(page, path)["content"] == "kept"
    stop_server(page, facility)


def run_the_exercise(page: Page, facility: RunningFacility) -> None:
    """Open the exercise, run all of it, see its figures, save it."""
    page.goto(f"{facility.url}user/student1/lab/tree/{NOTEBOOK}")
    expect(page.locator(".jp-Notebook")).to_be_visible()
    kernel = page.get_by_text(re.compile(r"Python 3.*\| Idle"))
    expect(kernel).to_be_visible()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    url = f"{facility.url}user/student1/api/contents/private/exercises/results.json"
    wait_until(
        lambda: page.request.get(url).ok, seconds=180, what="the exercise's results"
    )
    expect(kernel).to_be_visible()
    assert page.locator(".jp-OutputArea-output[data-mime-type*=error]").count() == 0
    figure = page.locator(".jp-RenderedImage img").first
    figure.wait_for(state="attached")
    figure.evaluate("figure => figure.scrollIntoView()")
    # the notebook draws its cells lazily while it scrolls
    page.wait_for_timeout(1500)
    picture(page, "student-exercise")
    saved = f"{facility.url}user/student1/api/contents/{NOTEBOOK}"

    def save() -> bool:
        page.keyboard.press("Control+s")
        page.wait_for_timeout(1000)
        return "output_type" in page.request.get(saved).text()

    wait_until(save, what="the notebook saved with its results")


def see_the_facility(page: Page) -> None:
    """Open the panel: who I am, how long the server runs, where to save, what happened."""
    page.locator(".jp-af-Profile").click()
    panel = page.locator("#jp-af-facility")
    for words in (
        *("student1", "hackathon/gw", "DODAS V5", "Time left"),
        *("/af/private", "/af/collabspace", "Your server started."),
    ):
        expect(panel).to_contain_text(words)
    picture(page, "student-panel")


def contents(page: Page, path: str) -> str:
    return f"{page.url.partition('/lab')[0]}/api/contents/{path}"


def xsrf(page: Page) -> str:
    cookies = page.context.cookies(page.url)
    return next(
        c["value"] for c in cookies if c["name"] == "_xsrf" and "/user/" in c["path"]
    )


def write(page: Page, path: str):
    body = {"type": "file", "format": "text", "content": "kept"}
    headers = {"X-XSRFToken": xsrf(page)}
    return page.request.put(contents(page, path), data=body, headers=headers)


def read(page: Page, path: str) -> dict:
    answer = page.request.get(contents(page, path))
    assert answer.ok, f"{path}: {answer.status} {answer.text()[:200]}"
    return answer.json()


def write_where_it_is_allowed(page: Page) -> None:
    """Save on every area by Lab's own API; elsewhere a sentence comes back, never a 500."""
    for path in (
        "private/mine.txt",
        "shared/student1/mine.txt",
        "collabspace/GW/mine.txt",
    ):
        assert write(page, path).status == 201, path
    for path in ("shared/mine.txt", "mine.txt", "collabspace/mine.txt"):
        answer = write(page, path)
        assert answer.status == 403, f"{path}: {answer.status} {answer.text()[:300]}"
        assert "Traceback" not in answer.text()
    for path in ("collabspace/HEP/mine.txt", "shared/nobody/mine.txt"):
        assert write(page, path).status in (403, 404), path


def test_a_hand_made_post_is_refused_on_the_page_and_the_form_stays(
    facility, page: Page
):
    sign_in(page, facility, "student2")
    page.goto(f"{facility.url}hub/spawn")
    page.locator("input[value=own-image]").evaluate(
        "e => { e.disabled = false; e.checked = true }"
    )
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_contain_text(
        "is for members of the group cygno."
    )
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    picture(page, "student-refused")


def test_the_lab_speaks_italian(facility, browser):
    """What our plugin says comes in Italian once the person chose it in Lab."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 850}, locale="it-IT"
    )
    page = context.new_page()
    sign_in(page, facility, "teacher1")
    page.goto(f"{facility.url}hub/spawn")
    press_start(page, "DODAS V5")
    base = page.url.partition("/lab")[0]
    answer = page.request.get(f"{base}/lab/api/translations/it_IT")
    assert "jupyterlab_af" in answer.json()["data"]
    stop_server(page, facility)
    context.close()
