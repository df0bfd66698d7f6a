"""Who may ask the gateway: every kind of token, and a hub that does not answer well."""

from __future__ import annotations

import pytest
from gateway_world import SERVICE, STUDENT, running_gateway
from waiting import wait_until

AWAY = {"error": "The hub does not answer; try again in a minute. What runs goes on."}
UNKNOWN = {
    "error": "The hub does not accept this token: it has expired, or your access to this "
    "facility has ended. The Lab and the hub's page say which; log in again, or ask "
    "support@example.org."
}


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="no header"),
        pytest.param("", id="an empty header"),
        pytest.param("jupyterhub", id="no token"),
        pytest.param("Bearer abc", id="another scheme"),
        pytest.param("token abc", id="a cluster's scheme"),
        pytest.param("jupyterhub a b", id="two tokens"),
        pytest.param(f"jupyterhub {'a' * 1025}", id="a token without end"),
    ],
)
def test_who_brings_no_token_is_asked_for_one(gateway, header):
    import httpx

    headers = {} if header is None else {"Authorization": header}
    answer = httpx.get(f"{gateway.url}/api/v1/clusters/", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "jupyterhub"
    assert answer.json() == {"error": "A JupyterHub token is needed."}


def test_a_token_that_the_hub_refuses_is_a_clean_401(gateway):
    answer = gateway.ask("GET", "/v1/clusters/", "unknown")
    assert (answer.status_code, answer.json()) == (401, UNKNOWN)
    assert "Traceback" not in gateway.log()


def test_a_token_without_the_gateways_scope_is_refused_with_the_scope(gateway, name):
    scopes = (f"access:servers!server={name}/", "access:services!service=af")
    token = gateway.neighbours.add(name, *scopes, groups=STUDENT)
    answer = gateway.ask("GET", "/v1/clusters/", token)
    assert answer.status_code == 403
    assert answer.json() == {"error": f"This token lacks the scope {SERVICE}."}


def test_a_token_of_no_server_is_refused_with_the_reason(gateway, name):
    token = gateway.neighbours.add(name, SERVICE, groups=STUDENT)
    answer = gateway.create(token)
    assert answer.status_code == 422
    assert answer.json()["error"] == (
        "This token belongs to no server. A Dask cluster belongs to a running server: "
        "start one at the hub and ask from a notebook in it."
    )
    assert gateway.ask("GET", "/v1/options", token).status_code == 403


@pytest.mark.parametrize(
    "scopes",
    [
        pytest.param(["access:servers"], id="every server"),
        pytest.param(["access:servers!user={name}"], id="every server of the person"),
        pytest.param(["access:servers!server=bob/"], id="a server of somebody else"),
        pytest.param(
            ["access:servers!server={name}/a", "access:servers!server={name}/b"],
            id="two servers",
        ),
    ],
)
def test_a_token_that_names_not_one_own_server_gets_no_cluster(gateway, name, scopes):
    gateway.neighbours.add_server(name)
    gateway.neighbours.add_server("bob")
    given = [scope.format(name=name) for scope in scopes]
    token = gateway.neighbours.add(name, *given, SERVICE, groups=STUDENT)
    answer = gateway.create(token)
    assert answer.status_code == 422
    assert "belongs to no server" in answer.json()["error"]


def test_another_service_is_refused(gateway):
    token = gateway.neighbours.add("cull", SERVICE, groups=[], kind="service")
    answer = gateway.ask("GET", "/v1/clusters/", token)
    assert answer.status_code == 403
    assert answer.json() == {"error": "Clusters are for people, not for services."}


def test_a_person_called_like_the_service_is_a_person(gateway):
    token = gateway.neighbours.add("af", SERVICE, groups=STUDENT)
    assert gateway.ask("GET", "/v1/af/clusters", token).status_code == 403


def test_the_service_sees_every_cluster_stops_one_and_starts_none(gateway, name):
    cluster = gateway.make(gateway.neighbours.add_server(name))
    token = gateway.neighbours.add("af", SERVICE, groups=[], kind="service")
    states = gateway.ask("GET", "/v1/af/clusters", token).json()["clusters"]
    assert [s["user"] for s in states if s["name"] == cluster] == [name]
    assert gateway.create(token).status_code == 422
    assert (
        gateway.ask("GET", f"/v1/clusters/{cluster}/dashboard", token).status_code
        == 404
    )
    assert gateway.ask("DELETE", f"/v1/clusters/{cluster}", token).status_code == 204


def test_an_administrator_of_the_hub_is_nobody_here(gateway, name):
    cluster = gateway.make(gateway.neighbours.add_server(name))
    other = gateway.neighbours.add_server(f"{name}-admin")
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/scale")):
        answer = gateway.ask(method, f"/v1/clusters/{cluster}{path}", other)
        assert answer.status_code in (400, 403), path


def test_two_servers_of_one_person_are_never_taken_for_one(gateway, name):
    tokens = [gateway.neighbours.add_server(name, server) for server in ("", "two")]
    answers = [gateway.create(token) for token in (*tokens, tokens[0])]
    assert [answer.status_code for answer in answers] == [201, 201, 422]
    assert all("set-cookie" not in answer.headers for answer in answers)
    reports = gateway.ask("GET", "/v1/clusters/", tokens[0]).json().values()
    assert sorted(r["options"]["server"] for r in reports) == ["", "two"]


def test_a_revoked_token_is_refused_once_the_answer_is_old(tmp_path):
    # so long that two questions come within it on a slow machine
    with running_gateway(tmp_path, cache_seconds=5) as gateway:
        token = gateway.neighbours.add_server("alice")
        assert gateway.ask("GET", "/v1/clusters/", token).status_code == 200
        assert gateway.ask("GET", "/v1/clusters/", token).status_code == 200
        assert gateway.neighbours.asked == [token]
        del gateway.neighbours.tokens[token]

        def is_refused() -> bool:
            return gateway.ask("GET", "/v1/clusters/", token).status_code == 401

        wait_until(is_refused, seconds=30, what="a refusal")


def test_an_answer_of_the_hub_may_not_be_kept_for_longer_than_30_seconds(tmp_path):
    with (
        pytest.raises(pytest.fail.Exception, match="30"),
        running_gateway(tmp_path, cache_seconds=31),
    ):
        pass


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((500, b"no"), id="an error"),
        pytest.param((200, b"<html>"), id="no JSON"),
        pytest.param((200, b'{"name": 5}'), id="another shape"),
        pytest.param((302, b""), id="a redirection"),
    ],
)
def test_a_hub_that_fails_is_said_and_lets_nobody_in(tmp_path, answer):
    with running_gateway(tmp_path) as gateway:
        token = gateway.neighbours.add_server("alice")
        gateway.neighbours.hub_answer = answer
        refused = gateway.ask("GET", "/v1/clusters/", token)
        assert (refused.status_code, refused.json()) == (503, AWAY)
        gateway.neighbours.hub_answer = None
        assert gateway.ask("GET", "/v1/clusters/", token).status_code == 200
