"""A service that is away hears of what the agent did later."""

from __future__ import annotations

import asyncio
import logging

import pytest

from jupyterhub_af.line.peer import PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.messages import AuditEvent, Refusal
from jupyterhub_af.storage import teller
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

    async def call(self, method: str, path: str, *, body: bytes) -> bytes:
        assert (method, path) == ("POST", "/internal/audit")
        if self.answers:
            raise self.answers.pop(0)
        self.events.append(AuditEvent.model_validate_json(body))
        return b""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(teller, "PAUSES_SECONDS", (0, 0, 0))


async def tell(service: Service) -> None:
    told = Teller(service, LOG)
    told.tell("backup.run", "private/anna", "failed")
    async with asyncio.timeout(30):
        await asyncio.gather(*told._tasks)


async def test_a_line_is_told_again_until_it_is_taken_and_once():
    service = Service(PeerAwayError("away"), LOCKED, LOCKED)
    await tell(service)
    assert [event.target for event in service.events] == ["private/anna"]


async def test_a_line_that_is_refused_for_good_is_lost_with_words(caplog):
    service = Service(REFUSED)
    await tell(service)
    assert service.events == []
    assert "Lost the audit line of private/anna: It is too long." in caplog.text


async def test_in_the_end_it_is_given_up(caplog):
    service = Service(*[LOCKED] * 4)
    await tell(service)
    assert service.events == []
    assert "does not answer" in caplog.text


async def test_only_so_many_wait(caplog, monkeypatch):
    monkeypatch.setattr(teller, "MOST_WAITING", 1)
    told = Teller(Service(), LOG)
    for name in ("anna", "bea"):
        told.tell("backup.run", f"private/{name}", "done")
    assert "Lost the audit line of private/bea" in caplog.text
    await asyncio.gather(*told._tasks)
