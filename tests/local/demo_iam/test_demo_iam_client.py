"""The demo IAM's client: how its tokens live, narrower ones, and how often it asks."""

from __future__ import annotations

import itertools

import pytest

from jupyterhub_af.local.settings import login_scopes
from jupyterhub_af.local.up import DEMO_FACILITY, load_facility

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
GRID_SCOPE = "openid profile offline_access storage.read:/ storage.modify:/"
STORAGE = "https://storage.example.org"
ANY_AUDIENCE = "https://wlcg.cern.ch/jwt/v1/any"


def read(running, token: str) -> dict:
    return running.verify(token, options={"verify_aud": False})


@pytest.mark.parametrize(
    "rotates", [pytest.param(True, id="anew"), pytest.param(False, id="the same")]
)
def test_a_refresh_gives_the_refresh_token_as_the_client_is_set(running, rotates):
    running.control("PUT", "client", {"rotate_refresh_tokens": rotates})
    old = running.sign_in("student1").refresh_token
    first = running.refresh(old).json()["refresh_token"]
    assert (first != old) is rotates
    assert running.refresh(first).status_code == 200


def test_access_tokens_live_as_long_as_the_client_is_set(running):
    answer = running.control("PUT", "client", {"access_token_seconds": 90})
    assert answer.json()["access_token_seconds"] == 90
    tokens = running.sign_in("student1").answer
    claims = read(running, tokens["access_token"])
    assert (claims["exp"] - claims["iat"], tokens["expires_in"]) == (90, 90)
    refreshed = running.refresh(tokens["refresh_token"]).json()
    claims = read(running, refreshed["access_token"])
    assert claims["exp"] - claims["iat"] == 90


@pytest.mark.parametrize("value", [0, -1, 86_401, 1.5, "90", None])
def test_a_senseless_lifetime_is_refused(running, value):
    answer = running.control("PUT", "client", {"access_token_seconds": value})
    assert answer.status_code == 400
    assert "whole number" in answer.json()["error"]


@pytest.mark.parametrize(
    "clears", [pytest.param(True, id="ends"), pytest.param(False, id="goes on")]
)
def test_the_access_token_of_before_ends_where_a_refresh_clears_it(running, clears):
    running.control("PUT", "client", {"clear_access_tokens": clears})
    tokens, other = running.sign_in("student1"), running.sign_in("student2")
    new = running.refresh(tokens.refresh_token).json()["access_token"]
    old = tokens.answer["access_token"]
    assert running.introspect(old)["active"] is not clears
    assert running.introspect(new)["active"]
    assert running.introspect(other.answer["access_token"])["active"]


def test_a_refresh_may_ask_for_fewer_scopes_and_an_audience(running):
    tokens = running.sign_in("student1", scope=GRID_SCOPE)
    narrow = running.token(
        grant_type="refresh_token",
        refresh_token=tokens.refresh_token,
        scope="storage.read:/",
        audience=STORAGE,
    ).json()
    assert narrow["scope"] == "storage.read:/"
    assert "id_token" not in narrow
    assert read(running, narrow["access_token"])["aud"] == STORAGE
    assert "groups" not in running.introspect(narrow["access_token"])
    # the refresh token keeps all that was consented to
    wide = running.refresh(narrow["refresh_token"]).json()
    assert wide["scope"].split() == GRID_SCOPE.split()
    assert "aud" not in read(running, wide["access_token"])


def test_a_refresh_for_more_scopes_is_refused_and_costs_nothing(running):
    tokens = running.sign_in("student1")
    answer = running.token(
        grant_type="refresh_token",
        refresh_token=tokens.refresh_token,
        scope="storage.read:/",
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert running.refresh(tokens.refresh_token).status_code == 200


def exchange(running, token: str, **form: str):
    fields = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, **form}
    return running.token(grant_type=EXCHANGE, **fields)


