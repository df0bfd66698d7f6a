"""``jupyterhub-af account``: command line, service and storage agent as they are.

The hub is a stand-in at the wire; ``tests/local`` has the whole facility.
"""

from __future__ import annotations

import json
import os
import signal
import tarfile
import threading
import time

import pytest
from admin_world import place_running

from jupyterhub_af.cli.main import main

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs real uids")


@pytest.fixture
def place():
    with place_running() as place:
        yield place


@pytest.fixture
def account(place, capsys):
    """Return a function that runs the command: status, what it says, complaints."""

    def run(*arguments: str) -> tuple[int, str, str]:
        act, *rest = arguments
        status = main(["account", act, *rest, "--data", str(place.data)])
        printed = capsys.readouterr()
        return status, printed.out.strip(), printed.err.strip()

    return run


def test_a_retired_person_is_out_at_once_and_back_when_reopened(place, account):
    place.add("anna")
    place.hub.run("anna", active_at=time.time())
    place.hub.run("anna", "two", active_at=time.time())
    status, said, on_the_way = account("retire", "anna")
    assert (status, said) == (
        0,
        "The account anna is retired: nobody can log in with it; the files are kept.",
    )
    assert on_the_way == "anna is out; 2 servers are being stopped."
    assert set(place.hub.stopped) == {("anna", ""), ("anna", "two")}
    # with the hub's user go sessions and tokens
    assert place.hub.users == set()
    assert place.log_in("anna").status_code == 403
    assert (place.volume / "private/anna/work.txt").exists()
    assert account("reopen", "anna") == (0, "The account anna is active.", "")
    assert place.log_in("anna").status_code == 200
    assert place.audit() == [
        ("account.retire", "anna/", "allowed"),
        ("account.retire", "anna/", "done"),
        ("account.reopen", "anna/", "done"),
    ]


def test_a_renamed_person_has_the_same_uid_and_files_under_the_new_name(place, account):
    uid = place.add("anna")
    status, said, _ = account("rename", "anna", "anna-rossi")
    words = f"The account anna is anna-rossi now; uid {uid} stays."
    assert (status, said) == (0, words)
    text = (place.volume / "private/anna-rossi/work.txt").read_text()
    assert text == "work of anna"
    assert (place.volume / "backups/private/anna-rossi").is_dir()
    assert not (place.volume / "private/anna").exists()
    found = place.log_in("anna", preferred_username="anna-rossi").json()
    assert found == {"name": "anna-rossi", "uid": uid, "gid": uid}
    # a second call says that it is done
    assert account("rename", "anna", "anna-rossi")[:2] == (
        0,
        "The account is anna-rossi already.",
    )


def test_nobody_is_renamed_while_a_server_of_theirs_runs(place, account):
    place.add("anna")
    place.hub.run("anna", active_at=time.time())
    status, _, complaint = account("rename", "anna", "bea")
    assert (status, complaint) == (
        1,
        "1 of anna's servers run, and what is open there could be lost: have them "
        "stopped first.",
    )
    assert place.hub.users == {"anna"}
    assert place.log_in("anna").json()["name"] == "anna"
    assert (place.volume / "private/anna").is_dir()


def test_nobody_is_renamed_to_where_files_lie(place, account):
    place.add("anna")
    (place.volume / "private/bea").mkdir()
    status, _, complaint = account("rename", "anna", "bea")
    assert status == 1
    assert "'private/bea' on the volume is there already" in complaint
    assert place.log_in("anna").json()["name"] == "anna"


@pytest.mark.parametrize("act", ["rename", "delete"])
def test_an_act_cut_off_without_the_agent_is_completed_by_the_next_call(
    place, account, act
):
    place.add("anna")
    more = ("bea",) if act == "rename" else ("--yes", "anna")
    if act == "delete":
        account("retire", "anna")
    place.stop_agent(signal.SIGKILL)
    status, _, complaint = account(act, "anna", *more)
    assert status == 1
    assert "storage agent of this facility did not answer" in complaint
    # half done, nobody gets in, and the service's death changes nothing
    assert place.log_in("anna").status_code in (403, 409)
    place.service.stop(signal.SIGKILL)
    place.service.start()
    place.start_agent()
    assert account(act, "anna", *more)[0] == 0
    assert not (place.volume / "private/anna").exists()
    assert not (place.volume / "backups/private/anna").exists()


