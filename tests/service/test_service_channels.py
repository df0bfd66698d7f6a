"""Streams in this process: tokens asked again, slow readers, bounds, faults of ours."""

from __future__ import annotations

import asyncio
import json

import pytest
from service_world import FACILITY
from sqlalchemy.exc import OperationalError

from jupyterhub_af.policy.caller import Caller
from jupyterhub_af.policy.messages import AuditEvent
from jupyterhub_af.service import stream
from jupyterhub_af.service.panel import View
from jupyterhub_af.service.refusal import RefusedError
from jupyterhub_af.service.stream import Streams

GROUPS = frozenset({"hackathon"})
SERVER = "access:servers!server=anna/"


class Door:
    """A gate whose answers a test changes."""

    access_scopes = frozenset({"x"})

    def __init__(self) -> None:
        self.answer: Caller | RefusedError = Caller(
            name="anna", groups=tuple(GROUPS), scopes=frozenset({SERVER})
        )
        self.asked = 0

    async def admit(self, token: str, *, scopes, with_courtesy: bool) -> Caller:
        self.asked += 1
        if isinstance(self.answer, RefusedError):
            raise self.answer
        return self.answer


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def streams(desk, door, monkeypatch):
    monkeypatch.setattr(stream, "RECHECK_SECONDS", 0.1)
    monkeypatch.setattr(stream, "GATHER_SECONDS", 0.01)
    monkeypatch.setattr(stream, "AFTER_FAILURE_SECONDS", 0.05)
    streams = Streams(desk, door)
    yield streams
    await streams.stop()


ANNA = View("anna", GROUPS, "")


async def said(listener) -> list[dict[str, object]]:
    """Return what is written next, as events."""
    text = await listener.next(within_seconds=30)
    return [
        json.loads(line.partition("data: ")[2])
        for line in text.splitlines()
        if line.startswith("data: ")
    ]


async def end_of(listener) -> str:
    async with asyncio.timeout(30):
        while not listener.ended:
            await listener.next(within_seconds=1)
    return listener.ended


async def asked_often(door: Door, times: int) -> None:
    async with asyncio.timeout(30):
        while door.asked < times:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def note(target: str) -> AuditEvent:
    return AuditEvent(actor="x", action="note", target=target, result="done")


async def test_a_token_that_was_revoked_ends_its_stream(streams, door):
    listener = await streams.open(ANNA, "t", "")
    await said(listener)
    door.answer = RefusedError(401, "token-unknown", "No.")
    assert await end_of(listener) == "token-unknown"
    streams.close(listener)


async def test_a_hub_that_is_away_ends_no_stream(streams, door, desk):
    listener = await streams.open(ANNA, "t", "")
    await said(listener)
    door.answer = RefusedError(503, "hub-unreachable", "No.")
    await asked_often(door, door.asked + 3)
    await desk.record(note("anna/"))
    assert (await said(listener))[0]["kind"] == "history"
    streams.close(listener)


@pytest.mark.parametrize(
    "caller",
    [
        Caller(name="bob", groups=tuple(GROUPS)),
        Caller(name="anna", groups=tuple(GROUPS)),
    ],
    ids=["of somebody else", "of no server"],
)
async def test_a_token_that_is_another_s_now_ends_its_stream(streams, door, caller):
    listener = await streams.open(ANNA, "t", "")
    door.answer = caller
    assert await end_of(listener) == "token-changed"
    streams.close(listener)


async def test_other_groups_are_said_and_lost_access_ends_it(streams, door):
    listener = await streams.open(ANNA, "t", "")
    await said(listener)
    more = (*GROUPS, "hackathon/gw")
    door.answer = door.answer.model_copy(update={"groups": more})
    (event,) = await said(listener)
    assert event["me"]["groups"] == sorted(more)
    door.answer = door.answer.model_copy(update={"groups": ("other",)})
    assert await end_of(listener) == "login-withheld"
    streams.close(listener)


async def test_tabs_with_one_token_are_asked_for_once(streams, door):
    listeners = [await streams.open(ANNA, "t", "") for _ in range(5)]
    await asked_often(door, 3)
    assert door.asked <= 4
    for listener in listeners:
        streams.close(listener)


