"""The public API: whom a token opens it to, and what it says of them."""

from __future__ import annotations

import pytest
from service_world import ACCESS, FACILITY, GROUPS, ServiceProcess, running

from jupyterhub_af.policy.caller import Caller, server_of
from jupyterhub_af.policy.messages import Health, Refusal
from jupyterhub_af.policy.panel import Me


def refused(reply, status: int) -> str:
    assert reply.status_code == status
    return Refusal.model_validate_json(reply.content).rule


def test_a_server_s_token_says_who_and_which_server(service, hub, start):
    start("alice", "one")
    scopes = (ACCESS, "access:servers!server=alice/one", "access:servers!user=alice")
    reply = service.public("api/me", hub.add("alice", *scopes, groups=GROUPS))
    me = Me.model_validate_json(reply.content)
    assert (me.user, me.groups, me.admin) == ("alice", GROUPS, False)
    assert me.facility.model_dump() == {
        "name": "Test facility",
        "contact": "support@example.org",
    }
    assert me.server.model_dump() == {
        "name": "one",
        "profile": "dodas-v5",
        "profile_display_name": "DODAS V5",
        "size": "small",
        "gpu": None,
        "cores": 1.0,
        "memory_bytes": 2 * 1024**3,
        "start_id": "start-of-alice-one",
        "home": "/af/private",
        "areas": (
            {
                "name": "private",
                "kind": "private",
                "path": "/af/private",
                "read_only": False,
                "survives": True,
                "group": None,
            },
            {
                "name": "collab",
                "kind": "collab",
                "path": "/af/collab/GW",
                "read_only": False,
                "survives": True,
                "group": "hackathon/gw",
            },
        ),
        "left_out": (),
    }
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("name", "scopes", "server"),
    [
        ("alice", ["access:servers!server=alice/"], ""),
        ("alice", ["access:servers!server=alice/one"], "one"),
        ("alice", ["access:servers!server=bob/one"], None),
        ("alice", ["access:servers!server=alice"], None),
        ("alice", ["access:servers!user=alice"], None),
        ("alice", ["access:servers"], None),
        ("alice", [f"access:servers!server=alice/{n}" for n in "ab"], None),
        ("al", ["access:servers!server=alice/one"], None),
    ],
    ids=[
        "the default server",
        "a named server",
        "somebody else's server",
        "no server",
        "every server of a person",
        "every server",
        "two servers",
        "a name that begins like another",
    ],
)
def test_a_server_is_the_caller_s_own_and_the_only_one(name, scopes, server):
    assert server_of(Caller(name=name, scopes=frozenset(scopes))) == server


def test_a_laptop_s_token_has_no_server(service, hub):
    token = hub.add("bob", ACCESS, groups=GROUPS)
    me = Me.model_validate_json(service.public("api/me", token).content)
    assert me.server is None


def test_a_guest_of_a_shared_server_does_not_see_its_plan(service, hub, start):
    start("host", "one")
    token = hub.add("guest", ACCESS, "access:servers!server=host/one", groups=GROUPS)
    assert service.public("api/me", token).json()["server"] is None


def test_the_hub_s_word_for_admin_counts_for_nothing(service, hub):
    token = hub.add("carol", ACCESS, groups=GROUPS)
    assert hub.callers[token]["admin"] is True
    assert service.public("api/me", token).json()["admin"] is False
    token = hub.add("dan", ACCESS, groups=("facility", "facility/admins"))
    assert service.public("api/me", token).json()["admin"] is True


def test_groups_outside_the_grammar_are_left_out(service, hub):
    token = hub.add("erin", ACCESS, groups=("hackathon", "/hackathon", "a b"))
    assert service.public("api/me", token).json()["groups"] == ["hackathon"]


def test_who_may_not_log_in_is_told_why(service, hub):
    reply = service.public("api/me", hub.add("frank", ACCESS, groups=("other",)))
    assert refused(reply, 403) == "login-withheld"
    assert "members of the group hackathon" in reply.json()["message"]


def test_no_token_is_refused(service):
    assert refused(service.public("api/me"), 401) == "token-missing"


@pytest.mark.parametrize("token", ["unknown", "x" * 1025, "a b", "é"])
def test_a_token_the_hub_does_not_know_is_refused(service, token):
    headers = {"Authorization": f"Bearer {token}".encode()}
    rule = refused(service.public("api/me", headers=headers), 401)
    assert rule in ("token-unknown", "token-missing")


def test_a_token_without_the_access_scope_is_refused(service, hub):
    scopes = ("access:services!service=other", "self", "access:servers")
    reply = service.public("api/me", hub.add("gil", *scopes, groups=GROUPS))
    assert refused(reply, 403) == "scope"
    assert ACCESS in reply.json()["message"]


def test_a_service_s_token_is_nobody(service, hub):
    token = hub.add("prometheus", ACCESS, kind="service")
    assert refused(service.public("api/me", token), 403) == "not-a-person"


def test_a_token_in_the_address_or_a_cookie_opens_nothing(service, hub):
    token = hub.add("hal", ACCESS, groups=GROUPS)
    assert service.public("api/me", token).status_code == 200
    assert service.public(f"api/me?token={token}").status_code == 401
    cookie = {"Cookie": f"jupyterhub-hub-login={token}; token={token}"}
    assert service.public("api/me", headers=cookie).status_code == 401
    assert token not in service.log.read_text()


def test_a_token_that_was_revoked_opens_nothing_any_more(service, hub):
    token = hub.add("ida", ACCESS, groups=GROUPS)
    assert service.public("api/me", token).status_code == 200
    del hub.callers[token]
    assert service.public("api/me", token).status_code == 401


@pytest.mark.parametrize("answer", [[], {"name": None}, {"kind": "user"}], ids=str)
def test_a_hub_that_talks_nonsense_lets_nobody_in(service, hub, answer):
    token = hub.add("jan", ACCESS, groups=GROUPS)
    hub.callers[token] = answer
    assert service.public("api/me", token).status_code in (401, 503)


def test_a_hub_that_is_away_is_said_with_words(tmp_path):
    one = ServiceProcess(tmp_path, hub_url="http://127.0.0.1:9")
    with running(one):
        reply = one.public("api/me", "t" * 32)
        assert refused(reply, 503) == "hub-unreachable"
        assert "t" * 32 not in one.log.read_text()
        assert "Traceback" not in reply.text


def test_the_health_is_for_anybody(service):
    health = Health.model_validate_json(service.public("health").content)
    assert (health.status, health.process, health.problems) == ("ok", "af", ())
    assert len(health.facility_digest) == 16


def test_the_metrics_need_the_scope_of_the_hub_s_own(service, hub):
    assert refused(service.public("metrics"), 401) == "token-missing"
    token = hub.add("kim", ACCESS, groups=GROUPS)
    assert refused(service.public("metrics", token), 403) == "scope"
    token = hub.add("prometheus", "read:metrics", kind="service")
    assert "af_accounts" in service.public("metrics", token).text


def test_the_internal_addresses_are_not_public(service):
    for path in ("internal/accounts", "../../internal/plans", "none"):
        assert service.public(path).status_code == 404


def test_an_edit_of_the_file_reaches_the_next_answer(tmp_path, hub):
    one = ServiceProcess(tmp_path, hub_url=hub.url)
    with running(one):
        token = hub.add("leo", ACCESS, groups=GROUPS)
        assert one.public("api/me", token).status_code == 200
        closed = FACILITY.replace("[hackathon]", "[somebody-else]")
        one.edit(closed)
        assert refused(one.public("api/me", token), 403) == "login-withheld"
