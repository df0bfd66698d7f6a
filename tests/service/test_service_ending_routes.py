"""What the gateway hears of servers that end: by a refused token, and by name."""

from __future__ import annotations

import hashlib
import time

import pytest
from fake_peers import FakeHub
from service_world import (
    ACCESS,
    FACILITY,
    GROUPS,
    ServiceProcess,
    bearer,
    running,
)


@pytest.fixture
def hub():
    with FakeHub().running() as hub:
        yield hub


@pytest.fixture
def service(hub, tmp_path):
    (tmp_path / "facility.yaml").write_text(FACILITY)
    with running(ServiceProcess(tmp_path, hub_url=hub.url)) as process:
        yield process


@pytest.fixture
def token(hub, service, start):
    """Return the token of anna's server, which runs and was let in once."""
    hub.run("anna", active_at=time.time())
    start("anna")
    found = hub.add("anna", ACCESS, "access:servers!server=anna/", groups=GROUPS)
    assert service.public("api/access", found).status_code == 200
    return found


def ask(service, secret: str, **query: str):
    with service.client() as client:
        headers = bearer(secret)
        return client.get("/internal/endings", params=query, headers=headers)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def test_a_server_that_goes_on_has_no_ending(service, token):
    for query in ({"user": "anna", "server": ""}, {"token": digest("nobody's")}):
        answer = ask(service, service.gateway_secret, **query)
        assert (answer.status_code, answer.json()["rule"]) == (404, "ending-unknown")


def test_a_refused_token_names_its_server_and_the_reason(service, hub, token):
    hub.lose("anna")
    by_token = ask(service, service.gateway_secret, token=digest(token))
    assert by_token.status_code == 200, by_token.text
    ending = by_token.json()
    assert (ending["user"], ending["server_name"]) == ("anna", "")
    assert "support@example.org" in ending["reason"]
    assert ending["ends_at"] > time.time()
    by_name = ask(service, service.gateway_secret, user="anna", server="")
    assert by_name.json() == ending


def test_only_the_gateway_may_ask(service, token):
    for secret in (service.hub_secret, service.agent_secret, "wrong"):
        answer = ask(service, secret, user="anna", server="")
        assert (answer.status_code, answer.json()["rule"]) == (401, "secret")
