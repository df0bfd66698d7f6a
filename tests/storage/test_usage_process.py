"""What hub and service are told of trees, by an agent that runs."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
from storage_world import plan_for
from test_storage_process import Running, refusal, running
from usage_world import write
from worlds import FACILITY_TEXT

from jupyterhub_af.policy.messages import Health, plan_to_json
from jupyterhub_af.policy.quota import fullness_of, needs_rescue
from jupyterhub_af.policy.storage_messages import (
    LargestReply,
    LargestRequest,
    RecountReply,
    RecountRequest,
    TreeName,
    TreesRequest,
    UsageReply,
)

MINE = TreeName(area="private", kind="private", owner="student1")
GW = TreeName(area="collabspace", kind="collab", owner="GW")
SOON = 20


@pytest.fixture
def agent():
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as agent:
        file = agent.folder / "facility.yaml"
        file.with_suffix(".new").write_text(FACILITY_TEXT.replace("20G", "1M"))
        file.with_suffix(".new").replace(file)
        yield agent


@pytest.fixture
def home(agent: Running) -> Path:
    if os.geteuid() == 0:
        plan = plan_to_json(plan_for("student1"))
        assert agent.ask("POST", "/ensure", content=plan).status_code == 200
    home = agent.folder / "areas" / "private" / "student1"
    home.mkdir(parents=True, exist_ok=True)
    return home


def ask(agent, path, message, reply, *, process="hub"):
    secret = None
    if process == "service":
        secret = (agent.folder / "service-secret").read_text()
    answer = agent.ask(
        "POST", path, secret=secret, content=message.model_dump_json().encode()
    )
    assert answer.status_code == 200, answer.text
    return reply.model_validate_json(answer.content)


def usage(agent, patience=0.0, tree=MINE):
    request = TreesRequest(trees=(tree,), patience_seconds=patience)
    return ask(agent, "/usage", request, UsageReply)


def until(is_true):
    deadline = time.monotonic() + SOON
    while not (found := is_true()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def counted(agent):
    return until(lambda: (u := usage(agent).usages[0]).counted_at is not None and u)


def test_a_tree_that_is_asked_about_is_counted(agent, home):
    size = write(home / "file", 100_000)
    first = usage(agent)
    assert first.usages[0].quota_bytes == 1024**2
    assert first.free_bytes > 0
    found = counted(agent)
    assert size <= found.used_bytes <= size + 65536
    assert (found.files, found.enforced_by) == (1, "accounting")
    assert fullness_of(found) == "ok"
    index = agent.folder / "areas" / ".usage"
    assert index.stat().st_mode & 0o777 == 0o700
    files = [path for path in index.rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["student1.sqlite"]


def test_a_full_tree_asks_for_a_rescue(agent, home):
    write(home / "large", 2_000_000)
    assert fullness_of(counted(agent)) == "full"
    assert needs_rescue(usage(agent))


def test_what_fills_a_tree_is_told_to_the_service_alone(agent, home):
    write(home / "data" / "big.root", 300_000)
    counted(agent)
    request = LargestRequest(tree=MINE)
    reply = ask(agent, "/largest", request, LargestReply, process="service")
    assert [entry.path for entry in reply.entries] == ["data"]
    assert [entry.path for entry in reply.largest_files] == ["data/big.root"]
    answer = agent.ask("POST", "/largest", content=request.model_dump_json().encode())
    assert (answer.status_code, refusal(answer).rule) == (401, "wrong-secret")


def test_a_folder_that_is_not_known_is_refused_in_words(agent, home):
    counted(agent)
    request = LargestRequest(tree=MINE, path="no/such").model_dump_json().encode()
    secret = (agent.folder / "service-secret").read_text()
    answer = agent.ask("POST", "/largest", secret=secret, content=request)
    assert (answer.status_code, refusal(answer).rule) == (409, "folder-unknown")
    assert "no/such" in refusal(answer).message


def test_nothing_is_counted_twice_in_a_row(agent, home):
    request = RecountRequest(trees=(MINE,), is_asked=True)
    first = ask(agent, "/recount", request, RecountReply, process="service")
    again = ask(agent, "/recount", request, RecountReply, process="service")
    assert (first.has_begun, again.has_begun) == (True, False)
    assert first.again_at == again.again_at > time.time()


@pytest.mark.parametrize(
    "change",
    [
        {"owner": "../teacher1"},
        {"owner": "a/b"},
        {"owner": ".usage"},
        {"area": ".."},
        {"kind": "cvmfs"},
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(agent, change):
    tree = MINE.model_copy(update=change)
    content = TreesRequest(trees=(tree,)).model_dump_json().encode()
    answer = agent.ask("POST", "/usage", content=content)
    assert (answer.status_code, refusal(answer).rule) == (400, "not-a-tree")


def test_a_tree_that_is_not_there_is_not_known(agent):
    (found,) = usage(agent, tree=GW).usages
    assert (found.used_bytes, found.counted_at, found.quota_bytes) == (None,) * 3
    assert "Could not count" not in agent.log


def test_how_quotas_are_held_is_a_note_and_no_problem(agent):
    health = Health.model_validate_json(agent.ask("GET", "/health").content)
    assert any("accounting" in note for note in health.notes)
    assert not any("uota" in problem for problem in health.problems)


def test_an_index_that_is_broken_is_made_again(agent, home):
    write(home / "file", 100_000)
    counted(agent)
    index = agent.folder / "areas" / ".usage" / "private" / "student1.sqlite"
    index.write_bytes(b"no database" * 1000)
    request = LargestRequest(tree=MINE)
    reply = ask(agent, "/largest", request, LargestReply, process="service")
    assert reply.counted_at is None


def test_the_agent_ends_while_it_counts(agent, home):
    for number in range(3000):
        (home / str(number)).mkdir()
    usage(agent)
    agent.process.terminate()
    assert agent.process.wait(10) == 0
