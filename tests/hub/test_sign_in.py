"""What stops a login: every refusal and outage has a page with words and a way on."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest
from fake_iam import FakeAccount, rsa_key, sign
from sign_in_world import (
    ADMIN,
    OUTSIDER,
    STUDENT,
    Page,
    assert_secrets_unlogged,
    try_login,
)

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]

# the page of the refused


async def test_refused_person_reads_what_was_seen_and_what_is_wanted(hub, iam, service):
    iam.person.claims = OUTSIDER
    async with hub.browser() as browser:
        response = await browser.log_in()
        page = Page(response)
        assert response.status_code == 403
        assert page.title == "You may not use Test facility"
        assert page.by_id["af-account"] == "outsider1"
        assert page.by_id["af-groups"] == "atlas, atlas/users, zoo"
        assert page.by_id["af-wanted"] == "hackathon, cygno"
        assert page.by_id["af-contact"] == "support@example.org"
        assert page.alert.startswith("The account outsider1 may not use Test facility")
        assert response.headers["cache-control"] == "no-store"
        home = await browser.get("home", follow=False)
        assert home.status_code == 302
        iam.person = FakeAccount("sub-2", STUDENT)
        other = await browser.http.get(urljoin(hub.url, page.links["af-other-account"]))
    assert iam.authorize_queries[-1]["prompt"] == "login"
    assert (other.status_code, other.url.path[-5:]) == (200, "/home")
    assert hub.user("outsider1") is None
    assert [(e["actor"], e["rule"], e["result"]) for e in service.events] == [
        ("outsider1", "login-not-allowed", "refused"),
        ("student1", "", "allowed"),
    ]
    assert_secrets_unlogged(hub)


async def test_refused_person_without_groups_reads_none(hub, iam):
    iam.person.claims = {"preferred_username": "nobody1", "groups": []}
    _, page = await try_login(hub)
    assert page.by_id["af-groups"] == "none"


async def test_prompt_of_the_configuration_stays_beside_the_login_prompt(
    start_hub, iam
):
    hub = await start_hub(extra_authorize_params={"prompt": "consent"})
    async with hub.browser() as browser:
        for query in ("", "?prompt=login", "?prompt=none"):
            iam.person.claims = OUTSIDER
            await browser.get(f"oauth_login{query}")
    prompts = [query["prompt"] for query in iam.authorize_queries]
    assert prompts == ["consent", "login consent", "consent"]


# what else can stop a login


CALLBACKS = [
    ("error=access_denied", 403, "You cancelled the login"),
    ("error=invalid_scope&error_description=EVIL", 403, "The login did not work"),
    ("error=EVIL", 403, "The login did not work"),
    ("error=temporarily_unavailable", 503, "The login service does not answer"),
    ("", 400, "This login page is out of date"),
    ("code=abc", 400, "This login page is out of date"),
    ("code=abc&state=EVIL", 400, "This login page is out of date"),
    ("code=&state=x", 400, "This login page is out of date"),
    ("code=abc&state=%C3%A9%00", 400, "This login page is out of date"),
]


async def test_callback_that_cannot_log_in_has_a_page_with_a_way_on(hub, iam, subtests):
    iam.person.claims = STUDENT
    for query, status, title in CALLBACKS:
        async with hub.browser() as browser:
            with subtests.test(query):
                response = await browser.get(f"oauth_callback?{query}")
                page = Page(response)
                assert (response.status_code, page.title) == (status, title)
                assert "EVIL" not in response.text
                assert page.alert.strip().endswith(".")
                again = await browser.http.get(urljoin(hub.url, page.links["af-again"]))
                assert again.url.path.endswith("/home")


async def test_cancelled_login_is_told_apart(hub, iam):
    async with hub.browser() as browser:
        page = Page(await browser.get("oauth_callback?error=access_denied"))
    assert page.alert == (
        f"You cancelled at {iam.issuer}, so you are not logged in to Test facility. "
        "Nothing was changed."
    )


async def test_first_of_two_tabs_is_told_to_log_in_again(hub, iam):
    iam.person.claims = STUDENT
    async with hub.browser() as browser:
        first = await browser.begin()
        second = await browser.begin()
        late = await browser.http.get(first.headers["Location"])
        assert (late.status_code, Page(late).title) == (
            400,
            "This login page is out of date",
        )
        assert second.headers["Location"] != first.headers["Location"]
    assert hub.user("student1") is None


async def test_callback_of_another_browser_logs_nobody_in(hub, iam):
    iam.person.claims = STUDENT
    async with hub.browser() as thief, hub.browser() as victim:
        stolen = await thief.begin()
        await victim.begin()
        response = await victim.http.get(stolen.headers["Location"])
    assert response.status_code == 400
    assert hub.user("student1") is None


async def test_code_that_the_iam_knows_no_more_has_a_page(hub, iam):
    iam.person.claims = STUDENT
    async with hub.browser() as browser:
        back = await browser.begin()
        iam.forget_codes()
        late = await browser.http.get(back.headers["Location"])
        assert (late.status_code, Page(late).title) == (403, "The login did not work")
        twice = await browser.http.get(back.headers["Location"])
    assert (twice.status_code, Page(twice).title) == (
        400,
        "This login page is out of date",
    )
    assert hub.rules() == ["grant-refused"]


def other_nonce(claims):
    return {**claims, "nonce": "x" * 43}


def by_another_key(token):
    _, body, _ = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return sign(claims, rsa_key("evil"), {"alg": "RS256", "kid": "rsa1"})


UNVERIFIABLE = [
    ("claims", other_nonce, "nonce"),
    ("claims", lambda c: {k: v for k, v in c.items() if k != "nonce"}, "nonce"),
    ("claims", lambda c: {**c, "aud": "another"}, "audience"),
    ("claims", lambda c: {**c, "iss": "https://evil.example/"}, "issuer"),
    (
        "claims",
        lambda c: {**c, "exp": c["iat"] - 100, "iat": c["iat"] - 200},
        "expired",
    ),
    ("claims", lambda c: {**c, "sub": ""}, "subject"),
    ("token", by_another_key, "signature"),
    ("token", lambda token: token.split(".")[0] + ".e30.", "token-malformed"),
    ("token", lambda token: None, "token-absent"),
    ("answer", lambda a: {**a, "access_token": "a\nb"}, "token-answer"),
    ("answer", lambda a: {**a, "access_token": 7}, "token-answer"),
    ("answer", lambda a: {**a, "refresh_token": 7}, "token-answer"),
    ("answer", lambda a: {**a, "token_type": "mac"}, "token-answer"),
    ("answer", lambda a: [a], "token-answer"),
]


async def test_answer_that_cannot_be_verified_logs_nobody_in(
    hub, iam, service, subtests
):
    iam.person.claims = ADMIN
    # made while the hub waits for an answer, it could take longer than the hub waits
    rsa_key("evil")
    for number, (knob, change, rule) in enumerate(UNVERIFIABLE):
        with subtests.test(f"{number}: {rule}"), pytest.MonkeyPatch.context() as patch:
            hub.log.clear()
            patch.setattr(iam, f"change_{knob}", change)
            status, page = await try_login(hub)
            assert (status, page.title) == (403, "The login could not be verified")
            begins = f"The sign-in answer of {iam.issuer} could not be verified"
            assert page.alert.startswith(begins)
            assert hub.rules() == [rule]
            assert (hub.user("admin1"), service.requests) == (None, [])
            assert_secrets_unlogged(hub)


@pytest.mark.parametrize("name", [" x", "x" * 256, 7, "a\nb", "", "a\u202eb"])
async def test_a_name_that_no_hub_could_show_is_told_to_be_changed(
    hub, iam, service, name
):
    iam.person.claims = {**ADMIN, "preferred_username": name}
    status, page = await try_login(hub)
    assert (status, page.title) == (403, "This account cannot be used here")
    assert page.alert.endswith("Change it there, or ask support@example.org.")
    assert (hub.rules(), service.requests) == (["username"], [])


@pytest.mark.parametrize(
    ("userinfo", "rule"),
    [
        ({"sub": "sub-2", "preferred_username": "admin1"}, "userinfo-subject"),
        ({"sub": None, "preferred_username": "admin1"}, "userinfo-subject"),
        ({}, "username"),
    ],
    ids=["of another subject", "of no subject", "without a name"],
)
async def test_userinfo_that_does_not_fit_logs_nobody_in(hub, iam, userinfo, rule):
    iam.person.userinfo = userinfo
    status, _ = await try_login(hub)
    assert (status, hub.rules()) == (403, [rule])


TOKEN_ANSWERS = [
    (
        (401, '{"error":"unauthorized","error_description":"EVIL"}'),
        403,
        "Your account is not active",
    ),
    ((400, '{"error":"invalid_grant"}'), 403, "The login did not work"),
    ((400, '{"error":"EVIL"}'), 403, "The login did not work"),
    ((200, '{"error":"EVIL"}'), 403, "The login did not work"),
    (
        (401, '{"error":"invalid_client"}'),
        503,
        "The login of this facility is not set up right",
    ),
    ((302, ""), 403, "The login could not be verified"),
    ((200, "EVIL"), 403, "The login could not be verified"),
    ((500, "EVIL"), 503, "The login service does not answer"),
]


async def test_token_endpoint_that_says_no_has_a_page(hub, iam, subtests):
    for answer, status, title in TOKEN_ANSWERS:
        with subtests.test(f"{answer}"):
            iam.status["/token"] = answer
            found, page = await try_login(hub)
            assert (found, page.title) == (status, title)
            assert not any("EVIL" in r.getMessage() for r in hub.log.records)


# strangers at the door


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/x",
        "//evil.example/x",
        "/\\evil.example/x",
        "\\\\evil.example",
    ],
)
async def test_login_leads_to_no_other_host(hub, iam, wanted):
    iam.person.claims = STUDENT
    async with hub.browser() as browser:
        away = await browser.get(
            f"oauth_login?{urlencode({'next': wanted})}", follow=False
        )
        back = await browser.http.get(away.headers["Location"], follow_redirects=False)
        end = await browser.http.get(back.headers["Location"], follow_redirects=False)
    target = urlsplit(urljoin(hub.url, end.headers["Location"]))
    assert target.netloc == urlsplit(hub.url).netloc
    assert not end.headers["Location"].startswith(("//", "/\\"))


async def test_huge_next_is_dropped_and_the_login_works(hub, iam):
    iam.person.claims = STUDENT
    async with hub.browser() as browser:
        page = await browser.get(f"oauth_login?next=/{'x' * 8000}")
    assert page.url.path.endswith("/home")


async def test_invented_states_leave_no_trace_but_the_access_log(hub, iam):
    async with hub.browser() as browser:
        await browser.begin()
        before = len(hub.log.records)
        for number in range(20):
            query = urlencode({"code": "x" * 2000, "state": f"{number}" * 2000})
            response = await browser.get(f"oauth_callback?{query}")
            assert response.status_code == 400
    lines = [
        r.getMessage()
        for r in hub.log.records[before:]
        if not r.name.startswith(("httpx", "httpcore"))
    ]
    assert max(len(line) for line in lines) < 500
    assert "/token" not in iam.calls


async def test_token_of_an_earlier_login_logs_nobody_in_again(hub, iam):
    tokens = []
    iam.change_token = lambda token: tokens.append(token) or token
    iam.person.claims = STUDENT
    status, _ = await try_login(hub)
    assert status == 200
    iam.change_token = lambda _: tokens[0]
    status, page = await try_login(hub)
    assert (status, page.title) == (403, "The login could not be verified")
    assert hub.rules()[-1] == "nonce"


async def test_state_and_nonce_are_not_the_cookie(hub, iam):
    async with hub.browser() as browser:
        away = await browser.get("oauth_login", follow=False)
        query = parse_qs(urlsplit(away.headers["Location"]).query)
        cookies = "".join(browser.http.cookies.values())
    assert query["state"][0] not in cookies
    assert query["nonce"][0] not in cookies