def test_deleted_are_a_person_s_files_and_not_the_name(place, account):
    uid = place.add("anna")
    place.add("bob")
    refused = account("delete", "anna", "--yes", "anna")
    assert refused == (
        1,
        "",
        "The account anna is active. Retire it first: jupyterhub-af account retire anna",
    )
    account("retire", "anna")
    assert account("delete", "anna") == (
        1,
        "",
        "Nothing was deleted: write --yes anna to say that you mean it.",
    )
    status, said, _ = account("delete", "anna", "--yes", "anna")
    assert (status, said) == (
        0,
        "The account anna is deleted, with its files and their backups. The name and "
        f"uid {uid} are never given again.",
    )
    left = {str(p.relative_to(place.volume)) for p in place.volume.rglob("*.txt")}
    assert left == {"private/bob/work.txt", "backups/private/bob/work.txt"}
    again = account("delete", "anna", "--yes", "anna")
    assert again[:2] == (0, "The account anna is deleted already.")
    assert place.log_in("anna").json()["rule"] == "account-closed"
    other = place.log_in("anna", subject="somebody-else")
    assert other.json()["rule"] == "name-taken"


def test_an_export_is_whole_or_not_there(place, account):
    uid = place.add("anna")
    to = place.data / "anna.tar"
    status, said, _ = account("export", "anna", "--to", str(to))
    assert status == 0, said
    assert oct(to.stat().st_mode & 0o777) == "0o600"
    with tarfile.open(to) as tar:
        found = {entry.name: entry for entry in tar}
        record = json.load(tar.extractfile("facility.json"))
        work = tar.extractfile("private/anna/work.txt").read()
    assert set(found) == {"private/anna", "private/anna/work.txt", "facility.json"}
    assert work == b"work of anna"
    assert found["private/anna/work.txt"].uid == uid
    assert record["account"]["uid"] == uid
    assert ("account.export", "anna/", "allowed") in place.audit()
    before = to.read_bytes()
    assert account("export", "anna", "--to", str(to)) == (
        1,
        "",
        f"{to} is there already; name another file.",
    )
    assert to.read_bytes() == before
    place.stop_agent()
    other = place.data / "other.tar"
    assert account("export", "anna", "--to", str(other))[0] == 1
    assert [p.name for p in place.data.glob("*.tar*")] == ["anna.tar"]
    assert list(place.data.glob(".*")) == []


def test_an_export_that_breaks_off_leaves_no_file(place, account):
    place.add("anna")
    with (place.volume / "private/anna/large").open("wb") as file:
        file.truncate(64 * 1024**3)
    found = []

    def export() -> None:
        found.append(account("export", "anna", "--to", str(place.data / "anna.tar")))

    exporting = threading.Thread(target=export)
    exporting.start()
    try:
        deadline = time.monotonic() + 60
        while not any(p.stat().st_size for p in place.data.glob(".*.part")):
            assert time.monotonic() < deadline
            assert exporting.is_alive(), found
            time.sleep(0.01)
    finally:
        place.stop_agent(signal.SIGKILL)
        exporting.join(60)
    assert found == [(1, "", "The service broke off its answer; its log says why.")]
    assert list(place.data.glob("*.tar")) + list(place.data.glob(".*")) == []


def test_the_list_shows_everybody(place, account):
    uids = {name: place.add(name) for name in ("anna", "bob")}
    place.hub.run("bob", active_at=time.time())
    account("retire", "anna")
    status, said, _ = account("list", "--json")
    found = [
        (line["name"], line["uid"], line["state"], line["servers"])
        for line in json.loads(said)
    ]
    assert (status, found) == (
        0,
        [("anna", uids["anna"], "retired", 0), ("bob", uids["bob"], "active", 1)],
    )
    shown = account("list")[1].splitlines()
    assert [line.split()[0] for line in shown] == ["name", "anna", "bob"]


def test_somebody_unknown_and_a_facility_that_does_not_run_are_said(place, account):
    place.add("anna")
    assert account("retire", "nobody-here")[2] == (
        "Nobody with the name 'nobody-here' has an account here."
    )
    place.service.stop()
    assert "No facility runs in" in account("list")[2]


def test_only_the_command_line_s_secret_opens_the_routes(place):
    for secret in ("hub_secret", "gateway_secret", "agent_secret"):
        with place.service.client(getattr(place.service, secret)) as client:
            for path in ("", "/record?name=anna"):
                found = client.get(f"/internal/admin/accounts{path}")
                assert found.status_code == 401
            for path in ("", "/export"):
                found = client.post(f"/internal/admin/accounts{path}", json={})
                assert found.status_code == 401
