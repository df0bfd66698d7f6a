"""Access that ends: nothing new at once, and what runs goes on until the server stops."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from gateway_world import STUDENT, GatewayProcess, running_gateway

AWAY = "The hub does not answer; try again in a minute. What runs goes on."
ENDED = (
    "Your access to this facility has ended, so nothing new starts. Your groups no "
    "longer open the facility. Ask support@example.org."
)
NOT_ACCEPTED = "The hub does not accept this token: it has expired, or your access"
SCALE_UP, SCALE_DOWN = {"count": 2}, {"count": 0}
ADAPT, ADAPT_NO_MORE = {"minimum": 0, "maximum": 2}, {"active": False}


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def scale(gateway: GatewayProcess, token: str, name: str, count: int) -> httpx.Response:
    return gateway.ask(
        "POST", f"/v1/clusters/{name}/scale", token, json={"count": count}
    )


@contextmanager
def fake_scheduler() -> Iterator[tuple[str, list[dict]]]:
    """Give the address of a scheduler that does as it is told, and what it was told."""
    told: list[dict] = []

    class FakeScheduler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            told.append(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), FakeScheduler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", told
        server.shutdown()
        thread.join()


def test_a_new_cluster_is_refused_at_once_and_the_old_one_can_be_seen_and_stopped(
    gateway, name
):
    token = gateway.neighbours.add_server(name)
    cluster = gateway.make(token)
    gateway.neighbours.end_access(name, token)
    assert error(gateway.create(token)) == (422, ENDED)
    assert list(gateway.ask("GET", "/v1/clusters/", token).json()) == [cluster]
    assert gateway.ask("GET", f"/v1/clusters/{cluster}", token).status_code == 200
    assert gateway.ask("DELETE", f"/v1/clusters/{cluster}", token).status_code == 204
    assert error(gateway.create(token)) == (422, ENDED)
    assert "Traceback" not in gateway.log()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("scale", SCALE_UP, id="more workers"),
        pytest.param("scale", {"count": "many"}, id="a number that is none"),
        pytest.param("scale", {}, id="no number"),
        pytest.param("adapt", ADAPT, id="workers as they are needed"),
        pytest.param("adapt", {}, id="workers as they are needed without a bound"),
    ],
)
def test_growth_is_refused_at_once(gateway, name, path, body):
    token = gateway.neighbours.add_server(name)
    cluster = gateway.make(token)
    gateway.neighbours.end_access(name, token)
    answer = gateway.ask("POST", f"/v1/clusters/{cluster}/{path}", token, json=body)
    assert error(answer) == (409, ENDED)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("scale", SCALE_DOWN, id="fewer workers"),
        pytest.param("adapt", ADAPT_NO_MORE, id="no more as they are needed"),
    ],
)
def test_a_cluster_may_shrink_while_its_server_ends(gateway, name, path, body):
    token = gateway.neighbours.add_server(name)
    with fake_scheduler() as (address, told):
        cluster = gateway.make(token, {"api_address": address})
        gateway.neighbours.end_access(name, token)
        answer = gateway.ask("POST", f"/v1/clusters/{cluster}/{path}", token, json=body)
        assert (answer.status_code, len(told)) == (200, 1), answer.text
    assert body.items() <= told[0].items()


def test_a_scheduler_grows_no_more_while_its_server_ends(gateway, name):
    token = gateway.neighbours.add_server(name)
    cluster = gateway.make(token)
    assert gateway.beat(cluster, count=1).status_code == 200
    gateway.told(cluster, wanted=1)
    gateway.neighbours.end_access(name, token)
    # its own word, not the person's: the scheduler is the person's code
    assert gateway.beat(cluster, count=3).status_code == 200
    gateway.told(cluster, wanted=1)
    assert gateway.beat(cluster, count=0).status_code == 200
    gateway.told(cluster, wanted=0)


def test_a_gateway_that_never_saw_the_server_before_says_the_same(gateway, name):
    token = gateway.neighbours.add_server(name)
    gateway.neighbours.end_access(name, token)
    assert error(gateway.create(token)) == (422, ENDED)
    assert gateway.ask("GET", "/v1/clusters/", token).json() == {}


def test_a_token_that_nobody_saw_before_the_end_is_refused_with_both_reasons(
    gateway, name
):
    token = gateway.neighbours.add_server(name)
    del gateway.neighbours.tokens[token]
    for answer in (gateway.create(token), gateway.ask("GET", "/v1/clusters/", token)):
        status, words = error(answer)
        assert status == 401
        assert words.startswith(NOT_ACCEPTED)
        assert "support@example.org" in words


def test_the_token_of_another_server_does_not_end_with_this_one(gateway, name):
    one, two = (gateway.neighbours.add_server(name, server) for server in ("", "two"))
    gateway.make(one)
    gateway.neighbours.end_access(name, one)
    assert gateway.create(two).status_code == 201


def test_access_given_back_opens_clusters_again(gateway, name):
    token = gateway.neighbours.add_server(name)
    gateway.make(token)
    known = gateway.neighbours.tokens[token]
    gateway.neighbours.end_access(name, token)
    assert error(gateway.create(token)) == (422, ENDED)
    gateway.neighbours.tokens[token] = known
    gateway.neighbours.endings.clear()
    assert gateway.create(token).status_code == 201


def test_a_group_that_is_lost_refuses_a_new_cluster_and_growth_at_once(gateway, name):
    token = gateway.neighbours.add_server(name)
    cluster = gateway.make(token)
    gateway.neighbours.tokens[token]["groups"] = ["nobody"]
    status, words = error(gateway.create(token))
    assert status == 422
    assert words.endswith(".")
    assert error(scale(gateway, token, cluster, 2)) == (409, words)
    assert gateway.ask("GET", f"/v1/clusters/{cluster}", token).status_code == 200
    gateway.neighbours.tokens[token]["groups"] = STUDENT
    assert gateway.create(token).status_code == 201


def test_a_lost_folder_is_given_to_no_new_worker(gateway, name):
    token = gateway.neighbours.add_server(name)
    cluster = gateway.make(token)
    # another folder's group: the person may go on, and this server's folder is closed
    hep = ["hackathon/hep" if group == "hackathon/gw" else group for group in STUDENT]
    gateway.neighbours.tokens[token]["groups"] = hep
    status, words = error(gateway.create(token))
    assert (status, "/af/collabspace/GW as this server has it" in words) == (422, True)
    assert error(scale(gateway, token, cluster, 2)) == (409, words)
    answer = gateway.ask(
        "POST", f"/v1/clusters/{cluster}/adapt", token, json={"maximum": 2}
    )
    assert error(answer) == (409, words)


def test_nothing_new_starts_in_one_server_that_ends_while_its_person_goes_on(
    gateway, name
):
    one, two = (gateway.neighbours.add_server(name, server) for server in ("", "two"))
    cluster = gateway.make(two)
    gateway.neighbours.withhold(name, "two")
    words = (
        "This server is being ended, so nothing new starts in it. Your groups no "
        "longer open /af/collabspace/GW."
    )
    assert error(gateway.create(two)) == (422, words)
    assert error(scale(gateway, two, cluster, 2)) == (409, words)
    assert gateway.create(one).status_code == 201
    assert gateway.ask("DELETE", f"/v1/clusters/{cluster}", two).status_code == 204


def test_a_revoked_token_of_a_server_that_goes_on_opens_nothing(tmp_path):
    with running_gateway(tmp_path, cache_seconds=0) as gateway:
        token = gateway.neighbours.add_server("alice")
        cluster = gateway.make(token)
        del gateway.neighbours.tokens[token]
        for answer in (
            gateway.ask("GET", f"/v1/clusters/{cluster}", token),
            gateway.create(token),
            # nor a second time, when it is forgotten
            gateway.ask("GET", "/v1/clusters/", token),
        ):
            assert answer.status_code == 401
            assert answer.json()["error"].startswith(NOT_ACCEPTED)


def test_a_hub_that_is_away_gives_nothing_new_and_takes_nothing_away(tmp_path):
    with running_gateway(tmp_path, cache_seconds=0) as gateway:
        token = gateway.neighbours.add_server("alice")
        stranger = gateway.neighbours.add_server("bob")
        cluster = gateway.make(token)
        gateway.neighbours.hub_answer = (500, b"no")
        assert error(gateway.create(token)) == (503, AWAY)
        assert error(scale(gateway, token, cluster, 2)) == (503, AWAY)
        assert list(gateway.ask("GET", "/v1/clusters/", token).json()) == [cluster]
        assert error(gateway.ask("GET", "/v1/clusters/", stranger)) == (503, AWAY)
        answer = gateway.ask("DELETE", f"/v1/clusters/{cluster}", token)
        assert answer.status_code == 204
        gateway.neighbours.hub_answer = None
        assert gateway.create(token).status_code == 201


def test_a_service_that_is_away_while_a_token_is_refused_lets_nobody_in(tmp_path):
    with running_gateway(tmp_path, cache_seconds=0) as gateway:
        token = gateway.neighbours.add_server("alice")
        gateway.make(token)
        gateway.neighbours.end_access("alice", token)
        gateway.neighbours.service_status = 500
        assert gateway.ask("GET", "/v1/clusters/", token).status_code == 401
        assert "Could not ask which servers end" in gateway.log()


def test_what_gives_nothing_new_is_asked_of_the_hub_once_in_a_while(tmp_path):
    with running_gateway(tmp_path) as gateway:
        token = gateway.neighbours.add_server("alice")
        for _ in range(5):
            assert gateway.ask("GET", "/v1/clusters/", token).status_code == 200
        assert gateway.neighbours.asked == [token]
        assert gateway.create(token).status_code == 201
        assert gateway.neighbours.asked == [token] * 2
