"""The demo IAM's tokens: the claims of each profile, and refresh grants."""

from __future__ import annotations

import json

import jwt
import pytest
from iam_driver import (
    SCOPE,
    STUDENT_GROUPS,
)


def test_a_student_signs_in_and_every_token_has_the_shape_of_iam(running):
    tokens = running.sign_in("student1")
    sub = running.sub("student1")
    person = {
        "name": "Giulia Ferrari",
        "preferred_username": "student1",
        "email": "student1@example.org",
        "organisation_name": "Demo organisation",
        "groups": STUDENT_GROUPS,
    }
    answer = tokens.answer
    assert answer["token_type"] == "Bearer"
    assert answer["scope"].split() == SCOPE.split()
    assert 3500 < answer["expires_in"] <= 3600

    claims = running.id_claims(answer)
    assert claims.pop("exp") - claims.pop("iat") == 600
    assert claims.pop("jti")
    header = jwt.get_unverified_header(answer["id_token"])
    assert claims == {
        "iss": running.iam.issuer,
        "sub": sub,
        "aud": "jupyterhub-af",
        "nonce": tokens.nonce,
        "kid": header["kid"],
        **person,
    }
    assert header == {"kid": header["kid"], "alg": "RS256"}

    access = running.verify(answer["access_token"])
    assert access.pop("exp") - access.pop("iat") == 3600
    assert access.pop("jti")
    without_slash = running.iam.issuer.rstrip("/")
    assert access == {"iss": without_slash, "sub": sub, "client_id": "jupyterhub-af"}

    userinfo = running.userinfo(answer["access_token"]).json()
    userinfo.pop("updated_at", None)
    assert userinfo == {
        "sub": sub,
        "scope": SCOPE.split(),
        "given_name": "Giulia",
        "family_name": "Ferrari",
        "nickname": "student1",
        "email_verified": True,
        **person,
    }

    seen = running.introspect(answer["access_token"])
    assert {key: seen[key] for key in ("active", "iss", "sub", "user_id")} == {
        "active": True,
        "iss": running.iam.issuer,
        "sub": sub,
        "user_id": "student1",
    }
    assert seen["groups"] == STUDENT_GROUPS


def test_without_groups_userinfo_has_no_key_and_the_id_token_an_empty_list(running):
    answer = running.sign_in("outsider1").answer
    assert running.id_claims(answer)["groups"] == []
    assert "groups" not in running.userinfo(answer["access_token"]).json()
    assert "groups" not in running.introspect(answer["access_token"])


def test_the_openid_scope_alone_tells_nothing_but_the_sub(running):
    answer = running.sign_in("student2", scope="openid").answer
    sub = running.sub("student2")
    assert running.userinfo(answer["access_token"]).json() == {"sub": sub}
    assert "groups" not in running.id_claims(answer)
    assert "refresh_token" not in answer


@pytest.mark.parametrize(
    ("profile", "scope", "claim", "groups"),
    [
        pytest.param(
            "wlcg",
            f"{SCOPE} wlcg.groups",
            "wlcg.groups",
            ["/hackathon", "/hackathon/gw", "/hackathon/students"],
            id="wlcg puts a slash before each group",
        ),
        pytest.param(
            "kc", SCOPE, "roles", sorted(STUDENT_GROUPS), id="kc calls groups roles"
        ),
        pytest.param(
            "aarc",
            f"{SCOPE} entitlements",
            "entitlements",
            [
                "urn:geant:iam.example:group:hackathon",
                "urn:geant:iam.example:group:hackathon:gw",
                "urn:geant:iam.example:group:hackathon:students",
            ],
            id="aarc writes each group as a URN",
        ),
    ],
)
def test_the_other_profiles_say_groups_their_way(
    start_iam, profile, scope, claim, groups
):
    running = start_iam(profile)
    answer = running.sign_in("student1", scope=scope).answer
    assert running.id_claims(answer)[claim] == groups
    assert (
        running.verify(answer["access_token"], options={"verify_aud": False})[claim]
        == groups
    )
    assert running.userinfo(answer["access_token"]).json()[claim] == groups
    assert running.introspect(answer["access_token"])[claim] == groups
    assert "groups" not in running.id_claims(answer)


def test_a_wrong_client_secret_is_refused(running):
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    auth = (running.iam.client_id, "wrong")
    answer = running.http.post(running.at("token"), data=form, auth=auth)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_refresh_gives_the_groups_of_now_and_a_new_refresh_token(running):
    tokens = running.sign_in("student1")
    running.change("student1", groups=["cygno"])
    answer = running.refresh(tokens.refresh_token).json()
    assert running.id_claims(answer)["groups"] == ["cygno"]
    assert running.userinfo(answer["access_token"]).json()["groups"] == ["cygno"]
    assert answer["refresh_token"] != tokens.refresh_token
    reused = running.refresh(tokens.refresh_token)
    assert (reused.status_code, reused.json()["error"]) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("path", "change", "status", "body"),
    [
        pytest.param(
            "accounts/student2",
            {"suspended": True},
            401,
            {
                "error": "unauthorized",
                "error_description": "User student2 is not active.",
            },
            id="a suspended person is unauthorized",
        ),
        pytest.param(
            "accounts/student2",
            {"aup_signed": False},
            400,
            {
                "error": "invalid_grant",
                "error_description": "User student2 needs to sign AUP for this "
                "organization in order to proceed.",
            },
            id="a person without the policy has an invalid grant",
        ),
        pytest.param(
            "client",
            {"suspended": True},
            401,
            {
                "error": "invalid_client",
                "error_description": "Client is suspended: jupyterhub-af",
            },
            id="a suspended client is an invalid client",
        ),
    ],
)
def test_a_refresh_is_refused_in_the_words_of_iam(running, path, change, status, body):
    tokens = running.sign_in("student2")
    running.control("PUT", path, change)
    answer = running.refresh(tokens.refresh_token)
    assert (answer.status_code, answer.json()) == (status, body)
    undone = {key: not value for key, value in change.items()}
    running.control("PUT", path, undone)
    assert running.refresh(tokens.refresh_token).status_code == 200


def test_a_revoked_access_token_is_not_active_any_more(running):
    access = running.sign_in("student1").answer["access_token"]
    auth = (running.iam.client_id, running.secret)
    answer = running.http.post(running.at("revoke"), data={"token": access}, auth=auth)
    assert answer.status_code == 200
    assert running.introspect(access) == {"active": False}
    assert running.userinfo(access).status_code == 401


@pytest.mark.parametrize(
    "make_token",
    [
        pytest.param(lambda _: "nothing", id="a word"),
        pytest.param(
            lambda t: t[:-8] + "AAAAAAAA", id="a token with another signature"
        ),
        pytest.param(
            lambda t: jwt.decode(t, options={"verify_signature": False})["jti"],
            id="the id of a token",
        ),
    ],
)
def test_userinfo_refuses_what_is_not_a_token_of_its_own(running, make_token):
    access = running.sign_in("student1").answer["access_token"]
    assert running.userinfo(make_token(access)).status_code in {400, 401}


def test_refresh_tokens_stay_where_they_do_not_rotate(start_iam):
    running = start_iam()
    running.stop()
    config = json.loads(running.iam.config_file.read_text())
    changed = json.dumps(config | {"rotate_refresh_tokens": False})
    running.iam.config_file.write_text(changed)
    running.start()
    tokens = running.sign_in("student1")
    for _ in range(2):
        answer = running.refresh(tokens.refresh_token).json()
        assert answer["refresh_token"] == tokens.refresh_token
