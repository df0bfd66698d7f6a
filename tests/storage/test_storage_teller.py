"""A service that is away hears of what the agent did later."""

from __future__ import annotations

import asyncio
import logging

import pytest

from jupyterhub_af.line import audit
from jupyterhub_af.line.peer import PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.messages import AuditEvent, Refusal
from jupyterhub_af.storage.teller import Teller

LOG = logging.getLogger("test.teller")
LOCKED = PeerRefusedError(
    Refusal(rule="database-unreachable", message="The database does not answer."), 503
)
REFUSED = PeerRefusedError(Refusal(rule="body-form", message="It is too long."), 400)


class Service:
    """A service that gives answers in turn, then takes everything."""

    def __init__(self, *answers: Exception) -> None:
        self.answers = list(answers)
        self.events: list[AuditEvent] = []
        self.tellings: set[str] = set()

    async def call(self, method: str, path: str, *, body: bytes) -> bytes:
        assert method == "POST"
        assert path.startswith("/internal/audit?telling=")
        self.tellings.add(path)
        if self.answers:
            raise self.answers.pop(0)
        self.events.append(AuditEvent.model_validate_json(body))
        return b""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(audit, "AFTER_FAILURE_SECONDS", 0)


async def tell(service: Service) -> None:
    told = Teller(service, LOG)
    told.tell("backup.run", "private/anna", "failed")
    async with asyncio.timeout(30):
        await told.settle()


async def test_a_line_is_told_again_until_it_is_taken_and_once():
    service = Service(PeerAwayError("away"), LOCKED, LOCKED)
    await tell(service)
    assert [event.target for event in service.events] == ["private/anna"]
    # the service knows it again by this
    assert len(service.tellings) == 1


async def test_a_line_that_is_refused_for_good_is_lost_with_words(caplog):
    service = Service(REFUSED)
    await tell(service)
    assert service.events == []
    assert "The service refused an audit entry: It is too long." in caplog.text


async def test_a_long_outage_is_said_once(caplog):
    await tell(Service(*[LOCKED] * 9))
    assert caplog.text.count("Could not write into the audit") == 1


async def test_only_so_many_wait(caplog, monkeypatch):
    monkeypatch.setattr(audit, "MOST_WAITING", 1)
    told = Teller(Service(), LOG)
    for name in ("anna", "bea"):
        told.tell("backup.run", f"private/{name}", "done")
    assert "lost an audit entry: backup.run of private/bea" in caplog.text
    await told.settle()
