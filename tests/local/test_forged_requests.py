"""JupyterHub's list of forged requests, run against our pages, routes and the agent."""

from __future__ import annotations

import re
from urllib.parse import quote

import httpx
import pytest
from door_world import DoorWorld, assert_refused
from facility_world import Person

pytestmark = pytest.mark.local

OLD_STYLE = "2|7329b149|d837ced983e8aac7468bc7a61ce3d51a|1708610065"
TOKENS = {
    "none": None,
    "empty": "",
    "another word": "somethingelse",
    "one of an older tornado": OLD_STYLE,
    "somebody else's": "other",
    "one of the login before": "stale",
    "not text": "\udcff",
}
SITES = (
    {},
    {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"},
    {
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Site": "cross-site",
        "Origin": "http://evil.example",
    },
    {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "cross-site"},
    {
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Site": "cross-site",
        "Referer": "http://evil.example/",
    },
    {"Origin": "null"},
)


@pytest.fixture(scope="module")
def forged(doors: DoorWorld) -> dict[str, str | None]:
    """Return every token that is not the one of this login."""
    neighbour = doors.facility.person("researcher1")
    neighbour.log_in()
    other = neighbour.xsrf()
    neighbour.http.close()
    # the token of an earlier login of the one who is attacked
    before = doors.facility.person("student2")
    before.log_in()
    stale = before.xsrf()
    before.http.close()
    return {**TOKENS, "somebody else's": other, "one of the login before": stale}


@pytest.mark.parametrize(
    "site", SITES, ids=lambda site: " ".join(site.values()) or "no site"
)
@pytest.mark.parametrize("kind", TOKENS)
def test_a_forged_form_starts_nothing(doors, student, forged, kind, site):
    before = doors.trace()
    token = forged[kind]
    params = (
        f"_xsrf={quote(token, errors='surrogateescape')}" if token is not None else ""
    )
    for path, place in (
        (f"hub/spawn?{params}", {}),
        (
            "hub/spawn/student2/second",
            {"X-XSRFToken": token} if token and kind != "not text" else {},
        ),
    ):
        answer = student.http.post(
            student.at(path),
            content="profile=dodas-v5" + (f"&{params}" if params else ""),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                **site,
                **place,
            },
            follow_redirects=False,
        )
        assert 400 <= answer.status_code < 500, answer.status_code
        assert "Traceback" not in answer.text
    assert doors.trace() == before


@pytest.fixture(scope="module")
def student(doors: DoorWorld) -> Person:
    return doors.student


CALLS = (
    ("POST", "users/student2/server"),
    ("POST", "users/student2/servers/second"),
    ("DELETE", "users/student2/server"),
    ("POST", "users/student2/tokens"),
)


@pytest.mark.parametrize(
    "site", SITES, ids=lambda site: " ".join(site.values()) or "no site"
)
@pytest.mark.parametrize("kind", TOKENS)
def test_a_forged_call_does_nothing(doors, student, forged, kind, site):
    before = doors.trace()
    token = forged[kind]
    for method, path in CALLS:
        headers = {"Content-Type": "application/json", **site}
        if token is not None and kind != "not text":
            headers["X-XSRFToken"] = token
        answer = student.http.request(
            method, student.at(f"hub/api/{path}"), content=b"{}", headers=headers
        )
        assert answer.status_code == 403, (method, path)
        assert "_xsrf" in answer.text.lower() or "xsrf" in answer.text.lower()
    assert doors.trace() == before


def test_with_its_own_token_the_same_request_gets_through_to_the_choice(student):
    """What is refused above is the token, not the request."""
    answer = student.post_form(profile="ml-infn")
    assert "ml-infn" in assert_refused(answer)
    answer = student.api("POST", student.server_path(), json={"profile": "ml-infn"})
    assert "ml-infn" in assert_refused(answer)


