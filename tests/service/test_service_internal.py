"""The internal API: who may ask, what is refused, and with which words."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from service_world import bearer, person

from jupyterhub_af.policy.messages import Refusal, parse_plan, plan_to_json
from jupyterhub_af.policy.plan import Ids

GUARDED = [
    ("POST", "/internal/accounts"),
    ("POST", "/internal/ids"),
    ("PUT", "/internal/plans"),
    ("GET", "/internal/plans?user=a&server="),
    ("POST", "/internal/audit"),
    ("GET", "/metrics"),
]
HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


@pytest.fixture
def client(service):
    with service.client() as client:
        yield client


@pytest.fixture
def put_plan(client, make_server_plan):
    """Return a function that records the plan of a new person's start."""

    def put(user: str, server_name: str = ""):
        client.post("/internal/accounts", json=person(user)).raise_for_status()
        wanted = {"user": user, "groups": ["hackathon/gw"]}
        reply = client.post("/internal/ids", json=wanted).json()
        ids = Ids(reply["uid"], reply["gid"], reply["gids"])
        plan = make_server_plan(
            user,
            ids,
            start_id=f"start-of-{user}-{server_name}",
            server_name=server_name,
        )
        reply = client.put("/internal/plans", content=plan_to_json(plan))
        assert (reply.status_code, reply.content) == (204, b"")
        return plan

    return put


@pytest.mark.parametrize(("method", "path"), GUARDED, ids=lambda value: value)
@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer wrong", "Basic {hub}", "{hub}", "Bearer {hub}x"],
    ids=lambda value: value or "nothing",
)
def test_without_the_secret_everything_is_refused(service, method, path, header):
    sent = {"Authorization": header.format(hub=service.hub_secret)}
    with service.client() as client:
        reply = client.request(method, path, headers=sent, content=b"not read")
    assert reply.status_code == 401
    assert Refusal.model_validate_json(reply.content).rule == "secret"
    assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), GUARDED, ids=lambda value: value)
def test_the_gateway_only_reads_plans_and_writes_the_audit(service, method, path):
    opens = {("GET", "/internal/plans"): 404, ("POST", "/internal/audit"): 400}
    with service.client(service.gateway_secret) as client:
        status = client.request(method, path).status_code
    assert status == opens.get((method, path.partition("?")[0]), 401)


@pytest.mark.parametrize("process", ["agent", "admin"])
@pytest.mark.parametrize(("method", "path"), GUARDED, ids=lambda value: value)
def test_what_is_for_the_hub_is_not_for(service, method, path, process):
    with service.client(getattr(service, f"{process}_secret")) as client:
        status = client.request(method, path).status_code
    assert status == (400 if (method, path) == ("POST", "/internal/audit") else 401)


@pytest.mark.parametrize(
    ("process", "action", "status"),
    [
        ("gateway", "cluster.start", 204),
        ("gateway", "cluster.stop", 204),
        ("gateway", "login", 403),
        ("gateway", "clusters", 403),
        ("gateway", "backup.run", 403),
        ("agent", "backup.run", 204),
        ("agent", "storage.full", 204),
        ("agent", "account.delete", 403),
        ("agent", "server.start", 403),
        ("admin", "account.delete", 204),
        ("admin", "backup.restore", 204),
        ("admin", "login", 403),
    ],
)
def test_each_process_writes_only_about_its_own(service, process, action, status):
    event = {"actor": "anna", "action": action, "target": "anna/", "result": "done"}
    with service.client(getattr(service, f"{process}_secret")) as client:
        assert client.post("/internal/audit", json=event).status_code == status


def test_every_answer_carries_the_headers(client):
    for reply in (
        client.get("/health"),
        client.get("/none"),
        client.post("/internal/accounts", headers=bearer("wrong")),
        client.post("/internal/accounts", json=person("headers")),
    ):
        assert {name: reply.headers[name] for name in HEADERS} == HEADERS
        assert "server" not in reply.headers
        assert "set-cookie" not in reply.headers


def test_a_plan_travels_through_the_service_unchanged(service, put_plan, client):
    plan = put_plan("traveller", "one")
    query = {"user": "traveller", "server": "one"}
    assert parse_plan(client.get("/internal/plans", params=query).content) == plan
    with service.client(service.gateway_secret) as gateway:
        assert parse_plan(gateway.get("/internal/plans", params=query).content) == plan


def test_a_server_that_never_started_has_no_plan(client):
    reply = client.get("/internal/plans", params={"user": "x", "server": "y"})
    assert (reply.status_code, reply.json()["rule"]) == (404, "plan-unknown")


