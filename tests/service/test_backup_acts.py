"""``jupyterhub-af backup``: compare and bring back, through the service and offline."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from admin_world import place_running
from service_world import person

from jupyterhub_af.cli.main import main
from jupyterhub_af.policy.messages import AccountRequest
from jupyterhub_af.policy.restore_messages import AdminVerify
from jupyterhub_af.service.accounts import Accounts
from jupyterhub_af.service.backup_acts import BackupActs

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs real uids")
TIME = "2026-11-20T10-00-00Z"
TREE = ("--tree", "private/anna", "--from", TIME)


@pytest.fixture
def place():
    with place_running() as place:
        place.add("anna")
        made = place.volume / "backups/private/anna" / TIME
        made.mkdir()
        shutil.copy2(place.volume / "private/anna/work.txt", made)
        uid = (place.volume / "private/anna").stat().st_uid
        os.chown(made / "work.txt", uid, uid)
        yield place


@pytest.fixture
def backup(place, capsys):
    """Return a function that runs the command: status, what it says, complaints."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["backup", *arguments])
        printed = capsys.readouterr()
        return status, printed.out.strip(), printed.err.strip()

    return run


def where(place) -> tuple[str, str]:
    return "--data", str(place.data)


def test_a_tree_is_compared_with_a_backup_and_its_person_can_read_that(place, backup):
    assert backup("verify", *TREE, *where(place)) == (0, "", "No differences.")
    (place.volume / "private/anna/work.txt").write_text("other work")
    status, said, count = backup("verify", *TREE, *where(place))
    assert (status, count) == (1, "2 differences.")
    assert all(line.startswith("work.txt: ") for line in said.splitlines())
    events = [("backup.verify", "anna/private", "allowed")] * 2
    assert place.audit() == events


def test_work_comes_back_and_what_was_there_is_beside(place, backup):
    work = place.volume / "private/anna/work.txt"
    work.write_text("a mistake")
    status, said, _ = backup("restore", *TREE, "--to", "live", *where(place))
    first, second = said.splitlines()
    assert (status, first) == (0, "work.txt: brought back")
    kept = second.removesuffix(": what was there before")
    assert (work.parent / kept).read_text() == "a mistake"
    assert work.read_text() == "work of anna"
    assert place.audit() == [
        ("backup.restore", "anna/private", "allowed"),
        ("backup.restore", "anna/private", "done"),
    ]


def test_a_copy_into_another_folder_is_in_the_audit_before_it_is_made(
    place, backup, tmp_path
):
    arguments = (*TREE, "--path", "work.txt", "--to", str(tmp_path))
    status, said, _ = backup("restore", *arguments, *where(place))
    assert (status, said) == (0, str(tmp_path / "work.txt"))
    assert (tmp_path / "work.txt").read_text() == "work of anna"
    assert place.audit() == [("backup.copy", "anna/private", "allowed")]
    # where nothing can be written into the audit, nothing is copied
    place.service.stop()
    (tmp_path / "work.txt").unlink()
    assert backup("restore", *arguments, *where(place))[0] == 1
    assert list(tmp_path.iterdir()) == []


def test_a_path_is_taken_out_of_every_backup_and_its_person_reads_so(place, backup):
    arguments = ("--tree", "private/anna", "--path", "work.txt", *where(place))
    assert "is not backed up" in backup("purge", *arguments)[2]
    text = place.service.facility_file.read_text()
    rules = "kind: private, backup: {every: 30d, keep: 9}"
    edited = place.service.folder / "edited.yaml"
    edited.write_text(text.replace("kind: private", rules))
    edited.replace(place.service.facility_file)
    status, said, complaint = backup("purge", *arguments)
    # the agent's first round may have made one more already
    assert re.fullmatch(r"private/anna: [12] backups had it; none has it now\.", said)
    assert (status, complaint) == (0, "")
    assert not (place.volume / "backups/private/anna" / TIME / "work.txt").exists()
    assert (place.volume / "private/anna/work.txt").exists()
    complaint = backup("purge", *arguments[:3], "../x", *where(place))[2]
    assert complaint.startswith("'../x' is no path of a tree")
    assert place.audit() == [("backup.purge", "anna/private", "allowed")] * 3


