"""Our pages for everybody: two languages, light and dark, a phone, a keyboard, a reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from people import PATIENCE_MS, picture, sign_in
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser
PHONE = {"width": 360, "height": 740}
# contrast of every text on the page with what is behind it, as WCAG 2.2 counts it
CONTRASTS = """
() => {
  const rgba = (text) => {
    const numbers = text.match(/[\\d.]+/g).map(Number);
    return numbers.length === 3 ? [...numbers, 1] : numbers;
  };
  const light = ([r, g, b]) => [r, g, b]
    .map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const over = (top, below) => top.slice(0, 3)
    .map((c, i) => c * top[3] + below[i] * (1 - top[3]));
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      layers.push(rgba(getComputedStyle(e).backgroundColor));
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !element.checkVisibility() || element.disabled) continue;
    if (["STYLE", "SCRIPT", "NOSCRIPT"].includes(element.tagName)) continue;
    const back = behind(element);
    const text = over(rgba(getComputedStyle(element).color), back);
    const [high, low] = [light(text), light(back)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) found.push([element.textContent.trim().slice(0, 40), ratio]);
  }
  return found;
}
"""


@contextmanager
def opened(browser: Browser, **options) -> Iterator[tuple[Page, list[str]]]:
    """Open a browser of a person's own; collect what its console complains about."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if message.type in ("error", "warning")
            else None
        ),
    )
    try:
        yield page, complaints
    finally:
        context.close()


WORDS = {
    "it-IT": ("it", "Avvia un server", "è per chi appartiene al gruppo cygno."),
    "it": ("it", "Avvia un server", "è per chi appartiene al gruppo cygno."),
    "en-GB": ("en", "Start a server", "is for members of the group cygno."),
    "de-DE": ("en", "Start a server", "is for members of the group cygno."),
}


@pytest.mark.parametrize("locale", WORDS)
def test_the_form_speaks_the_browsers_language(facility, browser, locale):
    language, heading, reason = WORDS[locale]
    with opened(browser, locale=locale) as (page, complaints):
        sign_in(page, facility, "student1")
        page.goto(f"{facility.url}hub/spawn")
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page.locator("h1")).to_have_text(heading)
        expect(page.locator("form")).to_contain_text(reason)
        if locale == "it-IT":
            picture(page, "form-italian")
        assert complaints == []


def test_a_refusal_speaks_italian_too(facility, browser):
    with opened(browser, locale="it-IT") as (page, _):
        sign_in(page, facility, "outsider1")
        expect(page.locator("h1")).to_contain_text("Non puoi usare")
        expect(page.get_by_role("alert")).to_contain_text(
            "Chiedi a support@example.org."
        )


def test_a_refused_form_comes_back_in_italian_and_as_it_was_filled_in(
    facility, browser
):
    with opened(browser, locale="it-IT") as (page, _):
        sign_in(page, facility, "student1")
        page.goto(f"{facility.url}hub/spawn")
        # a page from before the rights changed
        page.eval_on_selector(
            "input[value=own-image]", "e => { e.disabled = false; e.checked = true; }"
        )
        page.get_by_role("button", name="Avvia").click()
        expect(page.locator("#af-error")).to_have_text(
            "Your own image è per chi appartiene al gruppo cygno."
        )
        expect(page.get_by_role("radio", name="DODAS V5")).to_be_checked()


SCHEMES = [
    pytest.param({"color_scheme": "light"}, id="light"),
    pytest.param({"color_scheme": "dark"}, id="dark"),
    pytest.param(
        {"color_scheme": "dark", "viewport": PHONE, "is_mobile": True}, id="phone"
    ),
]


@pytest.mark.parametrize("options", SCHEMES)
def test_every_text_can_be_read_and_nothing_sticks_out(
    facility, browser, options, request
):
    with opened(browser, locale="en-GB", **options) as (page, complaints):
        page.goto(facility.url)
        seen = {"login": page.evaluate(CONTRASTS)}
        sign_in(page, facility, "researcher1")
        for name in ("spawn", "home"):
            page.goto(f"{facility.url}hub/{name}")
            if name == "spawn":
                page.locator("summary").click()
                picture(page, f"form-{request.node.callspec.id}")
            seen[name] = page.evaluate(CONTRASTS)
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= page.viewport_size["width"], name
        dark = page.locator("html").get_attribute("data-bs-theme")
        assert dark == options["color_scheme"]
        assert seen == {"login": [], "spawn": [], "home": []}
        assert complaints == []


def test_a_server_is_chosen_with_the_keyboard_alone(facility, browser):
    with opened(browser, locale="en-GB") as (page, _):
        sign_in(page, facility, "researcher1")
        page.goto(f"{facility.url}hub/spawn")
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Skip to the content")
        focused = []
        for _ in range(12):
            page.keyboard.press("Tab")
            focused.append(
                page.evaluate(
                    "document.activeElement.value || document.activeElement.textContent.trim()"
                )
            )
            if focused[-1] == "Start":
                break
        assert "dodas-v5" in focused
        assert focused[-1] == "Start"
        page.locator("input[value=dodas-v5]").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowDown")
        expect(page.get_by_role("radio", name=re.compile("Large"))).to_be_checked()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("ArrowDown")
        # the only profile open here: the arrows never reach a withheld one
        expect(page.get_by_role("radio", name="DODAS V5")).to_be_checked()


def test_a_screen_reader_hears_names_groups_and_reasons(facility, browser):
    with opened(browser, locale="en-GB") as (page, _):
        sign_in(page, facility, "student1")
        page.goto(f"{facility.url}hub/spawn")
        heard = page.locator("main").aria_snapshot()
        for line in (
            'heading "Start a server" [level=1]',
            'group "Profile"',
            'radio "DODAS V5" [checked]',
            'group "Size"',
            'radio "Small: 1 core, 2 GiB of memory" [checked]',
            'radio "Large: 2 cores, 4 GiB of memory" [disabled]',
            'radio "Your own image" [disabled]',
            'button "Start"',
        ):
            assert line in heard
        own = page.get_by_role("radio", name="Your own image")
        expect(own).to_have_accessible_description(
            re.compile("Your own image is for members of the group cygno.")
        )
        large = page.get_by_role("radio", name=re.compile("Large"))
        expect(large).to_have_accessible_description(
            re.compile("The size Large is for members of the group cygno.")
        )


def test_the_home_page_opens_and_stops_a_server(facility, browser):
    with opened(browser, locale="en-GB") as (page, complaints):
        sign_in(page, facility, "teacher1")
        page.goto(f"{facility.url}hub/home")
        expect(page.locator("main")).to_contain_text("No server is running.")
        page.get_by_role("button", name="Start a server").click()
        page.get_by_role("button", name="Start").click()
        page.wait_for_url("**/user/*/lab**", timeout=90_000)
        page.goto(f"{facility.url}hub/home")
        expect(page.locator("main")).to_contain_text("Your server is running.")
        picture(page, "home")
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("main")).to_contain_text("No server is running.")
        assert [text for text in complaints if "Content Security" in text] == []
