"""The demo IAM's pages: signing in, consent, the policy, and what is refused."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qs, urljoin, urlsplit

from iam_driver import (
    CALLBACK,
    AuthorizationRequest,
    FormReader,
    new_browser,
    open_login_page,
)


def test_discovery_names_the_endpoints_as_iam_does(running):
    url = running.at(".well-known/openid-configuration")
    document = running.http.get(url).json()
    issuer = running.iam.issuer
    assert issuer.endswith("/")
    endpoints = {key: document[key] for key in document if key.endswith("_endpoint")}
    assert document["issuer"] == issuer
    assert document["jwks_uri"] == f"{issuer}jwk"
    assert endpoints == {
        "authorization_endpoint": f"{issuer}authorize",
        "token_endpoint": f"{issuer}token",
        "userinfo_endpoint": f"{issuer}userinfo",
        "introspection_endpoint": f"{issuer}introspect",
        "revocation_endpoint": f"{issuer}revoke",
    }


def test_consent_is_asked_only_the_first_time(start_iam):
    running = start_iam()
    first = running.sign_in("researcher1")
    second = running.sign_in("researcher1")
    assert first.headings == ["Sign in", "Allow the analysis facility?"]
    assert second.headings == ["Sign in"]
    assert second.refresh_token


def test_a_browser_that_is_signed_in_sees_no_page_again(running):
    with new_browser() as browser:
        running.walk(browser, AuthorizationRequest(), "student1")
        _, headings = running.walk(browser, AuthorizationRequest(), "student1")
        assert headings == []
        home = browser.get(running.at("/"))
        assert "Giulia Ferrari" in home.text
        running.send_first_form(browser, home, "student1")
        _, headings = running.walk(browser, AuthorizationRequest(), "student2")
        assert headings[0] == "Sign in"


def test_the_client_that_sends_no_pkce_is_refused(running):
    params = AuthorizationRequest().params(running.iam)
    del params["code_challenge"], params["code_challenge_method"]
    answer = running.http.get(running.at("authorize"), params=params)
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["error"] == ["invalid_request"]


def test_a_code_with_a_wrong_verifier_is_refused(running):
    with new_browser() as browser:
        location, _ = running.walk(browser, AuthorizationRequest(), "student1")
    answer = running.token(
        grant_type="authorization_code",
        code=parse_qs(urlsplit(location).query)["code"][0],
        redirect_uri=CALLBACK,
        code_verifier=secrets.token_urlsafe(48),
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_an_unknown_redirect_address_gets_a_page_and_no_redirect(running):
    params = AuthorizationRequest().params(running.iam)
    params["redirect_uri"] = "http://evil.example/"
    answer = running.http.get(running.at("authorize"), params=params)
    assert answer.status_code == 400
    assert "This request cannot go on" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_cancel_is_a_link_that_leads_back_with_a_refusal(running):
    with new_browser() as browser:
        page = open_login_page(running, browser)
        link = FormReader(page.text).links["Cancel and go back"]
        resume = browser.get(urljoin(str(page.url), link))
        answer = browser.get(resume.headers["location"])
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["error"] == ["access_denied"]


def test_the_login_page_needs_no_script_and_escapes_what_was_typed(running):
    with new_browser() as browser:
        page = open_login_page(running, browser)
        name = '"><script>alert(1)</script>'
        answer = running.send_first_form(browser, page, "student1", login=name)
    form = FormReader(page.text).forms[0]
    assert set(form["fields"]) == {"login", "password"}
    assert "INDIGO IAM (demo)" in page.text
    assert "<script" not in page.text + answer.text
    assert FormReader(answer.text).forms[0]["fields"]["login"] == name


def test_a_wrong_password_shows_the_page_again_and_then_a_limit(running):
    with new_browser() as browser:
        page = open_login_page(running, browser)
        answers = [
            running.send_first_form(
                browser, page, "student1", login="nobody", password="wrong"
            )
            for _ in range(9)
        ]
    assert [answer.status_code for answer in answers] == [403] * 8 + [429]
    wrong, limit = (FormReader(answers[at].text).problem for at in (0, 8))
    assert wrong.startswith("The user name or the password is wrong.")
    assert limit.startswith("There were too many wrong passwords")


def test_a_suspended_person_cannot_sign_in_and_reads_why(running):
    running.change("student1", suspended=True)
    with new_browser() as browser:
        page = open_login_page(running, browser)
        answer = running.send_first_form(browser, page, "student1")
    assert answer.status_code == 403
    assert "This account is suspended." in FormReader(answer.text).problem


def test_a_person_who_has_not_accepted_the_policy_is_asked_to(running):
    running.sign_in("teacher1")
    running.change("teacher1", aup_signed=False)
    assert running.sign_in("teacher1").headings == ["Sign in", "Acceptable use policy"]
    assert running.sign_in("teacher1").headings == ["Sign in"]


def test_an_expired_sign_in_gets_a_page_that_says_so(running):
    answer = running.http.get(running.at("interaction/nothing"))
    assert answer.status_code == 400
    assert "This sign-in has expired" in answer.text
