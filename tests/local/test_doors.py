"""Every door to a start: form, query string, API. What is withheld or invented stays out."""

from __future__ import annotations

import json
import os
import re

import pytest
from facility_world import Person, RunningFacility

pytestmark = pytest.mark.local

REFUSED = [
    pytest.param(
        {"profile": "own-image"}, "is for members of the group cygno", id="withheld"
    ),
    pytest.param({"profile": "cygno"}, "There is no profile 'cygno'", id="hidden"),
    pytest.param({"profile": "root"}, "There is no profile 'root'", id="invented"),
    pytest.param(
        {"profile": "dodas-v5", "size": "large"},
        "for members of the group cygno",
        id="size withheld",
    ),
    pytest.param(
        {"profile": "dodas-v5", "size": "huge"},
        "has no size 'huge'",
        id="size invented",
    ),
    pytest.param(
        {"profile": "dodas-v5", "image": "evil.example.org/x:1"},
        "leave the image out",
        id="image",
    ),
    pytest.param(
        {"profile": "dodas-v5", "gpu": "whole"},
        "has no GPU to choose",
        id="gpu invented",
    ),
    pytest.param(
        {"profile": "ml-infn"}, "is not on this machine", id="not on this machine"
    ),
    pytest.param(
        {"profile": "dodas-v5", "volumes": "/"}, "'volumes' is not", id="unknown key"
    ),
]


@pytest.fixture(scope="module")
def student(facility: RunningFacility) -> Person:
    person = facility.person("student2")
    person.log_in()
    return person


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).replace("&#39;", "'")


@pytest.mark.parametrize(("choice", "words"), REFUSED)
def test_a_posted_form_is_refused_in_words_and_starts_nothing(student, choice, words):
    answer = student.post_form(**choice)
    assert 400 <= answer.status_code < 500
    assert words in text_of(answer.text)
    assert "Traceback" not in answer.text
    assert not student.server()


@pytest.mark.parametrize(("choice", "words"), REFUSED)
@pytest.mark.parametrize("prefix", ["", "opt-"])
def test_a_query_string_is_refused_in_words_and_starts_nothing(
    student, choice, words, prefix
):
    query = {f"{prefix}{key}": value for key, value in choice.items()}
    answer = student.http.get(student.at("hub/spawn"), params=query)
    assert 400 <= answer.status_code < 500
    assert words in text_of(answer.text)
    assert "Traceback" not in answer.text
    assert not student.server()


@pytest.mark.parametrize(("choice", "words"), REFUSED)
def test_the_api_is_refused_in_words_and_starts_nothing(student, choice, words):
    answer = student.api("POST", "users/student2/server", json={"user_options": choice})
    assert 400 <= answer.status_code < 500
    assert words in answer.json()["message"]
    assert not student.server()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"profile": None}, id="null"),
        pytest.param({"profile": ""}, id="empty"),
        pytest.param({"profile": 5}, id="a number"),
        pytest.param({"profile": ["dodas-v5"]}, id="a list"),
        pytest.param({"profile": {"slug": "dodas-v5"}}, id="an object"),
        pytest.param({"profile": "dodas-v5\n"}, id="a newline"),
        pytest.param({"profile": "../dodas-v5"}, id="a path"),
        pytest.param({"profile": "x" * 5000}, id="very long"),
        pytest.param({"PROFILE": "dodas-v5"}, id="another key"),
    ],
)
def test_malformed_options_are_refused_by_the_api(student, body):
    answer = student.api("POST", "users/student2/server", json={"user_options": body})
    assert 400 <= answer.status_code < 500
    assert answer.json()["message"].endswith(".")
    assert not student.server()


def test_the_own_token_opens_no_more_than_the_browser(student):
    token = student.make_token()
    answer = student.http.post(
        student.at("hub/api/users/student2/server"),
        headers={"Authorization": f"token {token}"},
        content=json.dumps({"user_options": {"profile": "own-image"}}),
    )
    assert 400 <= answer.status_code < 500
    assert "cygno" in answer.json()["message"]
    assert not student.server()


