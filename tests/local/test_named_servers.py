"""Servers beside the first: each with its own plan, limits, log, token and end."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from door_world import DoorWorld, assert_refused
from facility_world import Person, RunningFacility, descendants, wait_until

pytestmark = pytest.mark.local
# the first server's folder must not be the one of a server of this name
FIRST, NAMED = "", "default"
CHOICES = {
    FIRST: {"profile": "dodas-v5", "size.dodas-v5": "small"},
    NAMED: {"profile": "lab", "size.lab": "wide"},
}

BAD_NAMES = [
    pytest.param("%252e%252e", id="two dots in per cent twice"),
    pytest.param("..%2Fx", id="a path upwards"),
    pytest.param("a%2Fb", id="a path"),
    pytest.param("%2Fetc%2Fpasswd", id="a path from the root"),
    pytest.param("..%5Cx", id="a path of Windows"),
    pytest.param(quote("ünï"), id="letters with marks"),
    pytest.param(quote("\u0455econd"), id="a foreign letter"),
    pytest.param(quote("a\u202eb"), id="written from the right"),
    pytest.param("a" * 31, id="31 characters"),
    pytest.param("a" * 500, id="500 characters"),
    pytest.param("a%00", id="NUL"),
    pytest.param("a%0A", id="a newline at the end"),
    pytest.param("a%20b", id="a blank"),
    pytest.param("Second", id="a capital"),
    pytest.param("a--b", id="two hyphens"),
    pytest.param("-a", id="a hyphen first"),
    pytest.param("a-", id="a hyphen last"),
    pytest.param("1a", id="a digit first"),
    pytest.param("a.b", id="a dot"),
    pytest.param("a%3Bid", id="a shell"),
    pytest.param("%7B%7Ba%7D%7D", id="a template"),
]


@pytest.fixture(scope="module")
def student(doors: DoorWorld) -> Person:
    return doors.student


def ask(person: Person, way: str, name: str) -> httpx.Response:
    """Ask for a named server by one of the ways."""
    page = person.at(f"hub/spawn/{person.username}/{name}")
    if way == "the form":
        return person.http.post(
            page,
            params={"_xsrf": person.xsrf()},
            data={"profile": "lab"},
            follow_redirects=False,
        )
    if way == "a query string":
        return person.http.get(f"{page}?opt-profile=lab", follow_redirects=False)
    method = {"the API": "POST", "the API without a start": "PUT"}[way]
    return person.api(method, person.server_path(name), json={"profile": "lab"})


@pytest.mark.parametrize("way", ["the form", "a query string", "the API"])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_leads_elsewhere_is_refused_in_words(doors, student, way, name):
    def folders() -> set[str]:
        return {path.name for path in (doors.facility.data / "servers").iterdir()}

    before, there = doors.trace(), folders()
    answer = ask(student, way, name)
    assert "1 to 30 characters" in assert_refused(answer)
    assert doors.trace() == before
    assert folders() == there
    home = student.http.get(student.at("hub/home")).text
    assert "passwd" not in home


@pytest.mark.parametrize("way", ["the form", "a query string", "the API"])
@pytest.mark.parametrize("name", ["..", "%2e%2e", "a%FF", "%", "a%2"])
def test_a_name_that_the_proxy_does_not_pass_on_starts_nothing(
    doors, student, way, name
):
    """The proxy resolves the dots itself, and answers 500 to what is no text."""
    before = doors.trace()
    answer = ask(student, way, name)
    assert 400 <= answer.status_code <= 500
    assert answer.status_code < 500 or name in ("a%FF", "%", "a%2")
    assert "Traceback" not in answer.text
    assert doors.trace() == before


def test_a_page_for_a_name_that_may_not_be_shows_no_form(student):
    answer = student.http.get(student.at("hub/spawn/student2/..%2Fx"))
    assert "1 to 30 characters" in assert_refused(answer)


def environments(facility: RunningFacility, prefix: str) -> list[dict[str, str]]:
    """Return the environments of the processes of one server."""
    found = []
    for pid in descendants(int(facility.up["pids"]["hub"])):
        try:
            text = Path(f"/proc/{pid}/environ").read_bytes().decode()
        except OSError:
            continue
        pairs = (pair.partition("=") for pair in text.split("\0"))
        environment = {key: value for key, _, value in pairs}
        if environment.get("JUPYTERHUB_SERVICE_PREFIX") == prefix:
            found.append(environment)
    return found


def me(facility: RunningFacility, prefix: str) -> dict:
    """Return what the service says to a server that asks by its own token."""
    token = environments(facility, prefix)[0]["JUPYTERHUB_API_TOKEN"]
    headers = {"Authorization": f"token {token}"}
    url = f"{facility.url}services/af/api/me"
    answer = httpx.get(url, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["server"])


def limits_of(facility: RunningFacility) -> set[str]:
    """Return the names of the control groups of a facility's servers."""
    key = hashlib.sha256(str(facility.data / "servers").encode()).hexdigest()[:8]
    folders = Path("/sys/fs/cgroup").glob(f"*/jupyterhub-af/{key}-*")
    return {folder.name.removeprefix(f"{key}-") for folder in folders}


@pytest.fixture(scope="module")
def stopped_at_last(doors: DoorWorld, student: Person) -> Iterator[None]:
    """Stop both servers after the last test."""
    yield
    for name in CHOICES:
        if student.server(name):
            student.stop(name)
    doors.forget_trace()


