"""What becomes of a cluster is a line in the audit, once."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pytest
from gateway_world import SERVICE

from jupyterhub_af.gateway.ledger import Ledger
from jupyterhub_af.line import audit as ledger_module
from jupyterhub_af.line.peer import PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.messages import AuditEvent, Refusal


def test_a_start_and_the_persons_stop_are_written_once(gateway, name):
    token = gateway.neighbours.add_server(name, "one")
    cluster = gateway.make(token)
    for _ in range(2):
        gateway.ask("DELETE", f"/v1/clusters/{cluster}", token)
    assert gateway.neighbours.lines_of(name, 2) == [
        (name, "cluster.start", "", "done"),
        (name, "cluster.stop", "asked", "done"),
    ]
    events = [e for e in gateway.neighbours.audit if e.actor == name]
    assert {e.target for e in events} == {f"{name}/one/{cluster}"}


def test_a_cluster_that_ends_itself_was_idle(gateway, name):
    cluster = gateway.make(gateway.neighbours.add_server(name))
    own = (gateway.folder / "tokens" / cluster).read_text()
    answer = httpx.delete(
        f"{gateway.url}/api/v1/clusters/{cluster}",
        headers={"Authorization": f"token {own}"},
    )
    assert answer.status_code == 204
    lines = gateway.neighbours.lines_of(name, 2)
    assert lines[1] == ("dask-gateway", "cluster.stop", "cluster-idle", "done")


def test_the_services_stop_is_the_services_line(gateway, name):
    cluster = gateway.make(gateway.neighbours.add_server(name))
    service = gateway.neighbours.add("af", SERVICE, groups=[], kind="service")
    assert gateway.ask("DELETE", f"/v1/clusters/{cluster}", service).status_code == 204
    gateway.neighbours.lines_of(name, 1)


def test_a_stop_of_somebody_elses_cluster_is_not_written(gateway, name):
    cluster = gateway.make(gateway.neighbours.add_server(name))
    other = gateway.neighbours.add_server(f"{name}x")
    assert gateway.ask("DELETE", f"/v1/clusters/{cluster}", other).status_code == 403
    gateway.neighbours.lines_of(name, 1)


def test_the_same_refusal_is_written_once_with_its_words(gateway, name):
    token = gateway.neighbours.add_server(name)
    for _ in range(5):
        assert gateway.create(token, worker_cores=99).status_code == 422
    assert gateway.create(token, worker_memory="99G").status_code == 422
    refused = (name, "cluster.start", "dask", "refused")
    assert gateway.neighbours.lines_of(name, 2) == [refused, refused]
    first, second = (e for e in gateway.neighbours.audit if e.actor == name)
    assert "worker_cores is 99" in first.detail
    assert "worker_memory is 99" in second.detail


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "\\u202e", "\\n"])
def test_whatever_was_asked_is_refused_and_written(gateway, name, text):
    token = gateway.neighbours.add_server(name)
    for options in (f'{{"{text}": 1}}', f'{{"worker_memory": "{text}"}}'):
        body = f'{{"cluster_options": {options}}}'
        answer = gateway.ask("POST", "/v1/clusters/", token, content=body)
        assert answer.status_code == 422, answer.text
    gateway.neighbours.lines_of(name, 2)


class Service:
    """A service that is away, refuses, or listens."""

    def __init__(self):
        self.error = None
        self.bodies = []
        self.details = []

    async def call(self, method, path, *, body):
        if self.error is not None:
            raise self.error
        event = AuditEvent.model_validate_json(body)
        self.bodies.append(event.target)
        self.details.append(event.detail)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(ledger_module, "AFTER_FAILURE_SECONDS", 0.05)
    monkeypatch.setattr(ledger_module, "MOST_WAITING", 3)


def start(target, result="done"):
    return AuditEvent(actor="p", action="cluster.start", target=target, result=result)


async def test_what_the_service_did_not_hear_is_written_later_in_order(short, caplog):
    service = Service()
    service.error = PeerAwayError("away")
    ledger = Ledger(service, logging.getLogger("ledger"))
    for target in "abcd":
        ledger.add(start(target))
    await asyncio.sleep(0.2)
    service.error = None
    await asyncio.sleep(0.2)
    await ledger.stop()
    assert service.bodies == ["a", "b", "c"]
    assert "lost an audit entry: cluster.start of d" in caplog.text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(
            PeerRefusedError(Refusal(message="no", rule="x"), 400),
            "The service refused an audit entry: no",
            id="a refusal of the service",
        ),
        pytest.param(
            ZeroDivisionError("a fault"), "Lost an audit entry", id="a fault of ours"
        ),
    ],
)
async def test_an_entry_that_fails_does_not_stand_in_the_way(
    short, caplog, error, words
):
    service = Service()
    service.error = error
    ledger = Ledger(service, logging.getLogger("ledger"))
    ledger.add(start("a"))
    await asyncio.sleep(0.1)
    service.error = None
    ledger.add(start("b"))
    await asyncio.sleep(0.1)
    await ledger.stop()
    assert service.bodies == ["b"]
    assert words in caplog.text


async def test_what_no_text_can_hold_is_written_as_it_can_be(short):
    service = Service()
    ledger = Ledger(service, logging.getLogger("ledger"))
    ledger.note_refusal("p", "", "no \ud800 here")
    await asyncio.sleep(0.1)
    await ledger.stop()
    assert service.details == ["no \\ud800 here"]


async def test_many_refusals_take_no_more_than_so_much_memory(short, monkeypatch):
    monkeypatch.setattr(ledger_module, "MOST_SAME", 5)
    ledger = Ledger(Service(), logging.getLogger("ledger"))
    for number in range(50):
        ledger.add(start(str(number), "refused"))
    assert len(ledger._said) == 5
    await ledger.stop()
