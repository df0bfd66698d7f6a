"""120 texts that are scripts, in every field of the form, in a real browser.

The content security policy is switched off for it, so that it is the escaping that is
tested; that the policy would stop a script by itself is tested beside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from facility_world import RunningFacility, running_facility
from payloads import PAYLOADS
from people import PATIENCE_MS, sign_in
from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser
IMAGE = "registry.example.org/af/dodas:5"
# a call of any payload is noted, whatever it is called from
NOTE = "window.attacks = 0; window.af_attack = () => { window.attacks += 1; };"
SHAPE = """
() => [...document.querySelectorAll("*")].map(
  (e) => [e.tagName, ...[...e.attributes].map((a) => a.name)].join(" ")
).sort()
"""


def facility_text(texts: tuple[str, ...]) -> str:
    """Return a facility file with a profile for each text, which is everywhere in it."""
    profiles = [
        {
            "slug": f"p{number}",
            "display_name": text,
            "description": text,
            "experiment": f"{number} {text}",
            "image": IMAGE,
            "sizes": [
                {"slug": "a", "display_name": text, "cores": 1, "memory": "1G"},
                {
                    "slug": "b",
                    "display_name": text,
                    "cores": 1,
                    "memory": "1G",
                    "allowed_groups": ["closed"],
                },
            ],
            **({"allowed_groups": ["closed"]} if number % 3 == 0 else {}),
        }
        for number, text in enumerate(texts)
    ]
    return json.dumps(
        {
            "version": 1,
            "name": texts[0],
            "contact": texts[1],
            "iam": {"issuer": "https://iam.example.org/"},
            "access": {"allowed_groups": ["hackathon"]},
            "profiles": profiles,
            "storage": [{"name": "private", "kind": "private"}],
        }
    )


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFacility]:
    folder = tmp_path_factory.mktemp("af")
    folder.chmod(0o755)
    file = folder / "facility.yaml"
    file.write_text(facility_text(PAYLOADS))
    with running_facility(folder / "data", "--facility", str(file)) as running:
        yield running


@pytest.fixture
def unprotected(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(bypass_csp=True, locale="en-GB")
    context.add_init_script(NOTE)
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


def shape_of(page: Page) -> list[str]:
    """Return the elements and attributes of a page, after what runs late has run."""
    page.wait_for_timeout(500)
    assert page.evaluate("window.attacks") == 0
    return list(page.evaluate(SHAPE))


def test_no_script_of_the_form_runs_and_nothing_is_added(attacked, unprotected):
    page = unprotected.new_page()
    sign_in(page, attacked, "student1")
    page.goto(f"{attacked.url}hub/spawn")
    found = shape_of(page)
    # the same facility with a plain word in every place
    file = attacked.data.parent / "facility.yaml"
    file.write_text(facility_text(tuple(f"plain{n}" for n in range(len(PAYLOADS)))))
    try:
        page.goto(f"{attacked.url}hub/spawn")
        assert page.locator("body").inner_text().count("plain119") > 2
        assert shape_of(page) == found
    finally:
        file.write_text(facility_text(PAYLOADS))


ADDRESSES = (
    "hub/spawn?{}=x",
    "hub/spawn?opt-profile={}",
    "hub/spawn?profile={}",
    "hub/spawn?next={}",
    "hub/spawn/{}",
    "hub/spawn/student1/{}",
    "hub/spawn-pending/student1/{}",
    "hub/user/{}/lab",
    "hub/error/404?message={}",
    "hub/login?next={}",
    "hub/oauth_callback?error={}",
    "hub/oauth_callback?state={}&code=x",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_script_in_an_address_runs(attacked, unprotected, address):
    page = unprotected.new_page()
    sign_in(page, attacked, "student1")
    # ten to a page are enough for a browser; all of them are parsed in tests/local
    for payload in PAYLOADS[::12]:
        page.goto(attacked.url + address.format(quote(payload, safe="")))
        page.wait_for_timeout(50)
        assert page.evaluate("window.attacks ?? 0") == 0
        assert page.url.startswith(attacked.url)


@pytest.mark.parametrize("path", ["hub/login", "hub/spawn", "hub/home"])
def test_the_policy_stops_a_script_that_got_into_a_page_all_the_same(
    attacked, browser, path
):
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    if path != "hub/login":
        sign_in(page, attacked, "student1")
    page.goto(attacked.url + path)
    page.evaluate(
        """() => {
          window.attacks = 0; window.af_attack = () => { window.attacks += 1; };
          const script = document.createElement("script");
          script.textContent = "af_attack()";
          document.body.append(script);
          document.body.insertAdjacentHTML("beforeend", "<img src=x onerror=af_attack()>");
        }"""
    )
    page.wait_for_timeout(500)
    assert page.evaluate("window.attacks") == 0
    context.close()