@pytest.mark.parametrize(
    "site",
    [
        {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "cross-site", "Origin": "null"},
        {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Mode": "nested-navigate", "Sec-Fetch-Site": "cross-site"},
    ],
    ids=lambda site: " ".join(site.values()),
)
def test_another_site_starts_nothing_by_a_link(doors, student, site):
    """It shows the form with the choice; the person presses Start."""
    before = doors.trace()
    for path in ("hub/spawn", "hub/spawn/student2/second"):
        answer = student.http.get(
            student.at(f"{path}?opt-profile=lab"), headers=site, follow_redirects=False
        )
        assert answer.status_code == 200
        page = " ".join(answer.text.split())
        assert re.search(r'value="lab"[^>]* checked', page)
        assert "spawn-error-msg" not in page
        assert "access-control-allow-origin" not in answer.headers
    assert doors.trace() == before
    answer = student.http.get(student.at("hub/api/user"), headers=site)
    assert "access-control-allow-origin" not in answer.headers
    if "navigate" not in site["Sec-Fetch-Mode"]:
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp-not",
        "text/json",
    ],
)
def test_a_call_that_a_page_of_another_site_could_make_is_refused(
    doors, student, content_type
):
    """With the right token even: the kind of body alone tells."""
    before = doors.trace()
    answer = student.http.post(
        student.at("hub/api/users/student2/server"),
        content=b'{"profile": "ml-infn"}',
        headers={"Content-Type": content_type, "X-XSRFToken": student.xsrf()},
    )
    assert answer.status_code in (400, 403)
    assert doors.trace() == before


def test_a_login_that_somebody_else_began_logs_nobody_in(doors):
    """An answer of the IAM's fits only the browser that asked."""
    attacker = doors.facility.person("researcher2")
    url = attacker.at("hub/oauth_login")
    callback = ""
    answer = attacker.log_in()
    assert answer.status_code == 200
    attacker.http.cookies.delete("oauthenticator-state", path="/hub/")
    for _ in range(8):
        answer = attacker.http.get(url, follow_redirects=False)
        url = str(answer.url.join(answer.headers["location"]))
        if "/hub/oauth_callback" in url:
            callback = url
            break
    assert callback
    victim = doors.facility.person("nobody")
    for headers in ({}, *SITES):
        page = victim.http.get(callback, headers=headers)
        assert page.status_code == 400
        assert_refused(page)
    assert victim.http.get(victim.at("hub/api/user")).status_code == 403


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
)
@pytest.mark.parametrize(
    "path", ["api/me", "health", "metrics", "", "internal/plans", "api"]
)
def test_the_services_routes_only_read(student, method, path):
    answer = student.http.request(
        method,
        student.at(f"services/af/{path}"),
        headers={"X-XSRFToken": student.xsrf(), "Origin": "http://evil.example"},
        content=b"{}",
    )
    assert 400 <= answer.status_code < 500
    assert answer.json()["message"].endswith(".")
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "site", SITES, ids=lambda site: " ".join(site.values()) or "no site"
)
def test_the_service_knows_nobody_by_a_cookie(student, site):
    """The person's cookies come along, and are not read: so there is nothing to forge."""
    for path in ("services/af/api/me", "services/af/metrics"):
        answer = student.http.get(
            student.at(path), headers=site, follow_redirects=False
        )
        assert answer.status_code == 401
        assert "access-control-allow-origin" not in answer.headers
        assert "student2" not in answer.text


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/ensure", "/health", "/", "/nowhere"])
def test_the_agent_answers_nobody_without_its_secret(doors, method, path):
    socket = str(doors.facility.data / "agent" / "agent.sock")
    for headers in ({}, {"Authorization": "Bearer x"}, {"Cookie": "a=b"}):
        # a connection of its own: the agent closes one whose body it did not read
        with httpx.Client(transport=httpx.HTTPTransport(uds=socket)) as agent:
            answer = agent.request(method, f"http://localhost{path}", headers=headers)
        if (method, path) == ("GET", "/health"):
            assert answer.status_code == 200
            continue
        assert answer.status_code in (401, 404, 405)
        assert answer.json()["message"].endswith(".")


@pytest.mark.parametrize(
    "path", ["services/storage/", "services/storage/ensure", "services/storage/health"]
)
def test_the_agent_has_no_address_in_the_browser(student, path):
    assert student.http.get(student.at(path)).status_code == 404