@pytest.fixture
def pair(doors: DoorWorld, student: Person, stopped_at_last: None) -> RunningFacility:
    """Two servers of one person, side by side; a test may stop them."""
    for name, choice in CHOICES.items():
        if not student.server(name):
            student.start(name, **choice)
    return doors.facility


def test_two_servers_of_one_person_have_a_plan_each(pair):
    plans = pair.plans()
    first, named = plans["student2", FIRST], plans["student2", NAMED]
    assert (first["profile"], first["size"]) == ("dodas-v5", "small")
    assert (named["profile"], named["size"]) == ("lab", "wide")
    assert first["start_id"] != named["start_id"]
    assert first["uid"] == named["uid"]
    assert len(pair.sandboxes()) == 2


def test_each_server_is_told_its_own_plan(pair):
    first = me(pair, "/user/student2/")
    named = me(pair, "/user/student2/default/")
    assert (first["name"], first["profile"]) == (FIRST, "dodas-v5")
    assert (named["name"], named["profile"], named["size"]) == (NAMED, "lab", "wide")


def test_each_server_has_its_own_folder_log_and_limits(pair):
    folders = {"student2", "student2--default"}
    assert limits_of(pair) == folders
    for name, prefix in (
        ("student2", "/user/student2/"),
        ("student2--default", "/user/student2/default/"),
    ):
        log = (pair.data / "servers" / name / "server.log").read_text()
        assert f"{prefix}lab" in log
        assert ("/user/student2/default/" in log) == (prefix != "/user/student2/")


def test_each_server_answers_at_its_own_address(pair, student):
    for path in ("user/student2/lab", "user/student2/default/lab"):
        answer = student.http.get(student.at(path))
        assert answer.status_code == 200, path
        assert answer.url.path.startswith(f"/{path}")
        assert f'"baseUrl": "/{path.removesuffix("lab")}"' in answer.text


def test_one_that_ends_leaves_the_other(pair, student):
    """A killed server is noticed and started again; then each is stopped by itself."""
    victim = next(
        pid
        for pid in pair.sandboxes()
        if any(
            b"SERVICE_PREFIX=/user/student2/default/" in environ(child)
            for child in descendants(pid)
        )
    )
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not student.server(NAMED), what="it was noticed")
    assert student.server(FIRST)["ready"]
    student.start(NAMED, **CHOICES[NAMED])
    student.stop(FIRST)
    assert student.server(NAMED)["ready"]
    assert limits_of(pair) == {"student2--default"}
    assert me(pair, "/user/student2/default/")["name"] == NAMED
    answer = student.api("DELETE", student.server_path(NAMED), json={"remove": True})
    assert answer.status_code in (202, 204)
    # its process ends first, then its limits, then the hub is done with it
    wait_until(lambda: not student.server(NAMED), what="both have ended")
    assert (pair.sandboxes(), limits_of(pair)) == (set(), set())


def environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def test_the_audit_knows_each_server_and_who_asked(doors, student, pair):
    student.stop(NAMED)
    doors.admin.api("POST", "users/student2/servers/third", json={"profile": "ml-infn"})
    events = pair.audit()
    seen = {(e["actor"], e["action"], e["target"], e["result"]) for e in events}
    assert ("student2", "server.start", "student2/", "done") in seen
    assert ("student2", "server.start", "student2/default", "done") in seen
    assert ("student2", "server.stop", "student2/default", "done") in seen
    assert ("admin1", "server.start", "student2/third", "refused") in seen


@pytest.mark.parametrize(
    "way", ["the form", "a query string", "the API", "the API without a start"]
)
def test_one_server_too_many_is_refused_in_words(doors, way):
    """The facility was started with three named servers for each person."""
    person = doors.facility.person("teacher1")
    person.log_in()
    for name in ("one", "two", "three"):
        answer = person.api(
            "POST", person.server_path(name), json={"profile": "ml-infn"}
        )
        assert answer.status_code == 403
    answer = ask(person, way, "four")
    if answer.status_code == 405:
        pytest.skip("JupyterHub 5 makes no server without a start")
    assert "teacher1 has 3 named servers" in assert_refused(answer)
    assert "four" not in {name for _, name in doors.facility.plans()}


def test_without_the_option_there_are_no_named_servers(facility):
    person = facility.person("teacher1")
    person.log_in()
    for way in ("the form", "a query string", "the API"):
        words = assert_refused(ask(person, way, "second"))
        assert "one server, without a name" in words, way
    assert not person.server("second")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([], id="a list"),
        pytest.param({"name": "../x"}, id="a path for a name"),
        pytest.param({"name": 5}, id="a number for a name"),
        pytest.param({"name": ""}, id="an empty name"),
        pytest.param({"display_name": 5}, id="a number for the shown name"),
        pytest.param({"user_options": ["lab"]}, id="a list for the choice"),
        pytest.param({"kubespawner_override": {}}, id="an unknown key"),
    ],
)
def test_a_server_is_not_changed_to_something_malformed(doors, body):
    if not doors.has_patch:
        pytest.skip("JupyterHub 5 changes no servers")
    answer = doors.student.api("PATCH", doors.student.server_path(), json=body)
    assert_refused(answer)


@pytest.mark.parametrize("body", [b"[]", b"5", b'"remove"', b"{", b"\xff"])
def test_a_stop_with_a_malformed_body_is_refused_in_words(student, body):
    answer = student.api("DELETE", student.server_path(), content=body)
    assert_refused(answer)
