"""The choice of last time, asked for again when it is no longer allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from door_world import FACILITY, DoorWorld, assert_refused
from facility_world import Person

pytestmark = pytest.mark.local
GROUPS = ["hackathon", "hackathon/students", "hackathon/gw"]
WORK = "work"

Way = Callable[[DoorWorld, Person], httpx.Response]


def _with_token(_world: DoorWorld, person: Person) -> httpx.Response:
    headers = {"Authorization": f"token {person.make_token()}"}
    return httpx.post(person.at(f"hub/api/{person.server_path()}"), headers=headers)


REPLAYS: dict[str, Way] = {
    "no body": lambda _, p: p.api("POST", p.server_path()),
    "an empty object": lambda _, p: p.api("POST", p.server_path(), json={}),
    "null for the choice": lambda _, p: p.api(
        "POST", p.server_path(), json={"user_options": None}
    ),
    "only a shown name": lambda _, p: p.api(
        "POST", p.server_path(), json={"display_name": "Mine"}
    ),
    "a token": _with_token,
    "a named server": lambda _, p: p.api("POST", p.server_path(WORK)),
    "an administrator": lambda w, p: w.admin.api("POST", p.server_path()),
    "an administrator for a named server": lambda w, p: w.admin.api(
        "POST", p.server_path(WORK)
    ),
}
PAGES = (
    "hub/spawn",
    "hub/spawn/student1",
    "hub/spawn/student1/work",
    "hub/spawn?next=/user/student1/lab",
    "hub/spawn-pending/student1",
    "hub/spawn-pending/student1/work",
    "hub/user/student1/",
    "hub/user/student1/lab/tree/private",
    "hub/user/student1/work/lab",
    "hub/user-redirect/lab/tree/private",
    "hub/home",
    "hub/",
    "user/student1/",
)


@pytest.fixture(scope="module")
def member(doors: DoorWorld) -> Iterator[Person]:
    """Return somebody whose last choice, of two servers, was their group's profile."""
    found = doors.facility.person("student1")
    found.log_in()
    for server in ("", WORK):
        found.start(server, **{"profile": "gw", "size.gw": "large"})
        found.stop(server)
    yield found
    ensure_groups(doors, found, GROUPS)
    doors.forget_trace()


@pytest.fixture
def person(doors: DoorWorld, member: Person) -> Person:
    """Return them as a member of the group."""
    ensure_groups(doors, member, GROUPS)
    return member


@pytest.fixture
def expelled(doors: DoorWorld, member: Person) -> Person:
    """Return them after the group was taken away at the IAM, logged in again."""
    ensure_groups(doors, member, GROUPS[:2])
    return member


def ensure_groups(doors: DoorWorld, person: Person, groups: list[str]) -> None:
    """Let the IAM say these groups, and the hub know it by a login."""
    if sorted(person.api("GET", "user").json()["groups"]) == sorted(groups):
        return
    answer = doors.facility.control(
        "PUT", f"accounts/{person.username}", {"groups": groups}
    )
    assert answer.status_code < 300, answer.text
    person.http.cookies.clear()
    person.log_in()
    assert sorted(person.api("GET", "user").json()["groups"]) == sorted(groups)


def traces(doors: DoorWorld) -> tuple[object, ...]:
    plans = {at: plan["start_id"] for at, plan in doors.facility.plans().items()}
    return plans, doors.facility.sandboxes()


def test_while_it_is_allowed_the_choice_of_last_time_starts_again(doors, person):
    before = doors.facility.plans()["student1", ""]["start_id"]
    answer = person.api("POST", person.server_path())
    assert answer.status_code in (201, 202)
    try:
        person.wait_until_ready()
        plan = doors.facility.plans()["student1", ""]
        assert plan["start_id"] != before
        assert (plan["profile"], plan["size"]) == ("gw", "large")
    finally:
        doors.facility.end_servers()


@pytest.mark.parametrize("way", REPLAYS.values(), ids=REPLAYS.keys())
def test_after_the_group_is_lost_nothing_starts_by(doors, expelled, way):
    before = traces(doors)
    words = assert_refused(way(doors, expelled))
    assert "hackathon/gw" in words
    assert traces(doors) == before


@pytest.mark.parametrize("path", PAGES)
def test_after_the_group_is_lost_no_page_starts_anything(doors, expelled, path):
    before = traces(doors)
    page = expelled.http.get(expelled.at(path))
    assert page.status_code < 500
    assert "Traceback" not in page.text
    assert 'value="gw" checked' not in " ".join(page.text.split())
    assert traces(doors) == before


@pytest.mark.parametrize("way", REPLAYS.values(), ids=REPLAYS.keys())
def test_after_the_profile_is_closed_in_the_file_nothing_starts_by(
    doors, person, way, closed_file
):
    """Nobody logs in again, nobody lost a group; the edit alone closes it."""
    before = traces(doors)
    assert "cygno" in assert_refused(way(doors, person))
    assert traces(doors) == before


@pytest.fixture
def closed_file(doors: DoorWorld) -> Iterator[Path]:
    """Close the profile of the group for everybody but another group."""
    file = Path(doors.facility.process.args[-3])
    assert file.name == "facility.yaml"
    edited = FACILITY.replace(
        "allowed_groups: [hackathon/gw]", "allowed_groups: [cygno]"
    )
    assert edited != FACILITY
    file.write_text(edited)
    yield file
    file.write_text(FACILITY)


def test_an_administrator_cannot_give_anybody_a_group(doors):
    """The groups are the IAM's: being an administrator opens no profile."""
    for method, path, body in (
        ("POST", "groups/cygno", {"users": ["admin1", "student1"]}),
        ("POST", "groups/cygno/users", {"users": ["admin1"]}),
        ("DELETE", "groups/hackathon/users", {"users": ["student1"]}),
        ("POST", "groups", {"groups": ["cygno"], "users": ["admin1"]}),
        ("PUT", "groups/hackathon/properties", {"cmd": ["/bin/sh"]}),
        ("PATCH", "users/student1", {"auth_state": {"groups": ["cygno"]}}),
        ("PATCH", "users/student1", {"name": "researcher1"}),
        ("PATCH", "users/student1", {"admin": True}),
    ):
        answer = doors.admin.api(method, path, json=body)
        assert "login service" in assert_refused(answer), path
    assert doors.admin.api("GET", "groups").status_code == 200
    answer = doors.admin.api(
        "POST", "users/admin1/server", json={"profile": "own-image"}
    )
    assert "cygno" in assert_refused(answer)


def test_somebody_made_by_an_administrator_has_no_groups_and_starts_nothing(doors):
    made = doors.admin.api("POST", "users/invented1")
    assert made.status_code in (201, 400, 403), made.text
    before = traces(doors)
    answer = doors.admin.api("POST", "users/invented1/server", json={})
    assert 400 <= answer.status_code < 500
    assert traces(doors) == before
    doors.admin.api("DELETE", "users/invented1")
