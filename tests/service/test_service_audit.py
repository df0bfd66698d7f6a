"""The audit: kept, masked, and only what fits the schema."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from jsonschema import ValidationError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from jupyterhub_af.policy.messages import AuditEvent
from jupyterhub_af.policy.panel import HistoryLine
from jupyterhub_af.service.audit import Audit, mask, person_of
from jupyterhub_af.service.store import Store

EVENT = AuditEvent(
    actor="alice",
    action="server.start",
    target="alice/",
    rule="profile-withheld",
    result="refused",
    detail="CYGNO is for members of the group cygno.",
)
JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"RS256","kid":"a"}', b'{"sub":"x"}', b"0" * 64)
)
MASKED = {
    "a signed token": (f"got {JWT}.", "got [token]"),
    "an unsigned token": ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.", "[token]"),
    "half a token": (JWT[:40], "[token]"),
    "a hub token": ("with 3f2b8e0d6a5c4f1e9b7a3c2d1e0f9a8b now", "with [secret] now"),
    "an Authorization header": ("Bearer abcdefghijklmnopqrst", "[secret]"),
    "a mail": ("ask Ann.Lee+x@cern.example.org!", "ask [mail]"),
    "a mail in brackets": ("<a@b.it>", "<[mail]>"),
    "a sentence": (EVENT.detail, EVENT.detail),
    "an image": ("registry.example.org/af/dodas:5", "registry.example.org/af/dodas:5"),
}


@pytest.fixture
def audit(store) -> Audit:
    return Audit(store)


@pytest.mark.parametrize(("given", "shown"), MASKED.values(), ids=MASKED.keys())
def test_what_looks_like_a_secret_is_masked(given, shown):
    assert mask(given) == shown


def test_masking_never_makes_a_text_too_long():
    assert len(mask("a@b.c " * 83)) <= 500


async def test_an_event_is_kept_when_record_returns(audit):
    await audit.record(EVENT)
    (kept,) = audit.last(5)
    assert kept.event == EVENT
    age = datetime.now(UTC) - kept.time
    assert timedelta(0) <= age < timedelta(seconds=30)


async def test_the_newest_event_comes_first(audit):
    for number in range(3):
        await audit.record(EVENT.model_copy(update={"target": str(number)}))
    assert [k.event.target for k in audit.last(2)] == ["2", "1"]


async def test_a_token_in_an_event_is_neither_stored_nor_logged(store):
    written = io.StringIO()
    audit = Audit(store, handlers=[logging.StreamHandler(written)])
    given = {"actor": JWT[:200], "target": JWT[:200], "detail": f"{JWT} from a@b.it"}
    await audit.record(EVENT.model_copy(update=given))
    (kept,) = audit.last(1)
    assert kept.event.actor == kept.event.target == "[token]"
    assert kept.event.detail == "[token] from [mail]"
    line = json.loads(written.getvalue())
    assert line["detail"] == "[token] from [mail]"
    assert JWT[:20] not in written.getvalue()


def event(actor: str, action: str, target: str = "", result: str = "done"):
    return AuditEvent(actor=actor, action=action, target=target, result=result)


async def test_people_see_what_they_did_and_what_was_done_to_what_is_theirs(audit):
    for given in (
        event("alice", "login"),
        event("bob", "server.start", "bob/"),
        event("admin", "server.start", "alice/one"),
        event("af", "server.stop", "alice/"),
        event("af", "server.stop", "alice2/"),
        event("alice", "server.start", "bob/one"),
        # somebody else who gave the same name
        event("alice", "account.register", result="refused"),
        event("bob", "note", "alice"),
    ):
        await audit.record(given)
    shown = [(x.actor, x.action, x.target) for x in audit.about("alice", 50)]
    assert shown == [
        ("alice", "login", ""),
        ("admin", "server.start", "alice/one"),
        ("af", "server.stop", "alice/"),
        ("alice", "server.start", "bob/one"),
    ]
    assert [x.target for x in audit.about("alice2", 50)] == ["alice2/"]
    # the service is no person, whatever an old account is called
    assert audit.about("af", 50) == ()
    assert audit.about("", 50) == ()


async def test_who_works_in_a_folder_sees_what_was_done_to_it(audit):
    await audit.record(event("unix:ada", "backup.list", "collabspace:GW", "allowed"))
    await audit.record(event("unix:ada", "backup.list", "collabspace:HEP", "allowed"))
    shown = [line.target for line in audit.about("alice", 50, ["collabspace:GW"])]
    assert shown == ["collabspace:GW"]
    # nobody is let in by being called like a folder
    for name in ("collabspace:GW", "collabspace"):
        assert [x for x in audit.about(name, 50) if x.target] == []


async def test_the_newest_lines_are_shown_oldest_first(audit):
    for number in range(6):
        target = f"alice/{number}" if number % 2 else f"bob/{number}"
        await audit.record(event("alice", "server.start", target))
    lines = audit.about("alice", 3)
    assert [line.target for line in lines] == ["alice/3", "bob/4", "alice/5"]
    assert [line.id for line in lines] == sorted(line.id for line in lines)


async def test_a_line_says_nothing_of_the_detail(audit):
    await audit.record(EVENT)
    (line,) = audit.about("alice", 50)
    assert line == HistoryLine(
        id=line.id,
        at=audit.last(1)[0].time.timestamp(),
        actor="alice",
        action="server.start",
        target="alice/",
        rule="profile-withheld",
        result="refused",
    )


async def test_lines_of_before_are_found_too(old_store):
    row = (
        "INSERT INTO events (time, actor, action, target, rule, result, detail) VALUES "
        "('2026-01-01 00:00:00', 'admin', 'server.start', :target, '', 'done', '')"
    )
    with old_store.write() as session:
        for target in ("alice/", "alice/one", "alice/one", "bob/", "alice"):
            session.execute(text(row), {"target": target})
    old_store.upgrade()
    lines = Audit(old_store).about("alice", 50)
    assert [line.target for line in lines] == ["alice/", "alice/one", "alice/one"]


@pytest.mark.parametrize(
    ("target", "person"),
    [
        pytest.param("alice/", "alice", id="the first server"),
        pytest.param("alice/one/0f", "alice", id="a cluster"),
        pytest.param("alice", "", id="a word"),
        pytest.param("collabspace:GW", "/collabspace:GW", id="a group's folder"),
        pytest.param("a:b/one", "a:b", id="a person of an odd name"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_whose_a_target_is(target, person):
    assert person_of(target) == person


async def test_a_hub_name_that_looks_like_a_mail_stays_readable(audit):
    await audit.record(EVENT.model_copy(update={"actor": "a@b.it"}))
    assert audit.last(1)[0].event.actor == "a@b.it"


@pytest.mark.parametrize(
    "change", [{"action": "Not An Action"}, {"result": "maybe"}, {"actor": ""}], ids=str
)
async def test_what_does_not_fit_the_schema_is_not_kept(audit, change):
    with pytest.raises(ValidationError):
        await audit.record(EVENT.model_copy(update=change))
    assert audit.last(1) == []


async def test_an_event_that_cannot_be_stored_is_an_error(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/none/af.sqlite")
    with pytest.raises(OperationalError):
        await Audit(store).record(EVENT)
    store.close()


@pytest.fixture
def picky(store) -> Audit:
    """An audit whose database keeps one event of each person."""
    with store.write() as session:
        session.execute(text("CREATE UNIQUE INDEX picky ON events (actor)"))
    return Audit(store)


async def test_an_event_that_cannot_be_stored_is_nobody_else_s_error(picky):
    people = [f"alice{number}" for number in range(8)]
    await picky.record(EVENT.model_copy(update={"actor": "mallory"}))
    doing = (
        picky.record(EVENT.model_copy(update={"actor": actor}))
        for actor in (*people[:4], "mallory", *people[4:])
    )
    outcomes = await asyncio.gather(*doing, return_exceptions=True)
    failed = [outcome for outcome in outcomes if outcome is not True]
    assert [type(error) for error in failed] == [IntegrityError]
    assert outcomes[4] is failed[0]
    kept = sorted(k.event.actor for k in picky.last(20))
    assert kept == [*people, "mallory"]


async def test_who_stops_waiting_takes_no_event_back(store):
    audit = Audit(store)

    async def keep(actor):
        await audit.record(EVENT.model_copy(update={"actor": actor}))

    impatient = asyncio.create_task(keep("bob"))
    patient = asyncio.create_task(keep("alice"))
    await asyncio.sleep(0)
    impatient.cancel()
    await patient
    with pytest.raises(asyncio.CancelledError):
        await impatient
    async with asyncio.timeout(30):
        while len(await store.run(audit.last, 5)) < 2:
            pass
    assert {kept.event.actor for kept in audit.last(5)} == {"alice", "bob"}


async def test_an_event_that_is_lost_after_nobody_waits_is_logged(store, caplog):
    audit = Audit(store)
    with store.write() as session:
        session.execute(text("DROP TABLE events"))
    impatient = asyncio.create_task(audit.record(EVENT))
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    async with asyncio.timeout(30):
        while "failed for urn:jupyterhub-af:events:audit" not in caplog.text:
            await store.run(store.ping)
