"""A login while the IAM, the register or the client's secret is not as it should be."""

from __future__ import annotations

import pytest
from fake_iam import CLIENT_SECRET, FakeIAM, rsa_key
from ports import free_port
from sign_in_world import STUDENT, try_login

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]

# the IAM comes and goes


async def test_iam_that_is_away_has_a_page_and_one_line_a_login(start_hub, hub_config):
    hub_config["FacilityAware"]["issuer"] = "http://127.0.0.1:9/"
    hub = await start_hub()
    status, page = await try_login(hub)
    assert (status, page.title) == (503, "The login service does not answer")
    assert page.alert == (
        "http://127.0.0.1:9/ does not answer, so nobody can log in to Test facility at "
        "the moment; servers that run go on. Try again in a minute; if it stays so, "
        "tell support@example.org."
    )
    assert hub.rules() == ["iam-away"]


async def test_hub_that_started_before_its_iam_lets_people_in_later(
    start_hub, hub_config, service
):
    later, port = FakeIAM(), free_port()
    later.url = f"http://127.0.0.1:{port}"
    hub_config["FacilityAware"]["issuer"] = later.issuer
    hub = await start_hub()
    later.person.claims = STUDENT
    async with later.running(port), hub.browser() as browser:
        page = await browser.log_in()
    assert page.status_code == 200
    assert hub.user("student1") is not None


@pytest.mark.parametrize("status", [404, 500, 200])
async def test_iam_without_discovery_is_used_by_its_convention(hub, iam, status):
    iam.status["/.well-known/openid-configuration"] = (status, "no")
    iam.person.claims = STUDENT
    found, _ = await try_login(hub)
    assert found == 200


async def test_iam_that_breaks_after_a_login_is_seen_at_the_next_one(
    hub, iam, monkeypatch
):
    iam.person.claims = STUDENT
    await try_login(hub)
    for path in ("/.well-known/openid-configuration", "/jwk", "/authorize", "/token"):
        iam.status[path] = (503, "")
    monkeypatch.setattr("jupyterhub_af.hub.iam_client.KEEP_FAILURE_SECONDS", -1.0)
    monkeypatch.setattr("jupyterhub_af.hub.key_set.KEEP_ANSWER_SECONDS", -1.0)
    status, page = await try_login(hub)
    assert (status, page.title) == (503, "The login service does not answer")


async def test_rotated_key_is_fetched_at_the_first_login_that_needs_it(hub, iam):
    iam.person.claims = STUDENT
    await try_login(hub)
    iam.keys, iam.kid = {"rsa2": rsa_key("rsa2")}, "rsa2"
    status, _ = await try_login(hub)
    assert (status, iam.calls.count("/jwk")) == (200, 2)
    iam.keys, iam.kid = {"rsa3": rsa_key("rsa3")}, "rsa3"
    status, _ = await try_login(hub)
    assert (status, iam.calls.count("/jwk")) == (403, 2)
    assert hub.rules() == ["key-unknown"]


# the client's secret


async def test_secret_that_others_may_read_is_not_used(hub, iam, secret_file):
    for mode in (0o644, 0o640, 0o604, 0o660):
        secret_file.chmod(mode)
        hub.log.clear()
        status, page = await try_login(hub)
        assert (status, hub.rules()) == (503, ["client-not-set-up"])
        assert page.title == "The login of this facility is not set up right"
        lines = [
            r.getMessage() for r in hub.log.records if "nobody in" in r.getMessage()
        ]
        assert f"{secret_file} has mode {mode:04o}" in lines[0]
        assert str(secret_file) not in page.alert
    assert "/token" not in iam.calls


async def test_absent_and_empty_secret_have_a_page(hub, iam, secret_file):
    iam.person.claims = STUDENT
    secret_file.write_text("\n")
    assert (await try_login(hub))[0] == 503
    secret_file.unlink()
    assert (await try_login(hub))[0] == 503
    assert hub.rules() == ["client-not-set-up"] * 2


async def test_changed_secret_needs_no_restart(hub, iam, secret_file):
    iam.person.claims = STUDENT
    secret_file.write_text("wrong")
    assert (await try_login(hub))[0] == 503
    secret_file.write_text(CLIENT_SECRET)
    assert (await try_login(hub))[0] == 200


# the register


async def test_refusal_of_the_register_is_shown_in_its_words(hub, iam, service):
    iam.person.claims = STUDENT
    words = (
        "The name student1 belongs to <b>somebody else</b>. Ask support@example.org."
    )
    service.refuse = (409, {"message": words, "rule": "name-taken"})
    status, page = await try_login(hub)
    assert (status, page.title) == (403, "This account cannot be used here")
    assert page.alert == words
    assert (hub.rules(), hub.user("student1")) == (["name-taken"], None)


async def test_service_that_does_not_work_has_a_page(hub, iam, service, subtests):
    iam.person.claims = STUDENT
    for what, status, body in [
        ("other secret", 401, {"message": "Wrong secret.", "rule": "secret"}),
        ("error", 500, {"message": "Broken.", "rule": "bug"}),
        ("other version", 200, {"name": "student1"}),
        ("name the hub changes", 200, {"name": "Student1", "uid": 1, "gid": 1}),
        ("no words", 502, {}),
    ]:
        with subtests.test(what):
            service.refuse = (status, body)
            found, page = await try_login(hub)
            assert (found, page.title) == (
                503,
                "A part of the facility does not answer",
            )
            assert "Wrong secret" not in page.alert
            assert hub.user("student1") is None


async def test_service_that_is_away_has_a_page(start_hub, hub_config, iam, tmp_path):
    hub_config["FacilityAware"]["service_url"] = f"unix:{tmp_path}/nobody.sock"
    hub = await start_hub()
    iam.person.claims = STUDENT
    status, page = await try_login(hub)
    assert (status, hub.rules()) == (503, ["facility-away"])
    assert page.alert == (
        "The accounts of Test facility cannot be looked up at the moment, so nobody can "
        "log in; servers that run go on. Try again in a minute; if it stays so, tell "
        "support@example.org."
    )
