"""The demo IAM's control API: people, keys and outages, and who may ask."""

from __future__ import annotations

from urllib.parse import urljoin

import httpx
import jwt
import pytest
from iam_driver import CLIENT, new_browser
from waiting import wait_until


def test_revoking_a_person_ends_the_refresh_tokens_and_nobody_elses(running):
    mine, other = running.sign_in("admin1"), running.sign_in("student1")
    assert running.control("POST", "accounts/admin1/revoke").json()["revoked"] >= 1
    assert running.refresh(mine.refresh_token).json()["error"] == "invalid_token"
    assert running.refresh(other.refresh_token).status_code == 200


def test_claims_of_the_control_api_replace_what_is_emitted(running):
    claims = {"groups": "a string", "preferred_username": "../root", "extra": [1]}
    running.change("student1", claims=claims)
    answer = running.sign_in("student1").answer
    for emitted in (
        running.id_claims(answer),
        running.userinfo(answer["access_token"]).json(),
    ):
        assert {key: emitted[key] for key in claims} == claims


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        pytest.param("nobody", {}, 404, "no such account", id="an unknown account"),
        pytest.param("student1", {"sub": "x"}, 400, '"sub"', id="an unknown key"),
        pytest.param("student1", {"groups": "a"}, 400, '"groups"', id="a bare group"),
        pytest.param(
            "student1", {"groups": [" "]}, 400, '"groups"', id="a blank group"
        ),
        pytest.param("student1", {"suspended": 1}, 400, "true or false", id="a number"),
        pytest.param(
            "student1", {"claims": []}, 400, '"claims"', id="a list of claims"
        ),
        pytest.param("student1", [], 400, "object", id="a body that is a list"),
    ],
)
def test_the_control_api_refuses_with_a_sentence(running, path, body, status, words):
    answer = running.control("PUT", f"accounts/{path}", body)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert answer.json()["error"].endswith(".")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="no token"),
        pytest.param({"Authorization": "Bearer wrong"}, 401, id="a wrong token"),
        pytest.param({"Host": "evil.example"}, 421, id="another host's name"),
    ],
)
def test_the_control_api_refuses_strangers(running, headers, status):
    url = urljoin(running.iam.control_url, "client")
    answer = running.http.put(url, json={"suspended": True}, headers=headers)
    assert answer.status_code == status
    assert running.control("PUT", "client", {}).json() == CLIENT


def test_the_public_port_refuses_another_hosts_name(running):
    answer = running.http.get(running.at("jwk"), headers={"Host": "evil.example"})
    assert answer.status_code == 421


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        pytest.param("refuse", httpx.ConnectError, id="refuse closes the port"),
        pytest.param("hang", httpx.ReadTimeout, id="hang never answers"),
        pytest.param("half", httpx.ReadTimeout, id="half stops in the body"),
        pytest.param("tls", httpx.RemoteProtocolError, id="tls answers an alert"),
        pytest.param("error", None, id="error answers 503"),
    ],
)
def test_an_outage_hits_the_public_port_only_and_ends_alone(running, kind, failure):
    def is_well() -> bool:
        try:
            return browser.get(running.at("jwk"), timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    with new_browser() as browser:
        assert is_well()
        running.control("POST", "outage", {"seconds": 3600, "kind": kind})
        if failure:
            with pytest.raises(failure):
                # silence is known by its length: whatever is answered comes within it
                browser.get(running.at("jwk"), timeout=5)
        else:
            assert browser.get(running.at("jwk")).status_code == 503
        assert running.control("PUT", "client", {}).status_code == 200
        running.control("POST", "outage", {"seconds": 0.2, "kind": kind})
        wait_until(is_well)


def test_an_outage_is_ended_by_zero_seconds(running):
    running.control("POST", "outage", {"seconds": 3600, "kind": "refuse"})
    running.control("POST", "outage", {"seconds": 0})
    assert running.http.get(running.at("jwk")).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"seconds": 3601, "kind": "hang"}, id="longer than an hour"),
        pytest.param({"seconds": -1, "kind": "hang"}, id="a negative time"),
        pytest.param({"seconds": 1, "kind": "fire"}, id="an unknown kind"),
        pytest.param({"seconds": 1}, id="no kind"),
        pytest.param({"kind": "hang"}, id="no time"),
    ],
)
def test_a_senseless_outage_is_refused(running, body):
    assert running.control("POST", "outage", body).status_code == 400


def test_a_rotated_key_signs_and_the_old_one_still_verifies(start_iam):
    running = start_iam()
    answers = [running.sign_in("student1").answer]
    for alg, kid in (("RS256", "rsa2"), ("ES256", "ec2")):
        rotated = running.control("POST", "rotate-keys", {"alg": alg})
        assert rotated.json() == {"kid": kid}
        answers.append(running.refresh(answers[-1]["refresh_token"]).json())
        header = jwt.get_unverified_header(answers[-1]["id_token"])
        assert header == {"kid": kid, "alg": alg}
    for answer in answers:
        assert running.id_claims(answer)["sub"] == running.sub("student1")
        assert running.userinfo(answer["access_token"]).status_code == 200