def test_an_access_token_is_exchanged_for_a_narrower_one(running):
    wide = running.sign_in("student1", scope=GRID_SCOPE).answer["access_token"]
    audience = f"{STORAGE} https://other.example.org"
    answer = exchange(running, wide, scope="storage.read:/", audience=audience)
    assert answer.status_code == 200, answer.text
    given = answer.json()
    assert (given["scope"], given["issued_token_type"]) == (
        "storage.read:/",
        ACCESS_TOKEN,
    )
    assert not {"refresh_token", "id_token"} & set(given)
    claims = read(running, given["access_token"])
    assert claims["aud"] == audience.split()
    assert claims["sub"] == running.sub("student1")
    assert running.introspect(wide)["active"]
    assert running.introspect(given["access_token"])["active"]


def test_the_wlcg_form_names_scope_and_audience_in_the_token(start_iam):
    running = start_iam("wlcg")
    wide = running.sign_in("student1", scope=GRID_SCOPE).answer["access_token"]
    assert read(running, wide)["aud"] == ANY_AUDIENCE
    narrow = exchange(running, wide, scope="storage.read:/", audience=STORAGE).json()
    claims = read(running, narrow["access_token"])
    assert (claims["scope"], claims["aud"]) == ("storage.read:/", STORAGE)


@pytest.mark.parametrize("profile", ["iam", "wlcg", "kc", "aarc"])
def test_the_profiles_of_the_demo_facility_get_the_tokens_that_they_want(
    start_iam, profile
):
    running = start_iam(profile)
    scope = " ".join(login_scopes(profile, is_demo=True))
    wide = running.sign_in("student1", scope=scope).answer["access_token"]
    wishes = [p.token for p in load_facility(DEMO_FACILITY).profiles if p.token]
    assert wishes
    for wish in wishes:
        narrow = exchange(
            running, wide, scope=" ".join(wish.scopes), audience=wish.audience
        ).json()
        claims = read(running, narrow["access_token"])
        assert (narrow["scope"].split(), claims["aud"]) == (
            list(wish.scopes),
            wish.audience,
        )


def test_another_iam_is_asked_for_nothing_that_it_may_not_know():
    assert "storage.read:/" not in login_scopes("iam", is_demo=False)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"subject_token": "x"}, "invalid_grant", id="no token"),
        pytest.param({"subject_token_type": "x"}, "invalid_grant", id="another type"),
        pytest.param({"scope": "storage.read:/"}, "invalid_scope", id="more scopes"),
    ],
)
def test_an_exchange_is_refused_in_the_words_of_the_protocol(running, change, error):
    wide = running.sign_in("student1").answer["access_token"]
    answer = exchange(running, wide, **change)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_suspended_person_exchanges_nothing(running):
    wide = running.sign_in("student1").answer["access_token"]
    running.change("student1", suspended=True)
    answer = exchange(running, wide)
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")


def test_every_call_is_counted_by_its_path_and_its_grant(start_iam):
    running = start_iam()

    def counts() -> dict:
        return running.control("GET", "counts").json()

    before = counts()
    assert (before["requests"], before["grants"]) == ({}, {})
    tokens = running.sign_in("student1")
    running.refresh(tokens.refresh_token)
    running.refresh("nothing")
    found = counts()
    assert found["requests"]["/token"] == 3
    assert found["grants"] == {"authorization_code": 1, "refresh_token": 2}
    running.control("POST", "outage", {"seconds": 3600, "kind": "error"})
    assert running.refresh(tokens.refresh_token).status_code == 503
    later = counts()
    assert later["requests"]["/token"] == 4
    assert later["grants"] == found["grants"]
    assert later["connections"] > found["connections"]


def test_half_of_the_answers_are_missing_in_turn(running):
    running.control("POST", "outage", {"seconds": 3600, "kind": "every-other"})
    found = [running.http.get(running.at("jwk")).status_code for _ in range(6)]
    assert sorted(found) == [200] * 3 + [503] * 3
    assert all(one != other for one, other in itertools.pairwise(found))
