"""An IAM that is out of order: who works goes on, nobody new enters, and it is soon over.

Each kind of outage hits five people: one who works, one whose server is idle, one whose
access had ended before, one who wants to start a server, and one who comes anew. AF_PROOF=1 has every kind on a facility
of its own, to the end of the grace; without it two kinds go through a grace, the others
follow one another on one facility.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from door_world import words_of
from facility_world import Person, RunningFacility
from revocation_world import (
    RECHECK_SECONDS,
    SLACK_SECONDS,
    Watched,
    change,
    counts,
    facility_with_bounds,
    set_groups,
    watch,
)
from waiting import wait_until

pytestmark = pytest.mark.local
IS_PROOF = os.environ.get("AF_PROOF") == "1"
GRACE_SECONDS, COURTESY_SECONDS = 20, 6
# in words, and what the demo IAM calls it
KINDS = {
    "refused connections": "refuse",
    "answers of 503": "error",
    "silence": "hang",
    "answers that break off": "half",
    "half the answers": "every-other",
    "another protocol than TLS": "tls",
}
LASTS = 3600
OPEN = {
    "page": "open",
    "page API": "open",
    "user token": "open",
    "OAuth token": "open",
    "server": "open",
    "server, new": "open",
    "gateway": "open",
}
# so many questions of people who are waiting for nothing fit into one grace
QUICK_SECONDS = 3.0


@dataclass
class Weather:
    """The IAM's, and the people in it."""

    facility: RunningFacility
    working: Watched
    idle: Watched
    revoked: Person
    starter: Person

    def begin(self, kind: str) -> None:
        answer = self.facility.control(
            "POST", "outage", {"seconds": LASTS, "kind": kind}
        )
        assert answer.status_code == 200, answer.text

    def end(self) -> None:
        self.facility.control("POST", "outage", {"seconds": 0})

    def connections(self) -> int:
        return int(counts(self.facility)["connections"])

    def renewals(self) -> int:
        return int(counts(self.facility)["grants"].get("refresh_token", 0))


@pytest.fixture(scope="module")
def long_grace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weather]:
    """A grace so long that no outage of these tests outlasts it."""
    folder = tmp_path_factory.mktemp("long")
    with facility_with_bounds(folder, courtesy=COURTESY_SECONDS) as facility:
        yield make_weather(facility)


@pytest.fixture
def weather(long_grace: Weather) -> Iterator[Weather]:
    yield long_grace
    long_grace.end()
    # a test that failed in the middle leaves nobody refused
    wait_until(lambda: can_log_in(long_grace.facility, "admin1"), what="an IAM again")


def make_weather(facility: RunningFacility) -> Weather:
    set_groups(facility, "student3", ["hackathon"])
    working, idle = (
        watch(facility, name, profile="dodas-v5") for name in ("student1", "student2")
    )
    revoked = facility.person("student3")
    revoked.log_in()
    assert revoked.form_page().status_code == 200
    set_groups(facility, "student3", [])
    wait_until(lambda: not is_in(revoked), what="access that ended before")
    starter = facility.person("teacher1")
    starter.log_in()
    assert starter.form_page().status_code == 200
    return Weather(facility, working, idle, revoked, starter)


def is_in(person: Person) -> bool:
    answer = person.http.get(person.at("hub/home"), follow_redirects=False)
    return answer.status_code == 200


def can_log_in(facility: RunningFacility, name: str) -> bool:
    person = facility.person(name)
    try:
        page = person.log_in()
    except Exception:
        return False
    return page.status_code == 200 and is_in(person)


def look_quickly(watched: Watched) -> dict[str, str]:
    """Ask at every door; nobody waits for an IAM that is known to be away."""
    begin = time.monotonic()
    found = watched.look()
    assert time.monotonic() - begin < QUICK_SECONDS * len(found)
    return found


def outlast_a_recheck(weather: Weather) -> None:
    """Wait until every word of the IAM is older than a re-check allows."""
    begin = time.monotonic()
    wait_until(
        lambda: time.monotonic() - begin > RECHECK_SECONDS + 2, what="a re-check"
    )


