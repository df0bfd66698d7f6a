"""The courtesy at the wire: what a server's own token opens until its server ends."""

from __future__ import annotations

import time

import pytest
from fake_peers import FakeHub
from service_world import ACCESS, FACILITY, GROUPS, ServiceProcess, Stream, running

PATIENT = FACILITY.replace(
    "issuer: https://iam.example.org/",
    "issuer: https://iam.example.org/\n  recheck_seconds: 300\n  courtesy_seconds: 600",
)
OPEN = [("GET", "access", 200), ("POST", "busy", 204)]
CLOSED = [("GET", "me"), ("POST", "keep"), ("POST", "recount"), ("GET", "largest")]


@pytest.fixture
def hub():
    with FakeHub().running() as hub:
        yield hub


@pytest.fixture
def service(hub, tmp_path):
    (tmp_path / "facility.yaml").write_text(PATIENT)
    more = {"sweep_seconds": 0.2}
    with running(ServiceProcess(tmp_path, hub_url=hub.url, more=more)) as process:
        yield process


@pytest.fixture
def token(hub, start):
    """Return the token of anna's server, which runs."""
    hub.run("anna", active_at=time.time())
    start("anna")
    return hub.add("anna", ACCESS, "access:servers!server=anna/", groups=GROUPS)


def ask(service, method: str, path: str, token: str) -> int:
    if method == "GET":
        return service.public(f"api/{path}", token).status_code
    return service.post(f"api/{path}", token, {"kernels": 0}).status_code


def end_of(service, token: str) -> dict[str, object] | None:
    answer = service.public("api/access", token)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"end"}
    return answer.json()["end"]


def log_in(service, user: str) -> None:
    with service.client() as client:
        assert client.post("/internal/logins", json={"user": user}).status_code == 204


def wait_until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_for_sweep(service) -> None:
    """Wait for two sweeps: the second began after now."""

    def count() -> int:
        with service.client() as client:
            page = client.get("/metrics").text
        word = 'af_sweeps_total{part="servers",result="done"} '
        return int(float(page.partition(word)[2].partition("\n")[0] or 0))

    before = count()
    wait_until(lambda: count() >= before + 2)


def test_a_stream_says_that_the_server_ends_and_goes_on(service, hub, token):
    assert end_of(service, token) is None
    with Stream(service, token) as stream:
        stream.take(6)
        hub.lose("anna", "suspended")
        log_in(service, "anna")
        end = stream.next("access")["data"]["end"]
        assert (end["rule"], end["ends_at"] - end["since"]) == ("suspended", 600)
        assert "Ask support@example.org." in end["reason"]
        lines = stream.next("history")["data"]["lines"]
        assert [(x["action"], x["rule"]) for x in lines] == [
            ("access.end", "suspended")
        ]
        with Stream(service, token) as again:
            assert again.take(6)[4]["data"]["end"] == end
    for method, path, status in OPEN:
        assert ask(service, method, path, token) == status
    for method, path in CLOSED:
        assert ask(service, method, path, token) == 401


def test_a_refused_token_is_looked_at_before_the_keeper_s_turn(service, hub, token):
    assert end_of(service, token) is None
    hub.lose("anna")
    assert end_of(service, token)["rule"] == "denied"


def test_a_token_is_asked_to_come_again_while_nobody_can_say(service, hub, token):
    assert end_of(service, token) is None
    hub.lose("anna")
    hub.recheck_fault = 500
    # also the one who comes at once after it
    for _ in range(2):
        assert ask(service, "GET", "access", token) == 503
    hub.recheck_fault = None
    wait_until(lambda: ask(service, "GET", "access", token) == 200)
    assert end_of(service, token)["rule"] == "denied"


def test_a_token_that_was_never_let_in_opens_nothing(service, hub, token):
    other = hub.add("anna", ACCESS, "access:servers!server=anna/", groups=GROUPS)
    laptop = hub.add("anna", ACCESS, groups=GROUPS)
    for one in (token, laptop):
        assert ask(service, "GET", "me", one) == 200
    hub.lose("anna")
    assert end_of(service, token)["rule"] == "denied"
    for one in (other, laptop, "x" * 32):
        for method, path, _ in OPEN:
            assert ask(service, method, path, one) == 401


def test_the_token_of_another_server_of_theirs_gets_no_courtesy(
    service, hub, token, start
):
    other = hub.add("anna", ACCESS, "access:servers!server=anna/gone", groups=GROUPS)
    for one in (token, other):
        assert ask(service, "GET", "me", one) == 200
    hub.lose("anna")
    assert end_of(service, token)["rule"] == "denied"
    assert ask(service, "GET", "access", other) == 401


def test_a_revoked_token_of_somebody_who_may_is_refused(service, hub, token):
    assert end_of(service, token) is None
    hub.callers[token] = 403
    for method, path, _ in OPEN:
        assert ask(service, method, path, token) == 401


def test_a_restart_of_the_service_keeps_the_courtesy(service, hub, token):
    assert end_of(service, token) is None
    wait_for_sweep(service)
    # who lost access meanwhile has the courtesy too, and a deadline is kept
    for _ in range(2):
        service.stop()
        hub.lose("anna")
        service.start()
        assert end_of(service, token)["rule"] == "denied"
        wait_for_sweep(service)
    with service.client() as client:
        lines = client.get("/metrics").text
    assert "\naf_endings 1.0\n" in lines
    for path in service.folder.glob("af.sqlite*"):
        assert token.encode() not in path.read_bytes()
    assert token not in service.log.read_text()


def test_after_the_end_everything_is_refused(service, hub, token):
    assert end_of(service, token) is None
    service.edit(PATIENT.replace("courtesy_seconds: 600", "courtesy_seconds: 1"))
    with Stream(service, token) as stream:
        stream.take(6)
        wait_until(lambda: "facility" in service.public("health").text)
        hub.lose("anna")
        log_in(service, "anna")
        wait_until(lambda: hub.stopped == [("anna", "")])
        with service.client() as client:
            event = {"user": "anna", "server_name": "", "state": "stopped"}
            event["start_id"] = "start-of-anna-"
            client.post("/internal/servers", json=event).raise_for_status()
        while stream.next():
            pass
    for method, path, _ in OPEN:
        assert ask(service, method, path, token) == 401


def test_only_the_hub_tells_of_logins(service):
    for secret in (service.gateway_secret, service.agent_secret, "x"):
        with service.client(secret) as client:
            answer = client.post("/internal/logins", json={"user": "anna"})
            assert answer.status_code == 401
    with service.client() as client:
        assert client.post("/internal/logins", json={"usr": "a"}).status_code == 400


def test_a_laptop_s_token_has_no_server_to_ask_about(service, hub):
    laptop = hub.add("anna", ACCESS, groups=GROUPS)
    answer = service.public("api/access", laptop)
    assert (answer.status_code, answer.json()["rule"]) == (403, "not-a-server")
