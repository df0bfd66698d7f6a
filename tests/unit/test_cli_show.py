from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from worlds import FACILITY_TEXT, PEOPLE

from jupyterhub_af.cli.main import main

LOGIN = (
    "The account outsider1 may not use INFN analysis facility: it is for members of one"
    " of the groups hackathon, cygno, ml-infn. Ask support@example.org."
)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "facility.yaml"
    path.write_text(FACILITY_TEXT, encoding="utf8")
    return str(path)


def show(file: str, capsys, person: str, *more: str) -> str:
    groups = ",".join(sorted(PEOPLE[person]))
    assert main(["show", file, "--user", person, "--groups", groups, *more]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def yes(slug: str) -> dict[str, object]:
    return {"slug": slug, "allowed": True, "reason": None}


def no(slug: str, reason: str) -> dict[str, object]:
    return {"slug": slug, "allowed": False, "reason": reason}


def mount(source: str, path: str, *, read_only: bool = False) -> dict[str, object]:
    return {"source": source, "path": path, "read_only": read_only}


CYGNO = "cygno is for members of the group cygno."
OWN = "own-image is for members of the group cygno."
STUDENT1 = {
    "user": "student1",
    "groups": ["hackathon", "hackathon/gw", "hackathon/students"],
    "admin": False,
    "may_log_in": True,
    "reason": None,
    "profiles": [
        yes("dodas-v5")
        | {
            "sizes": [
                yes("small"),
                no("large", "The size large is for members of the group cygno."),
            ],
            "gpus": [],
        },
        no("cygno", CYGNO) | {"sizes": [no("default", CYGNO)], "gpus": []},
        yes("ml-infn")
        | {
            "sizes": [yes("default")],
            "gpus": [
                yes("none"),
                yes("slice"),
                no(
                    "whole", "The GPU choice whole is for members of the group ml-infn."
                ),
            ],
        },
        no("own-image", OWN) | {"sizes": [no("default", OWN)], "gpus": []},
    ],
    "storage": [
        {
            "name": "private",
            "allowed": True,
            "reason": None,
            "mounts": [mount("private/student1", "/af/private")],
        },
        {
            "name": "shared",
            "allowed": True,
            "reason": None,
            "mounts": [
                mount("shared/shared", "/af/shared", read_only=True),
                mount("shared/shared/student1", "/af/shared/student1"),
            ],
        },
        {
            "name": "collabspace",
            "allowed": True,
            "reason": None,
            "mounts": [
                mount("collab/collabspace/GW", "/af/collabspace/GW"),
                mount(
                    "backups/collabspace/GW",
                    "/af/collabspace/backups/GW",
                    read_only=True,
                ),
            ],
        },
        {
            "name": "cvmfs",
            "allowed": True,
            "reason": None,
            "mounts": [mount("cvmfs", "/cvmfs", read_only=True)],
        },
    ],
    "dask": [
        {
            "name": "standard",
            "allowed": True,
            "reason": None,
            "max_clusters": 2,
            "worker_cores": [1.0, 4.0],
            "worker_memory_bytes": [2**30, 8 * 2**30],
            "user_cores": 16.0,
            "user_memory_bytes": 32 * 2**30,
            "group_cores": {},
            "idle_timeout_seconds": 1800,
            "detach_seconds": 0,
        }
    ],
    "classes": [
        {"name": "hackathon", "role": "student", "allowed": True, "reason": None}
    ],
}


def test_json_is_everything_a_student_may_use_and_why_not_the_rest(file, capsys):
    assert json.loads(show(file, capsys, "student1", "--json")) == STUDENT1


@pytest.mark.parametrize("person", PEOPLE)
def test_every_profile_is_there_in_file_order_for_everybody(file, capsys, person):
    found = json.loads(show(file, capsys, person, "--json"))
    slugs = [profile["slug"] for profile in found["profiles"]]
    assert slugs == ["dodas-v5", "cygno", "ml-infn", "own-image"]
    assert list(found) == list(STUDENT1)


def test_who_may_not_log_in_is_shown_too_with_the_reason_everywhere(file, capsys):
    found = json.loads(show(file, capsys, "outsider1", "--json"))
    assert (found["may_log_in"], found["reason"]) == (False, LOGIN)
    parts = [*found["profiles"], *found["storage"], *found["dask"], *found["classes"]]
    assert all((part["allowed"], part["reason"]) == (False, LOGIN) for part in parts)


def test_an_administrator_is_one_and_gets_nothing_for_it(file, capsys):
    found = json.loads(show(file, capsys, "admin1", "--json"))
    assert (found["admin"], found["may_log_in"]) == (True, True)
    allowed = [p["slug"] for p in found["profiles"] if p["allowed"]]
    assert allowed == ["dodas-v5"]


@pytest.mark.parametrize(
    ("person", "lines"),
    [
        pytest.param(
            "student1",
            [
                "student1, groups: hackathon, hackathon/gw, hackathon/students",
                "may log in: yes",
                "  dodas-v5: yes",
                "    size small (1 core, 2 GiB): yes",
                "  own-image: no. own-image is for members of the group cygno.",
                "    /af/shared  read-only  (from shared/shared)",
                "  hackathon: student",
            ],
            id="a student",
        ),
        pytest.param(
            "researcher1",
            [
                "    size large (4 cores, 8 GiB): yes",
                "  hackathon: no. The class hackathon is for members of "
                "hackathon/students (students) and hackathon/teachers (teachers).",
                "    2 clusters; workers of 1 core to 4 cores and 1 GiB to 8 GiB; "
                "16 cores and 32 GiB in all; 64 cores for cygno",
            ],
            id="a researcher",
        ),
        pytest.param(
            "outsider1",
            ["outsider1, groups: none", f"may log in: no. {LOGIN}"],
            id="an outsider",
        ),
        pytest.param("admin1", ["administrator: yes"], id="an administrator"),
    ],
)
def test_text_says_the_same_to_a_reader(file, capsys, person, lines):
    printed = show(file, capsys, person).splitlines()
    assert [line for line in lines if line not in printed] == []


def test_groups_are_taken_as_they_are_without_ancestors(file, capsys):
    assert (
        main(["show", file, "--user", "u", "--groups", "hackathon/students", "--json"])
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert (found["groups"], found["may_log_in"]) == (["hackathon/students"], False)


@pytest.mark.parametrize("groups", [[], ["--groups", ""]])
def test_no_groups_are_no_groups(file, capsys, groups):
    assert main(["show", file, "--user", "u", "--json", *groups]) == 0
    assert json.loads(capsys.readouterr().out)["groups"] == []


@pytest.mark.parametrize(
    "groups", ["/hackathon", "a,,b", "a b", "a/../b", "a,\n", "ä", "a/", ","]
)
def test_what_is_no_group_is_refused_with_the_form_of_one(file, capsys, groups):
    with pytest.raises(SystemExit) as stopped:
        main(["show", file, "--user", "u", "--groups", groups])
    assert stopped.value.code == 2
    assert "is not a group: write full paths" in capsys.readouterr().err


@pytest.mark.parametrize("user", ["", "a\nb", "x" * 256])
def test_what_is_no_hub_name_is_refused(file, capsys, user):
    with pytest.raises(SystemExit) as stopped:
        main(["show", file, "--user", user])
    assert stopped.value.code == 2
    assert "is not a hub name" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["show", "plan"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("version: 2\n", "version", id="with problems"),
        pytest.param("", "is empty", id="empty"),
        pytest.param(None, "", id="absent"),
    ],
)
def test_a_bad_file_is_said_and_nothing_shown(tmp_path, capsys, command, text, words):
    path = tmp_path / "bad.yaml"
    if text is not None:
        path.write_text(text)
    assert main([command, str(path), "--user", "u"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"{path}:")
    assert words in printed.err
    assert "Traceback" not in printed.err


def test_a_reader_who_has_enough_is_no_error_with_a_traceback(file):
    command = [sys.executable, "-m", "jupyterhub_af.cli.main", "show", file]
    process = subprocess.Popen(
        [*command, "--user", "u", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    errors = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(60) in (0, 1)
    assert errors == ""
