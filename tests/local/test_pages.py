"""Our pages over HTTP: their policy, their language, and what addresses put into them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from payloads import PAYLOADS

pytestmark = pytest.mark.local

# every page of ours; `{}` is the person
OURS = (
    "hub/login",
    "hub/spawn",
    "hub/spawn/{}",
    "hub/home",
    "hub/user/{}/lab",
    "hub/error/404",
    "hub/spawn-pending/{}/none",
    "hub/oauth_callback",
    "hub/oauth_callback?error=access_denied",
)
STRICT = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "form-action 'self'",
}


class Elements(HTMLParser):
    """The elements of a page with their attributes, and what may not be in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.all: list[tuple[str, ...]] = []
        self.inline: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        names = tuple(name for name, _ in attrs)
        self.all.append((tag, *names))
        if (tag == "script" and "src" not in names) or tag == "style":
            self.inline.append(tag)
        self.inline += [n for n in names if n.startswith("on") or n == "style"]
        self.inline += [v for _, v in attrs if (v or "").startswith("javascript:")]


@pytest.fixture(scope="module")
def person(facility):
    found = facility.person("student1")
    found.log_in()
    yield found
    found.http.close()


@pytest.fixture(scope="module")
def stranger(facility):
    found = facility.person("student1")
    yield found
    found.http.close()


def visitor_of(path, person, stranger):
    """Return who sees a page: the first pages are shown to strangers only."""
    is_first = "login" in path or "oauth" in path
    return stranger if is_first else person


@pytest.mark.parametrize("path", OURS)
def test_a_page_of_ours_has_a_strict_policy_and_nothing_inline(path, person, stranger):
    visitor = visitor_of(path, person, stranger)
    answer = visitor.http.get(visitor.at(path.format(visitor.username)))
    policy = set(answer.headers["Content-Security-Policy"].split("; "))
    assert policy >= STRICT
    assert not any("unsafe" in part for part in policy)
    assert Elements(answer.text).inline == []
    assert 'lang="en"' in answer.text


@pytest.mark.parametrize("path", OURS)
def test_a_page_of_ours_speaks_italian(path, person, stranger):
    visitor = visitor_of(path, person, stranger)
    answer = visitor.http.get(
        visitor.at(path.format(visitor.username)),
        headers={"Accept-Language": "it-IT,it;q=0.9,en;q=0.5"},
    )
    assert 'lang="it"' in answer.text
    assert "Vai al contenuto" in answer.text


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("it", "it"),
        ("it-CH", "it"),
        ("fr, it;q=0.5", "it"),
        ("en, it;q=0.9", "en"),
        ("en-GB,en;q=0.9,it;q=0.8", "en"),
        ("de", "en"),
        ("", "en"),
        ("*", "en"),
        ("it;q=0", "en"),
        (";;;,,,=q", "en"),
        ("../../etc/passwd", "en"),
        ("x" * 4000, "en"),
    ],
)
def test_the_language_is_the_browsers(stranger, accepted, language):
    answer = stranger.http.get(
        stranger.at("hub/login"), headers={"Accept-Language": accepted}
    )
    assert answer.status_code == 200
    assert f'<html lang="{language}">' in answer.text


ADDRESSES = (
    "hub/spawn?{}=x",
    "hub/spawn?opt-profile={}",
    "hub/spawn?opt-{}=x",
    "hub/spawn?profile={}",
    "hub/spawn?next={}",
    "hub/spawn/{}",
    "hub/spawn/student1/{}",
    "hub/spawn-pending/student1/{}",
    "hub/user/{}/lab",
    "hub/error/404?message={}",
    "hub/login?next={}",
    "hub/login?username={}",
    "hub/oauth_callback?error={}",
    "hub/oauth_callback?error_description={}",
    "hub/oauth_callback?state={}&code=x",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_payload_in_an_address_adds_an_element(address, person, stranger):
    visitor = visitor_of(address, person, stranger)

    def elements(text: str) -> tuple[int, list[tuple[str, ...]]]:
        url = visitor.at(address.format(quote(text, safe="")))
        answer = visitor.http.get(url, follow_redirects=False)
        assert answer.status_code < 500, text
        assert "Traceback" not in answer.text
        page = Elements(answer.text)
        assert page.inline == [] or answer.status_code == 404, text
        return answer.status_code, page.all

    plain = elements("plain")
    # a slash in a name leads to another address, where there is no page of ours
    others = [p for p in PAYLOADS if "/" not in p or "?" in address]
    assert [p for p in others if elements(p) != plain] == []


@pytest.mark.parametrize("field", ["profile", "image.own-image", "size.dodas-v5", "{}"])
def test_no_payload_in_a_posted_field_adds_an_element(field, person):
    def elements(text: str) -> tuple[int, list[tuple[str, ...]]]:
        fields = {"profile": "own-image"} | {field.format(text): text}
        answer = person.post_form(**fields)
        assert answer.status_code == 403, answer.text
        page = Elements(answer.text)
        assert page.inline == []
        return answer.status_code, page.all

    plain = elements("plain")
    assert [p for p in PAYLOADS if elements(p) != plain] == []


def test_what_the_api_says_is_never_read_as_a_page(person):
    for payload in PAYLOADS:
        answer = person.api(
            "POST",
            "users/student1/server",
            json={"user_options": {"profile": payload}},
        )
        assert 400 <= answer.status_code < 500
        assert answer.headers["Content-Type"].startswith("application/json")


def test_a_file_of_ours_is_served_and_nothing_beside_it(stranger):
    page = stranger.http.get(stranger.at("hub/login")).text
    found = re.findall(r'/hub/af-static/(page\.(?:css|js))\?v=[0-9a-f]{12}"', page)
    assert found == ["page.css", "page.js"]
    for name in found:
        answer = stranger.http.get(stranger.at(f"hub/af-static/{name}"))
        assert answer.status_code == 200
    for name in ("", "../pages.py", "..%2fpages.py", "%2e%2e/form.py", "/etc/passwd"):
        answer = stranger.http.get(stranger.at(f"hub/af-static/{name}"))
        assert answer.status_code in (403, 404), name
