"""Who gets in through an IAM at the wire, with which groups, and for how long."""

from __future__ import annotations

import time
from urllib.parse import urljoin

import pytest
from fake_iam import FakeAccount
from sign_in_world import ADMIN, STUDENT, Page, assert_secrets_unlogged, try_login

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]

# who gets in


async def test_student_logs_in_and_the_hub_knows_what_it_must(hub, iam, service):
    iam.person = FakeAccount("80e5fb8d", STUDENT)
    async with hub.browser() as browser:
        page = await browser.log_in()
    assert (page.status_code, page.url.path[-9:]) == (200, "/hub/home")
    user = hub.user("student1")
    assert sorted(g.name for g in user.groups) == ["hackathon", "hackathon/students"]
    assert user.admin is False
    state = await user.get_auth_state()
    assert state.pop("access_token") in iam.secrets
    assert state.pop("refresh_token") in iam.secrets
    now = state.pop("login_at")
    assert now == pytest.approx(time.time(), abs=600)
    assert state == {
        "checked_at": now,
        "answered_at": now,
        "refusal": None,
        "is_out": False,
        "auth_time": None,
        "token_obtained_at": now,
        "token_expires_at": now + 3599,
        "revision": 0,
        "scope": ["openid", "profile", "email", "offline_access"],
        "iss": iam.issuer,
        "client_id": "the-hub",
        "sub": "80e5fb8d",
        "groups": ["hackathon", "hackathon/students"],
    }
    assert service.requests == [
        {
            "issuer": iam.issuer,
            "subject": "80e5fb8d",
            "preferred_username": "student1",
            "is_known_to_hub": False,
        }
    ]
    assert [(e["actor"], e["action"], e["result"]) for e in service.events] == [
        ("student1", "login", "allowed")
    ]
    assert "/userinfo" not in iam.calls
    assert_secrets_unlogged(hub)


async def test_request_to_the_iam_has_pkce_a_nonce_and_no_prompt(hub, iam):
    iam.person.claims = STUDENT
    await try_login(hub)
    await try_login(hub)
    first, second = iam.authorize_queries
    assert first["scope"] == "openid profile email offline_access"
    assert "prompt" not in first
    for key in ("nonce", "state", "code_challenge"):
        assert len(first[key]) >= 43
        assert first[key] != second[key]
    assert len({first["nonce"], first["state"], first["code_challenge"]}) == 3


GROUPS = [
    (["hackathon"], True, False, "an allowed group"),
    (["cygno", "zoo"], True, False, "an allowed group among others"),
    (["hackathon", "hackathon/x"], True, False, "a child with parent"),
    (["hackathon/x"], False, False, "a child without its parent"),
    (["facility", "facility/admins"], True, True, "administrators"),
    (["facility"], False, False, "parent of the administrators"),
    (["facility/admins"], False, False, "administrators, no parent"),
    (["Hackathon", "CYGNO"], False, False, "groups in capitals"),
    (["/hackathon"], False, False, "a slash in front"),
    (["hackathon "], False, False, "a blank behind"),
    (["hackathon,cygno"], False, False, "two groups as one"),
    (["zoo"], False, False, "a group of others"),
    ([], False, False, "no group"),
    ("hackathon", False, False, "a text in place of a list"),
    ({"hackathon": 1}, False, False, "a map in place of a list"),
    (None, False, False, "null in place of a list"),
    ([["hackathon"]], False, False, "a list in the list"),
]


async def test_groups_decide_who_is_let_in_and_who_is_administrator(hub, iam, subtests):
    for number, (groups, allowed, admin, what) in enumerate(GROUPS):
        with subtests.test(what):
            name = f"person{number}"
            claims = {"preferred_username": name, "groups": groups}
            iam.person = FakeAccount(name, claims)
            status, _ = await try_login(hub)
            user = hub.user(name)
            assert status == (200 if allowed else 403)
            assert (user is not None, bool(user and user.admin)) == (allowed, admin)


URN = "urn:geant:iam.example:group:hackathon"
FORMS = {
    "iam": ({"groups": ["hackathon", "hackathon/gw"]}, {}),
    "wlcg": ({"wlcg.groups": ["/hackathon", "/hackathon/gw"]}, {}),
    "kc": ({"roles": ["hackathon/gw", "hackathon"]}, {}),
    "aarc": ({"entitlements": [URN, f"{URN}:gw"]}, {}),
    "groups in userinfo only": ({}, {"groups": ["hackathon", "hackathon/gw"]}),
}


async def test_every_form_gives_the_same_groups(hub, iam, subtests):
    for form, (claims, userinfo) in FORMS.items():
        for place in ("ID token", "userinfo"):
            with subtests.test(f"{form}, name in the {place}"):
                name = f"{form[:4]}{place[:2]}".lower().replace(" ", "")
                named = {"preferred_username": name}
                iam.person = FakeAccount(name, claims, {**userinfo, **named})
                if place == "ID token":
                    iam.person.claims = {**claims, **named}
                status, _ = await try_login(hub)
                assert status == 200
                found = sorted(group.name for group in hub.user(name).groups)
                assert found == ["hackathon", "hackathon/gw"]