BAD_BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "no UTF-8": b'{"issuer": "\xff"}',
    "half a surrogate": b'{"issuer": "\\ud800"}',
    "a NUL": b'{"issuer": "a\\u0000b"}',
    "a key that is unknown": b'{"s3cr3t-k3y": 1}',
    "a value that is too long": b'{"issuer": "' + b"s3cr3t" * 400 + b'"}',
    "a number for a name": b'{"preferred_username": 5318008}',
    "a hundred thousand brackets": b"[" * 100_000,
}


@pytest.mark.parametrize("path", ["accounts", "ids", "plans", "audit"])
@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_bad_body_is_refused_without_its_values(service, client, path, body):
    method = "PUT" if path == "plans" else "POST"
    reply = client.request(method, f"/internal/{path}", content=body)
    assert reply.status_code == 400
    assert Refusal.model_validate_json(reply.content).rule == "body-form"
    for value in ("s3cr3t", "5318008"):
        assert value not in reply.text
        assert value not in service.log.read_text()


def test_a_body_that_is_too_large_is_refused_with_words(client):
    reply = client.post("/internal/audit", content=b" " * (1024 * 1024 + 1))
    assert (reply.status_code, reply.json()["rule"]) == (413, "body-too-large")
    assert client.get("/health").status_code == 200


def test_a_method_nobody_offers_is_refused(client):
    reply = client.delete("/internal/plans")
    assert reply.status_code == 405
    assert Refusal.model_validate_json(reply.content).rule == "http-405"


def test_a_path_nobody_offers_is_refused(client):
    reply = client.get("/internal/nothing?token=do-not-repeat")
    assert (reply.status_code, reply.json()["rule"]) == (404, "path-unknown")
    assert "do-not-repeat" not in reply.text


def test_a_refused_account_is_said_with_its_rule(client):
    client.post("/internal/accounts", json=person("taken")).raise_for_status()
    reply = client.post("/internal/accounts", json=person("taken", subject="other"))
    assert reply.status_code == 409
    refusal = Refusal.model_validate_json(reply.content)
    assert refusal.rule == "name-taken"
    assert "support@example.org" in refusal.message
    reply = client.post("/internal/accounts", json=person("Gör\nan"))
    assert (reply.status_code, reply.json()["rule"]) == (403, "name-form")


def test_fifty_people_at_once_get_fifty_numbers(service):
    def register(number: int) -> tuple[str, int]:
        with service.client() as client:
            reply = client.post("/internal/accounts", json=person(f"many{number}"))
        return reply.json()["name"], reply.json()["uid"]

    with ThreadPoolExecutor(50) as pool:
        made = dict(pool.map(register, range(50)))
        again = dict(pool.map(register, range(50)))
    assert len(made) == len(set(made.values())) == 50
    assert made == again


def test_one_person_twenty_times_at_once_is_one(service):
    def register(_: int) -> int:
        with service.client() as client:
            reply = client.post("/internal/accounts", json=person("oneself"))
        return reply.json()["uid"]

    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(register, range(20)))) == 1


def test_the_page_of_metrics_counts_what_happened(client, put_plan):
    put_plan("counted")
    client.post("/internal/accounts", json=person("counted", subject="other"))
    event = {"actor": "counted", "action": "server.start", "result": "done"}
    assert client.post("/internal/audit", json=event).status_code == 204
    reply = client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = dict(
        line.rsplit(" ", 1)
        for line in reply.text.splitlines()
        if not line.startswith("#")
    )
    assert float(lines["af_accounts"]) >= 1
    assert float(lines["af_plans"]) >= 1
    assert float(lines['af_refused_registrations_total{rule="name-taken"}']) >= 1
    done = 'af_audit_events_total{action="server.start",result="done"}'
    assert float(lines[done]) >= 1
    asked = 'af_request_duration_seconds_count{method="PUT",route="plans",status="204"}'
    assert float(lines[asked]) >= 1
    assert "counted" not in reply.text


def test_a_method_that_is_invented_is_no_label_of_its_own(client):
    assert client.request("INVENTED", "/health").status_code == 405
    assert "INVENTED" not in client.get("/metrics").text


def test_no_secret_and_no_subject_is_in_the_log(service, client, put_plan):
    put_plan("quiet")
    client.post("/internal/accounts", json=person("quiet", subject="loud-subject"))
    log = service.log.read_text()
    assert "Registered quiet as uid" in log
    for secret in (service.hub_secret, service.gateway_secret, "subject"):
        assert secret not in log