@pytest.mark.parametrize("act", ["verify", "restore"])
def test_without_the_facility_it_works_upon_a_volume(place, backup, act):
    place.service.stop()
    to = ("--to", "live") if act == "restore" else ()
    status, _, complaint = backup(act, *TREE, *to, *where(place))
    assert status == 1
    assert "No facility runs in" in complaint
    (place.volume / "private/anna/work.txt").unlink()
    arguments = (*TREE, *to, "--volume", str(place.volume))
    status, said, complaint = backup(act, *arguments)
    assert complaint.startswith("Without the facility: no audit has this.")
    if act == "restore":
        assert (status, said) == (0, "work.txt: brought back")
    else:
        assert (status, said) == (1, "work.txt: is missing")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("verify",), "Say which backup of what: --tree AREA/OWNER --from TIME."),
        (("verify", *TREE[:2], "--from", "yesterday"), "generation: "),
        (("verify", "--tree", "nowhere/anna", *TREE[2:]), "'nowhere' is no area with"),
        (("verify", "--tree", "private/bob", *TREE[2:]), "Nobody with the name 'bob'"),
        (
            ("verify", *TREE[:2], "--from", "2020-01-01T00-00-00Z"),
            "There is no 'backups/private/anna/2020-01-01T00-00-00Z' on the volume.",
        ),
        (
            ("restore", *TREE, "--path", "../bob", "--to", "live"),
            "'../bob' is no path below the tree",
        ),
        (
            ("restore", *TREE, "--to", "/nowhere/at/all"),
            "/nowhere/at/all is no folder to copy into",
        ),
        (("verify", "--manifest", "/nowhere"), "/nowhere cannot be read"),
        (("verify", "--manifest", "/etc/passwd"), "/etc/passwd is no manifest"),
    ],
)
def test_what_cannot_be_is_said_in_words(place, backup, arguments, words):
    status, _, complaint = backup(*arguments, *where(place))
    assert status == 1
    assert words in complaint


def test_a_tree_that_is_none_is_refused_by_the_command_line(place, capsys):
    with pytest.raises(SystemExit):
        main(["backup", "verify", "--tree", "private", *where(place)])
    assert "write AREA/OWNER" in capsys.readouterr().err


def test_a_volume_is_listed_and_compared_with_its_manifest(place, backup):
    to = str(place.data / "manifest.jsonl")
    volume = ("--volume", str(place.volume))
    status, said, _ = backup("manifest", *volume, "--to", to)
    assert (status, said) == (0, f"{to} lists 5 entries.")
    assert backup("verify", *volume, "--manifest", to) == (0, "", "No differences.")
    Path(place.volume / "private/anna/work.txt").chmod(0o600)
    assert backup("verify", *volume, "--manifest", to) == (
        1,
        "private/anna/work.txt: mode is 600, not 644",
        "1 difference.",
    )
    assert backup("manifest", *volume, "--to", to)[2] == f"{to}: File exists."


async def test_an_act_asked_for_again_is_one_and_a_later_one_another(desk, clock):
    answers = [False, True, False, True]

    class Agent:
        """Stand in for the line: done at every second question."""

        async def ask(self, path, wanted, reply):
            return reply(is_done=answers.pop(0))

    await desk.account_for(AccountRequest.model_validate(person("anna")))
    desk = replace(desk, agent=Agent())
    acts = BackupActs(desk, Accounts(desk.store, desk.register, desk.audit))
    asked = AdminVerify(
        actor="unix:root", area="private", owner="anna", generation=TIME
    )
    for seconds in (0, 1, 1, 3600):
        clock.now += seconds
        await acts.verify(asked)
    lines = desk.audit.about("anna", 50)
    assert [line.action for line in lines].count("backup.verify") == 3