async def test_groups_of_the_id_token_are_not_added_to_by_userinfo(hub, iam):
    iam.person.claims = {"groups": ["hackathon"]}
    iam.person.userinfo = {
        "preferred_username": "student1",
        "groups": ["facility", "facility/admins"],
    }
    await try_login(hub)
    assert [group.name for group in hub.user("student1").groups] == ["hackathon"]
    assert hub.user("student1").admin is False


async def test_administrator_who_left_the_group_is_none_at_the_next_login(hub, iam):
    iam.person.claims = {**ADMIN, "groups": [*ADMIN["groups"], "hackathon"]}
    await try_login(hub)
    assert hub.user("admin1").admin is True
    iam.person.claims = {**ADMIN, "groups": ["hackathon"]}
    await try_login(hub)
    assert hub.user("admin1").admin is False
    assert [group.name for group in hub.user("admin1").groups] == ["hackathon"]


async def test_values_that_are_no_groups_are_counted_and_not_logged(hub, iam):
    bad = ["<script>alert(1)</script>", "a,b", "../etc", 7]
    iam.person.claims = {**STUDENT, "groups": ["hackathon", *bad]}
    await try_login(hub)
    lines = [r.getMessage() for r in hub.log.records if "dropped" in r.getMessage()]
    assert lines == [
        "dropped 4 values of the groups of student1: not groups of this facility's form"
    ]
    assert not any("script>" in r.getMessage() for r in hub.log.records)


async def test_returning_person_keeps_the_name_of_the_register(hub, iam, service):
    iam.person = FakeAccount("sub-7", STUDENT)
    await try_login(hub)
    iam.person = FakeAccount("sub-7", {**STUDENT, "preferred_username": "renamed"})
    await try_login(hub)
    assert hub.user("renamed") is None
    assert [r["is_known_to_hub"] for r in service.requests] == [False, False]


async def test_register_hears_that_a_name_is_an_old_hub_user(hub, iam, service):
    # "user" is in the test hub's database before anybody logs in
    iam.person.claims = {**STUDENT, "preferred_username": "USER"}
    await try_login(hub)
    assert service.requests[0]["is_known_to_hub"] is True


# after the login


async def log_in_with_token(hub, iam, claims):
    """Return a browser that is logged in, and an API token of the same person."""
    iam.person.claims = claims
    browser = hub.browser()
    await browser.log_in()
    user = hub.user(claims["preferred_username"])
    token = user.new_api_token()
    hub.app.db.commit()
    return browser, token, user


def change_facility(hub, old: str, new: str) -> None:
    text = hub.facility_file.read_text()
    assert old in text
    hub.facility_file.write_text(text.replace(old, new))


async def whoami(browser, token) -> int:
    response = await browser.http.get(
        urljoin(browser._hub.url, "api/user"),
        headers={"Authorization": f"Bearer {token}"},
    )
    return response.status_code


async def test_logged_in_person_stays_while_the_iam_is_away(hub, iam):
    browser, token, _ = await log_in_with_token(hub, iam, STUDENT)
    calls = len(iam.calls)
    async with browser:
        assert (await browser.get("home", follow=False)).status_code == 200
        assert await whoami(browser, token) == 200
    assert len(iam.calls) == calls


async def test_edited_file_withdraws_a_login_at_the_next_look(hub, iam):
    browser, token, user = await log_in_with_token(hub, iam, STUDENT)
    change_facility(hub, "[hackathon, cygno]", "[cygno]")
    async with browser:
        assert (await browser.get("home", follow=False)).status_code == 302
        assert await whoami(browser, token) == 403
        assert list(user.groups) == []
        page = Page(await browser.log_in())
    assert page.by_id["af-wanted"] == "cygno"


async def test_edited_file_ends_being_administrator_at_the_next_look(hub, iam):
    claims = {**ADMIN, "groups": [*ADMIN["groups"], "hackathon"]}
    browser, _, user = await log_in_with_token(hub, iam, claims)
    state = await user.get_auth_state()
    change_facility(
        hub, "admin_groups: [facility/admins]", "admin_groups: [facility/x]"
    )
    async with browser:
        assert (await browser.get("home", follow=False)).status_code == 200
        assert (await browser.get("admin", follow=False)).status_code in (403, 404)
    assert user.admin is False
    assert sorted(g.name for g in user.groups) == sorted(claims["groups"])
    assert await user.get_auth_state() == state


async def test_broken_file_locks_nobody_out(hub, iam):
    browser, _, _ = await log_in_with_token(hub, iam, STUDENT)
    hub.facility_file.write_text("version: [")
    async with browser:
        assert (await browser.get("home", follow=False)).status_code == 200


async def test_logout_ends_the_hubs_session(hub, iam):
    iam.person.claims = STUDENT
    async with hub.browser() as browser:
        await browser.log_in()
        out = await browser.get("logout")
        assert out.status_code == 200
        assert (await browser.get("home", follow=False)).status_code == 302
