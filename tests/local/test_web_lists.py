"""JupyterHub's list of open redirects and more of them, run against our pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from door_world import DoorWorld
from facility_world import Person
from web_world import EVIL, NEXT, follow, target_of

pytestmark = pytest.mark.local


def fill(payload: str, person: Person) -> str:
    return payload.replace("{host}", httpx.URL(person.at("")).netloc.decode())


def short(payload: str) -> str:
    return payload[:40].encode("unicode_escape").decode()


@pytest.fixture(scope="module")
def person(doors: DoorWorld) -> Iterator[Person]:
    """Return somebody with a running server: only then the hub redirects at once."""
    found = doors.facility.person("researcher1")
    found.log_in()
    found.start(profile="dodas-v5")
    yield found
    # the addresses have logged in again, and out
    found.log_in()
    found.stop()
    doors.forget_trace()


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/x", ("http", "hub:1")),
        ("x", ("http", "hub:1")),
        ("//evil", ("http", "evil")),
        ("/\\evil", ("http", "evil")),
        ("/\t/evil", ("http", "evil")),
        ("\x01//evil", ("http", "evil")),
        ("https:evil", ("https", "evil")),
        ("http:evil", ("http", "hub:1")),
        ("http:///evil", ("http", "evil")),
        ("http://hub:1@evil/", ("http", "evil")),
        ("http://hub:1\\@evil/", ("http", "hub:1")),
        ("javascript:alert(1)", ("javascript", "")),
    ],
)
def test_the_reading_of_an_address_is_a_browsers(location, target):
    assert target_of(httpx.URL("http://hub:1/a/b"), location) == target


def test_there_are_enough_addresses():
    assert len(set(NEXT)) == len(NEXT) >= 60


@pytest.mark.parametrize(
    "path",
    [
        "hub/login",
        "hub/",
        "hub/spawn",
        "hub/spawn/researcher1",
        "hub/spawn-pending/researcher1",
        "hub/oauth_callback",
        "hub/oauth_login",
        "hub/home",
        "hub/user/researcher1/",
    ],
)
def test_who_is_logged_in_is_sent_to_no_other_host(person, path):
    for payload in NEXT:
        follow(person, person.at(f"{path}?next={quote(fill(payload, person))}"))


@pytest.mark.parametrize("payload", NEXT, ids=short)
def test_a_whole_login_ends_at_our_own_host(doors, payload):
    """The IAM knows the person after the first time and asks nothing."""
    person = doors.facility.person("teacher1")
    person.http.cookies = httpx.Cookies(iam_cookies(doors))
    answer = follow(
        person, person.at(f"hub/oauth_login?next={quote(fill(payload, person))}")
    )
    assert answer.url.netloc.decode() == httpx.URL(person.at("")).netloc.decode()
    if answer.status_code == 200 and "logout" not in payload:
        assert person.api("GET", "user").json()["name"] == "teacher1"
    person.http.close()


_cookies: dict[str, httpx.Cookies] = {}


def iam_cookies(doors: DoorWorld) -> httpx.Cookies:
    """Return the cookies of somebody who is logged in at the IAM only."""
    key = doors.facility.iam_url
    if key not in _cookies:
        person = doors.facility.person("teacher1")
        assert person.log_in().status_code == 200
        for cookie in list(person.http.cookies.jar):
            if cookie.path.startswith("/hub") or cookie.name.startswith("jupyterhub"):
                person.http.cookies.delete(cookie.name, cookie.domain, cookie.path)
        _cookies[key] = person.http.cookies
    return _cookies[key]


@pytest.mark.parametrize("payload", NEXT, ids=short)
def test_the_first_page_leads_nobody_elsewhere(doors, payload):
    stranger = doors.facility.person("nobody")
    answer = follow(
        stranger, stranger.at(f"hub/login?next={quote(fill(payload, stranger))}")
    )
    links = re.findall(r'(?:href|action|src)="([^"]*)"', answer.text)
    assert links
    for link in links:
        assert target_of(answer.url, link.replace("&amp;", "&"))[1] != EVIL
    stranger.http.close()


def test_a_log_out_leads_nobody_elsewhere(doors):
    person = doors.facility.person("teacher1")
    for payload in NEXT:
        follow(person, person.at(f"hub/logout?next={quote(fill(payload, person))}"))


@pytest.mark.parametrize(
    "path",
    [
        "/evil.example",
        "//evil.example",
        "//evil.example/%2e%2e",
        "//evil.example/..",
        "///evil.example//",
        "/\\evil.example",
        "/%5cevil.example",
        "/%5c%5cevil.example/%2e%2e%2f",
        "//hub//evil.example",
        "/hub//evil.example/",
        "/hub/user-redirect//evil.example",
        "/hub/user-redirect/%2fevil.example",
        "/hub/user-redirect/http://evil.example",
        "/hub/user-redirect/@evil.example",
        "/hub/user-redirect/..//..//evil.example",
        "/user//evil.example",
        "/user/evil.example//",
        "/services//evil.example",
        "//services/evil.example",
        "/hub/spawn//evil.example",
        "/hub/user//evil.example/",
        "/@evil.example/",
    ],
)
@pytest.mark.parametrize("is_known", [True, False], ids=["logged in", "a stranger"])
def test_a_path_leads_nobody_elsewhere(doors, person, path, is_known):
    who = person if is_known else doors.facility.person("nobody")
    follow(who, f"{who.at('').rstrip('/')}{path}")