def test_nobody_starts_a_server_for_somebody_else(student):
    answer = student.api("POST", "users/student1/server", json={})
    assert answer.status_code in (403, 404)
    page = student.http.get(student.at("hub/spawn/student1"))
    assert page.status_code in (403, 404)


def test_a_link_with_a_profile_shows_the_form_and_starts_nothing(student):
    page = student.form_page("?profile=dodas-v5")
    assert page.status_code == 200
    assert re.search(r'value="dodas-v5"[^>]*checked', page.text)
    assert "spawn-error-msg" not in page.text
    assert not student.server()


def test_an_administrator_starts_for_a_student_only_what_the_student_may_have(
    facility, student
):
    admin = facility.person("admin1")
    admin.log_in()
    answer = admin.api(
        "POST", "users/student2/server", json={"user_options": {"profile": "own-image"}}
    )
    assert 400 <= answer.status_code < 500
    assert "cygno" in answer.json()["message"]
    assert not student.server()


def test_an_administrator_is_let_in_and_gets_no_withheld_profile_for_it(facility):
    admin = facility.person("admin1")
    page = admin.log_in()
    assert page.status_code == 200
    assert "is for members of" in text_of(admin.form_page().text)
    answer = admin.api(
        "POST", "users/admin1/server", json={"user_options": {"profile": "cygno"}}
    )
    assert 400 <= answer.status_code < 500


def test_an_outsider_is_told_what_is_missing(facility):
    outsider = facility.person("outsider1")
    page = outsider.log_in()
    text = text_of(page.text)
    assert page.status_code == 403
    for words in ("outsider1", "hackathon", "cygno", "ml-infn", "support@example.org"):
        assert words in text
    assert (
        outsider.http.get(outsider.at("hub/home"), follow_redirects=False).status_code
        == 302
    )


def test_strangers_get_nothing_from_the_service(facility):
    stranger = facility.person("outsider1")
    assert stranger.http.get(stranger.at("services/af/health")).status_code == 200
    for path in ("services/af/metrics", "services/af/internal/accounts"):
        answer = stranger.http.get(stranger.at(path), follow_redirects=False)
        assert answer.status_code in (401, 403, 404), path
    me = stranger.http.get(stranger.at("services/af/api/me"), follow_redirects=False)
    assert me.status_code in (302, 401, 403)


def test_these_tests_run_as_root_so_that_uids_are_real():
    assert os.geteuid() == 0


def test_a_choice_that_is_no_form_is_not_taken_for_an_empty_form(student):
    """An empty form starts the default; a choice that nobody read must not."""
    answer = student.http.post(
        student.at("hub/spawn"),
        params={"_xsrf": student.xsrf()},
        json={"profile": "own-image"},
        follow_redirects=False,
    )
    assert answer.status_code == 400
    assert "must be sent as a form" in text_of(answer.text)
    assert not student.server()


@pytest.mark.parametrize("name", ["_xsrf", "next", "display_name"])
def test_a_marked_field_of_the_hubs_own_is_no_choice(student, name):
    answer = student.http.get(student.at(f"hub/spawn?opt-{name}=x"))
    assert answer.status_code == 403
    assert f"'{name}' is not an option" in text_of(answer.text)
    assert not student.server()


def test_an_unmarked_field_beside_a_marked_one_is_refused_with_it(student):
    """The marked fields are the choice, as on JupyterHub 6."""
    answer = student.http.get(
        student.at("hub/spawn?profile=dodas-v5&opt-profile=own-image")
    )
    assert 400 <= answer.status_code < 500
    assert "cygno" in text_of(answer.text)
    assert not student.server()


def test_a_refusal_is_one_line_in_the_hubs_log(facility, student):
    log = facility.data / "logs" / "hub.log"
    before = len(log.read_text())
    student.post_form(profile="own-image")
    student.http.get(student.at("hub/spawn?opt-profile=own-image"))
    student.api("POST", student.server_path(), json={"profile": "own-image"})
    student.form_page("?profile=dodas-v5")
    new = log.read_text()[before:]
    assert "Traceback" not in new
    assert new.count("is for members of the group cygno") >= 2