async def test_a_slow_reader_is_dropped_and_others_are_not(streams, desk):
    slow = await streams.open(ANNA, "t", "")
    quick = await streams.open(ANNA, "t", "")
    for number in range(stream.MOST_WAITING + 2):
        await desk.record(note(f"anna/{number}"))
        while not any("history" in str(e) for e in await said(quick)):
            pass
    assert slow.ended == "slow"
    assert quick.ended == ""
    assert 'af_dropped_listeners_total{reason="slow"} 1.0' in str(
        await desk.render_metrics()
    )
    streams.close(slow)
    streams.close(quick)


async def test_a_long_absence_gets_everything_again(streams, desk, monkeypatch):
    monkeypatch.setattr(stream, "MOST_KEPT", 5)
    first = await streams.open(ANNA, "t", "")
    text = await first.next(within_seconds=5)
    last_id = text.rpartition("id: ")[2].splitlines()[0]
    for number in range(10):
        await desk.record(note(f"anna/{number}"))
        await said(first)
    again = await streams.open(ANNA, "t", last_id)
    kinds = [event["kind"] for event in await said(again)]
    assert kinds == ["me", "lifetime", "clusters", "storage", "access", "history"]
    streams.close(first)
    streams.close(again)


async def test_a_database_that_is_away_delays_news(streams, desk, monkeypatch):
    listener = await streams.open(ANNA, "t", "")
    await said(listener)
    about = desk.audit.about
    faults = [OperationalError("x", {}, Exception("locked"))]

    def fail_once(user, count, folders):
        if faults:
            raise faults.pop()
        return about(user, count, folders)

    monkeypatch.setattr(desk.audit, "about", fail_once)
    await desk.record(note("anna/"))
    (event,) = await said(listener)
    assert event["lines"][0]["target"] == "anna/"
    streams.close(listener)


async def test_a_fault_of_ours_ends_the_stream_and_is_logged(
    streams, desk, monkeypatch, caplog
):
    listener = await streams.open(ANNA, "t", "")
    await said(listener)

    def fail(user, count):
        msg = "a bug"
        raise KeyError(msg)

    monkeypatch.setattr(desk.audit, "about", fail)
    await desk.record(note("anna/"))
    assert await end_of(listener) == "failed"
    assert "Failed at a stream of anna" in caplog.text
    monkeypatch.undo()
    streams.close(listener)
    # who comes back finds it well
    again = await streams.open(ANNA, "t", "")
    await said(again)
    await desk.record(note("anna/2"))
    assert await said(again)
    streams.close(again)


async def test_silent_channels_are_forgotten_after_a_while(streams, monkeypatch):
    listener = await streams.open(ANNA, "t", "")
    text = await listener.next(within_seconds=5)
    last_id = text.rpartition("id: ")[2].splitlines()[0]
    streams.close(listener)
    again = await streams.open(ANNA, "t", last_id)
    assert await again.next(within_seconds=5) == stream.COMMENT
    streams.close(again)
    monkeypatch.setattr(stream, "LINGER_SECONDS", -1)
    other = await streams.open(View("bob", GROUPS, None), "t", "")
    later = await streams.open(ANNA, "t", last_id)
    assert len(await said(later)) == 6
    for listener in (other, later):
        streams.close(listener)


async def test_everybody_together_has_a_bound_too(streams, monkeypatch):
    monkeypatch.setattr(stream, "MOST_LISTENERS", 2)
    listeners = [
        await streams.open(View(name, GROUPS, None), "t", "") for name in ("a", "b")
    ]
    with pytest.raises(RefusedError, match="Too many event streams") as caught:
        await streams.open(ANNA, "t", "")
    assert caught.value.status == 503
    for listener in listeners:
        streams.close(listener)


async def test_who_may_not_log_in_takes_no_place(streams, desk, tmp_path):
    (tmp_path / "facility.yaml").write_text(FACILITY.replace("[hackathon]", "[others]"))
    for _ in range(20):
        with pytest.raises(RefusedError, match="members of the group others"):
            await streams.open(ANNA, "t", "")
    assert "af_listeners 0.0" in str(await desk.render_metrics())


def test_a_token_is_never_shown():
    assert "secret" not in repr(stream.Listener("secret"))
