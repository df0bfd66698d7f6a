from __future__ import annotations

import json
from pathlib import Path

import pytest
from worlds import FACILITY_TEXT, PEOPLE, demo_facility

from jupyterhub_af.cli.main import main
from jupyterhub_af.policy.facility import facility_digest


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "facility.yaml"
    path.write_text(FACILITY_TEXT, encoding="utf8")
    return str(path)


def run(file: str, person: str, choice: object = None, *more: str) -> int:
    groups = ",".join(sorted(PEOPLE[person]))
    chosen = [] if choice is None else ["--choose", json.dumps(choice)]
    return main(["plan", file, "--user", person, "--groups", groups, *chosen, *more])


def test_json_is_the_whole_plan_with_no_number_given(file, capsys):
    assert run(file, "student1", {"profile": "ml-infn", "gpu": "slice"}, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert {key: plan[key] for key in ("profile", "size", "gpu", "image")} == {
        "profile": "ml-infn",
        "size": "default",
        "gpu": "slice",
        "image": "registry.example.org/af/ml-infn:2",
    }
    assert (plan["cores"], plan["memory_bytes"]) == (1.0, 2 * 2**30)
    assert (plan["gpu_resource"], plan["gpu_count"]) == ("nvidia.com/mig-1g.5gb", 1)
    assert (plan["uid"], plan["gid"]) == (None, None)
    assert plan["gids"] == {"hackathon/gw": None, "hackathon/teachers": None}
    assert plan["facility_digest"] == facility_digest(demo_facility())
    assert [m["path"] for m in plan["mounts"]] == [
        "/af/private",
        "/af/shared",
        "/af/shared/student1",
        "/af/collabspace/GW",
        "/af/collabspace/backups/GW",
        "/cvmfs",
    ]


@pytest.mark.parametrize(
    ("person", "choice", "parts"),
    [
        pytest.param("student1", None, ("dodas-v5", "small", None), id="nothing said"),
        pytest.param("student1", {}, ("dodas-v5", "small", None), id="nothing chosen"),
        pytest.param(
            "researcher1",
            {"profile": "dodas-v5", "size": "large"},
            ("dodas-v5", "large", None),
            id="a size",
        ),
        pytest.param(
            "student1",
            {"profile": "ml-infn"},
            ("ml-infn", "default", "none"),
            id="the default GPU",
        ),
        pytest.param(
            "researcher1",
            {"profile": "own-image", "image": "registry.example.org/users/me/x:1"},
            ("own-image", "default", None),
            id="an own image",
        ),
    ],
)
def test_absent_parts_take_what_is_open(file, capsys, person, choice, parts):
    assert run(file, person, choice, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["profile"], plan["size"], plan["gpu"]) == parts


@pytest.mark.parametrize(
    ("person", "choice", "rule"),
    [
        pytest.param("student1", {"profile": None}, "option-malformed", id="null"),
        pytest.param("student1", {"profile": ""}, "option-malformed", id="empty"),
        pytest.param("student1", {"size": 1}, "option-malformed", id="a number"),
        pytest.param("student1", {"cmd": "x"}, "option-unknown", id="an unknown key"),
        pytest.param("student1", [], "option-malformed", id="a list"),
        pytest.param("student1", "dodas-v5", "option-malformed", id="a text"),
        pytest.param("student1", {"profile": "cygno"}, "profile-unknown", id="hidden"),
        pytest.param("student1", {"size": "large"}, "size-withheld", id="a size"),
        pytest.param(
            "student1", {"profile": "own-image"}, "profile-withheld", id="a profile"
        ),
        pytest.param("outsider1", {}, "login", id="who may not log in"),
        pytest.param(
            "researcher1", {"profile": "own-image"}, "image-missing", id="no image"
        ),
    ],
)
def test_a_refusal_is_said_and_exits_1(file, capsys, person, choice, rule):
    assert run(file, person, choice) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.endswith(".\n")
    assert run(file, person, choice, "--json") == 1
    refusal = json.loads(capsys.readouterr().out)
    assert refusal == {"allowed": False, "reason": printed.err.strip(), "rule": rule}


@pytest.mark.parametrize(
    "text", ["", "{", "profile", '{"size": "small", "size": "large"}', "[" * 100_000]
)
def test_a_choice_that_is_not_json_is_refused(file, capsys, text):
    arguments = ["plan", file, "--user", "u", "--groups", "hackathon"]
    assert main([*arguments, "--choose", text]) == 1
    printed = capsys.readouterr()
    assert "is not a JSON object with each key once." in printed.err
    assert len(printed.err) < 300


def test_text_shows_what_would_start_and_what_is_left_out(file, capsys):
    assert run(file, "teacher1", {}) == 0
    assert capsys.readouterr().out.splitlines() == [
        "profile: dodas-v5 (DODAS V5)",
        "size: small (1 core, 2 GiB)",
        "image: registry.example.org/af/dodas:5",
        "home: /af/private",
        "mounts:",
        "  /af/private  writable  (from private/teacher1)",
        "  /af/shared  writable  (from shared/shared)",
        "  /af/shared/teacher1  writable  (from shared/shared/teacher1)",
        "  /cvmfs  read-only  (from cvmfs)",
        "left out:",
        "  collabspace: The area collabspace has folders for members of "
        "hackathon/fismed, hackathon/gw, hackathon/hep only.",
        "dask: standard",
        "token: audience as the IAM says, scopes those of the login",
        f"facility digest: {facility_digest(demo_facility())}",
    ]