@pytest.mark.parametrize("says", [pytest.param(says, id=says) for says in KINDS])
def test_who_works_goes_on_and_nobody_new_enters(weather, says):
    weather.begin(KINDS[says])
    outlast_a_recheck(weather)
    assert look_quickly(weather.working) == OPEN
    assert weather.idle.has_server()
    assert not is_in(weather.revoked)
    if KINDS[says] != "every-other":
        assert not can_log_in(weather.facility, "researcher1")
        assert_start_is_refused_in_words(weather)
    assert look_quickly(weather.idle) == OPEN
    before = weather.renewals()
    weather.end()
    returned = time.monotonic()
    wait_until(lambda: weather.renewals() > before, what="the IAM is asked again")
    wait_until(
        lambda: can_log_in(weather.facility, "researcher1"), what="somebody new enters"
    )
    bound = min(60, RECHECK_SECONDS) + SLACK_SECONDS
    assert time.monotonic() - returned < bound
    assert look_quickly(weather.working) == OPEN
    assert (
        "Traceback"
        not in weather.working.person.http.get(
            weather.working.person.at("hub/home")
        ).text
    )


def assert_start_is_refused_in_words(weather: Weather) -> None:
    """A start with groups that nobody confirmed lately is refused, and says so."""
    answer = weather.starter.post_form(profile="dodas-v5")
    assert answer.status_code in (403, 503), answer.status_code
    assert words_of(answer).endswith(".")
    assert "Traceback" not in answer.text


def test_an_outage_costs_at_most_one_call_a_second(weather):
    weather.begin("error")
    outlast_a_recheck(weather)
    before, begin = counts(weather.facility)["requests"], time.monotonic()
    for _ in range(10):
        assert look_quickly(weather.working) == OPEN
        assert look_quickly(weather.idle) == OPEN
    seconds = time.monotonic() - begin
    after = counts(weather.facility)["requests"]
    calls = sum(after.values()) - sum(before.values())
    assert calls <= seconds + 2
    # no refresh token is shown to an IAM that is out of order
    assert after.get("/token") == before.get("/token")


def test_a_key_rotated_during_an_outage_is_known_after_it(weather):
    weather.begin("refuse")
    outlast_a_recheck(weather)
    assert weather.facility.control("POST", "rotate-keys", {}).status_code == 200
    before = weather.renewals()
    weather.end()
    wait_until(lambda: weather.renewals() >= before + 2, what="renewals with a new key")
    outlast_a_recheck(weather)
    assert look_quickly(weather.working) == OPEN
    assert can_log_in(weather.facility, "researcher1")


def test_access_that_ends_during_an_outage_ends_after_it(weather):
    set_groups(weather.facility, "researcher1", ["cygno"])
    assert can_log_in(weather.facility, "researcher1")
    person = weather.facility.person("researcher1")
    person.log_in()
    weather.begin("hang")
    set_groups(weather.facility, "researcher1", [])
    outlast_a_recheck(weather)
    assert is_in(person)
    weather.end()
    wait_until(lambda: not is_in(person), what="the end of access")
    set_groups(weather.facility, "researcher1", ["cygno"])


def grace_kinds() -> list[str]:
    return list(KINDS.values()) if IS_PROOF else ["refuse"]


@pytest.mark.parametrize("kind", grace_kinds())
def test_at_the_end_of_the_grace_access_ends_with_words(tmp_path, kind):
    if kind == "every-other":
        pytest.skip("an IAM that answers every other time is not silent")
    with facility_with_bounds(
        tmp_path, courtesy=COURTESY_SECONDS, grace=GRACE_SECONDS
    ) as facility:
        watched = watch(facility, "student1", profile="dodas-v5")
        begin = time.monotonic()
        facility.control("POST", "outage", {"seconds": LASTS, "kind": kind})
        while time.monotonic() - begin < GRACE_SECONDS - RECHECK_SECONDS - 2:
            assert watched.look() == OPEN
        wait_until(lambda: watched.page() == "login", what="the end of the grace")
        assert time.monotonic() - begin < GRACE_SECONDS + SLACK_SECONDS
        assert watched.gateway() == "refused"
        wait_until(lambda: not watched.has_server(), what="the server's end")
        bound = GRACE_SECONDS + RECHECK_SECONDS + COURTESY_SECONDS + SLACK_SECONDS
        assert time.monotonic() - begin < bound
        facility.control("POST", "outage", {"seconds": 0})
        wait_until(
            lambda: can_log_in(facility, "student1"), what="everything as before"
        )
        change(facility, "accounts/student1", suspended=False)
