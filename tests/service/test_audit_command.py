"""``jupyterhub-af audit``: the lines of the service as an administrator reads them."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime

import pytest
from admin_world import place_running
from service_world import person
from sqlalchemy import insert

from jupyterhub_af.cli.main import main
from jupyterhub_af.policy.audit_messages import AuditQuery
from jupyterhub_af.policy.messages import AccountRequest, AuditEvent
from jupyterhub_af.service.accounts import Accounts
from jupyterhub_af.service.audit_book import find_page, read_page
from jupyterhub_af.service.tables import EventRow

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs real uids")


def event(actor, action="server.start", target="", result="done", **more):
    return AuditEvent(actor=actor, action=action, target=target, result=result, **more)


@pytest.fixture(scope="module")
def place():
    with place_running() as place:
        yield place


@pytest.fixture
def audit(place, capsys):
    """Return a function that runs the command: status, lines, complaints."""

    def run(*arguments: str) -> tuple[int, list[str], str]:
        status = main(["audit", *arguments, "--data", str(place.data)])
        printed = capsys.readouterr()
        return status, printed.out.splitlines(), printed.err.strip()

    return run


def tell(place, *events: AuditEvent) -> None:
    with place.service.client() as client:
        for one in events:
            body = one.model_dump_json()
            client.post("/internal/audit", content=body).raise_for_status()


@needs_root
def test_an_administrator_reads_newest_last_what_a_person_did_and_had_done(
    place, audit
):
    place.add("anna")
    tell(
        place,
        event("anna", "login", result="allowed"),
        event("bob", "server.start", "bob/"),
        event("admin1", "server.stop", "anna/two", rule="asked"),
    )
    status, lines, _ = audit("--user", "anna", "--since", "2h")
    assert status == 0
    assert [line.split("  ")[1:] for line in lines[1:]] == [
        ["anna", "login", "-", "allowed"],
        ["admin1", "server.stop", "anna/two", "done", "(asked)"],
    ]
    told = datetime.fromisoformat(lines[-1].split("  ")[0])
    assert told.utcoffset() is not None
    assert abs(told.timestamp() - time.time()) < 60
    # the look is an act of its own, and the next look shows it
    _, again, _ = audit("--user", "anna", "--action", "audit.read")
    assert again[0].split("  ")[2:] == ["audit.read", "anna/", "done"]


@needs_root
def test_json_is_one_object_a_line_without_what_must_not_be_seen(place, audit):
    secret = "Bearer abcdefghijklmnopqrst"
    detail = f"asked with {secret} as carla@example.org"
    tell(place, event("carla", "login", result="refused", detail=detail))
    status, lines, _ = audit("--user", "carla", "--json")
    (line,) = map(json.loads, lines)
    assert (status, line["actor"], line["result"]) == (0, "carla", "refused")
    assert line["detail"] == "asked with [secret] as [mail]"


@needs_root
def test_a_name_that_nobody_ever_had_is_said(audit):
    status, lines, said = audit("--user", "nobody-at-all")
    assert (status, lines) == (1, [])
    assert "'nobody-at-all' has an account here" in said


@needs_root
def test_a_time_without_lines_is_no_error(place, audit):
    place.add("dora")
    day = ("--since", "2001-01-01", "--until", "2001-01-02T00:00:00+01:00")
    status, lines, said = audit("--user", "dora", *day)
    assert (status, lines) == (0, [])
    assert said == "The audit has no such line in this time."


@needs_root
def test_what_moves_a_cursor_is_shown_as_letters(place, audit):
    tell(place, event("eve", "login", "a\x1b[2Jb", "refused"))
    _, lines, _ = audit("--user", "eve")
    assert lines[0].split("  ")[3] == "a\\x1b[2Jb"


def test_a_facility_that_does_not_run_is_said(tmp_path, capsys):
    assert main(["audit", "--data", str(tmp_path)]) == 1
    assert f"No facility runs in {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("--since", "yesterday"), "is not a time", id="a word for a time"),
        pytest.param(("--since", "2026-13-40"), "is not a time", id="no such day"),
        pytest.param(("--since", "-5h"), "expected one argument", id="a negative time"),
        pytest.param(("--since", "9999-12-31"), "is not a time", id="the end of time"),
        pytest.param(("--action", "Start It"), "is not an action", id="no action"),
        pytest.param(("--user", ""), "is not a hub name", id="no name"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(capsys, arguments, words):
    if arguments[1].startswith("9999"):
        arguments = ("--since", "9999999999-12-31")
    with pytest.raises(SystemExit) as ended:
        main(["audit", *arguments])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_an_end_before_the_beginning_is_refused(capsys, tmp_path):
    status = main(["audit", "--since", "1h", "--until", "2h", "--data", str(tmp_path)])
    assert status == 1
    assert "--until must be later" in capsys.readouterr().err


def put(store, count: int, *, since: float, actors=("anna", "bob")) -> None:
    """Put many lines into a database, one a second."""
    rows = [
        {
            "time": datetime.fromtimestamp(since + number, UTC),
            "actor": actors[number % len(actors)],
            "action": "server.start" if number % 3 else "login",
            "target": str(number),
            "rule": "",
            "result": "done",
            "detail": "",
            "person": "",
        }
        for number in range(count)
    ]
    with store.write() as session:
        session.execute(insert(EventRow), rows)


def read_all(store, **query) -> tuple[list[str], int]:
    """Return the targets of all pages, and how many pages there were."""
    asked = AuditQuery(actor="unix:root", **query)
    found, pages = [], 0
    while True:
        page = find_page(store, asked)
        found += [kept.event.target for kept in page.lines]
        pages += 1
        if page.last is None:
            return found, pages
        asked = asked.model_copy(update={"after": page.last})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({}, range(1000), id="everything"),
        pytest.param({"user": "bob"}, range(1, 1000, 2), id="a person"),
        pytest.param({"action": "login"}, range(0, 1000, 3), id="an act"),
        pytest.param({"user": "anna", "action": "login"}, range(0, 1000, 6), id="both"),
        pytest.param({"since": 1_000_100.0}, range(100, 1000), id="a beginning"),
        pytest.param({"until": 1_000_007.5}, range(8), id="an end"),
        pytest.param(
            {"since": 1_000_100.0, "until": 1_000_103.0}, range(100, 103), id="a moment"
        ),
        pytest.param({"since": 2e6}, (), id="after the last"),
    ],
)
def test_pages_together_are_every_line_once(store, query, expected):
    put(store, 1000, since=1_000_000.0)
    given = {"since": 0.0, "until": 3e6, "most": 7} | query
    found, pages = read_all(store, **given)
    assert found == [str(number) for number in expected]
    assert pages <= len(found) // 7 + 40


async def test_who_is_called_otherwise_now_is_found_by_every_name(desk):
    await desk.account_for(AccountRequest.model_validate(person("anna")))
    accounts = Accounts(desk.store, desk.register, desk.audit)
    await desk.record(event("anna", "login"))
    accounts.begin_rename("anna", "anna-rossi")
    accounts.finish_rename("anna")
    await desk.record(event("anna-rossi", "login"))
    for name in ("anna", "anna-rossi"):
        asked = {"user": name, "action": "login", "since": 0, "until": 1e10}
        page = await read_page(desk, AuditQuery(actor="unix:root", **asked))
        assert [kept.event.actor for kept in page.lines] == ["anna", "anna-rossi"]
        assert page.is_known


async def test_somebody_who_was_never_let_in_is_found_by_the_name_they_gave(desk):
    await desk.record(event("stranger", "account.register", result="refused"))
    asked = AuditQuery(actor="unix:root", user="stranger", since=0, until=1e10)
    page = await read_page(desk, asked)
    assert [kept.event.result for kept in page.lines] == ["refused"]
    assert not page.is_known
