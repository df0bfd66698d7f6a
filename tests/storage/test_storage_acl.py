"""What people share stays shared, whatever an image's umask or an access list says."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from storage_world import (
    FELLOW,
    GIDS,
    STRANGER,
    STUDENT,
    TEACHER,
    ensure,
    ensure_counting,
    layout,
    open_volume,
    plan_for,
    run_as,
)

from jupyterhub_af.storage.acl import to_acl, wanted_default

GW, TEACHERS = GIDS["hackathon/gw"], GIDS["hackathon/teachers"]
FOLDER, SHARED = "collab/collabspace/GW", "shared/shared/student1"
MAKE = """
import os, sys
os.umask(0o077)
here = sys.argv[1]
open(here + "/file", "w").write("mine")
os.makedirs(here + "/sub/below")
open(here + "/sub/below/file", "w").write("mine")
"""
CHANGE = """
import os, sys
os.umask(0o077)
for name in ("/file", "/sub/below/file"):
    with open(sys.argv[1] + name, "a") as file: file.write(", ours")
    os.rename(sys.argv[1] + name, sys.argv[1] + name + ".renamed")
"""


@pytest.fixture
def volume() -> Iterator[Path]:
    with open_volume() as folder:
        ensure(folder, plan_for("student1"))
        yield folder


def lists_of(path: Path) -> list[str]:
    """Return what acl's own program says of a directory."""
    command = ["getfacl", "--omit-header", "--absolute-names", "--numeric", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split()


def set_list(path: Path, *words: str) -> None:
    subprocess.run(["setfacl", *words, str(path)], check=True)


@pytest.mark.parametrize(
    ("mode", "entries"),
    [
        pytest.param(0o2770, ["user::rwx", "group::rwx", "other::---"], id="a folder"),
        pytest.param(0o2775, ["user::rwx", "group::rwx", "other::r-x"], id="shared"),
        pytest.param(0o2750, ["user::rwx", "group::r-x", "other::---"], id="to read"),
    ],
)
def test_acl_s_own_program_reads_our_list_as_the_mode(tmp_path, mode, entries):
    tmp_path.chmod(mode)
    set_list(tmp_path, "--remove-default")
    plain = lists_of(tmp_path)
    os.setxattr(tmp_path, "system.posix_acl_default", to_acl(mode))
    assert plain == entries
    assert lists_of(tmp_path) == [*entries, *(f"default:{e}" for e in entries)]


def test_only_directories_that_hand_on_their_group_need_a_list():
    assert wanted_default(0o2770) == to_acl(0o770)
    assert [wanted_default(mode) for mode in (0o700, 0o711, 0o755, 0o550)] == [None] * 4


@pytest.mark.parametrize(
    ("place", "fellow", "group"),
    [
        pytest.param(FOLDER, FELLOW, GW, id="a fellow of the folder"),
        pytest.param(SHARED, TEACHER, TEACHERS, id="a teacher of the class"),
    ],
)
def test_a_file_made_under_umask_077_is_written_by_another(
    volume, place, fellow, group
):
    where = str(volume / place)
    run_as(STUDENT, [GW], MAKE, where)
    run_as(fellow, [group], CHANGE, where)
    found = {p: (volume / place / p).read_text() for p in ("file.renamed",)}
    assert found == {"file.renamed": "mine, ours"}
    below = volume / place / "sub/below/file.renamed"
    assert below.read_text() == "mine, ours"
    assert (below.stat().st_uid, below.stat().st_gid) == (STUDENT, group)


def test_what_is_made_under_umask_077_is_as_open_as_its_place_and_no_more(volume):
    for place in (FOLDER, SHARED, "private/student1"):
        run_as(STUDENT, [GW], MAKE, str(volume / place))
    found = {
        place: [
            oct((volume / place / name).stat().st_mode & 0o7777)
            for name in ("file", "sub", "sub/below", "sub/below/file")
        ]
        for place in (FOLDER, SHARED, "private/student1")
    }
    assert found == {
        FOLDER: ["0o660", "0o2770", "0o2770", "0o660"],
        SHARED: ["0o664", "0o2775", "0o2775", "0o664"],
        "private/student1": ["0o600", "0o700", "0o700", "0o600"],
    }


def test_a_file_that_its_owner_closes_stays_closed(volume):
    """A list says what new files may be; it opens nothing against its owner's will."""
    script = (
        "import os, sys, tempfile\n"
        "file = tempfile.NamedTemporaryFile(dir=sys.argv[1], delete=False)\n"
        "print(oct(os.fstat(file.fileno()).st_mode & 0o7777))"
    )
    said = run_as(STUDENT, [GW], script, str(volume / FOLDER))
    assert said.strip() == "0o600"


@pytest.mark.parametrize("how", [["mv"], ["cp"], ["cp", "-p"]], ids=" ".join)
def test_a_file_from_elsewhere_keeps_the_mode_it_had(volume, how):
    """Its owner closed it there, and moving it is not opening it."""
    script = (
        "import os, subprocess, sys\n"
        "open(sys.argv[1], 'w').write('x')\n"
        "os.chmod(sys.argv[1], 0o600)\n"
        "subprocess.run([*sys.argv[3:], sys.argv[1], sys.argv[2]], check=True)"
    )
    home, folder = volume / "private/student1/file", volume / FOLDER / "file"
    run_as(STUDENT, [GW], script, str(home), str(folder), *how)
    assert oct(folder.stat().st_mode) == "0o100600"


@pytest.mark.parametrize(
    ("place", "change"),
    [
        pytest.param(FOLDER, ["--remove-default"], id="removed from a folder"),
        pytest.param(SHARED, ["--remove-default"], id="removed from a shared place"),
        pytest.param(FOLDER, ["-dm", "g::---"], id="closed to the group"),
        pytest.param(FOLDER, ["-dm", f"u:{STRANGER}:rwx"], id="opened for a stranger"),
        pytest.param(FOLDER, ["-m", f"u:{STRANGER}:rwx"], id="a stranger let in"),
        pytest.param(SHARED, ["-m", "g::---,m::rwx"], id="closed behind the mode"),
        pytest.param("private/student1", ["-m", f"u:{STRANGER}:x"], id="a private one"),
        pytest.param("private", ["-m", f"u:{STRANGER}:rwx"], id="the agent's own"),
    ],
)
def test_a_second_pass_mends_a_list_and_a_third_writes_nothing(volume, place, change):
    wanted = (lists_of(volume / place), layout(volume))
    set_list(volume / place, *change)
    assert lists_of(volume / place) != wanted[0]
    reply = ensure(volume, plan_for("student1"))
    assert (reply.made, reply.mended) == ((), (place,))
    assert (lists_of(volume / place), layout(volume)) == wanted
    assert ensure_counting(volume, plan_for("student1"))[1] == []


def test_what_people_chose_for_their_own_private_files_is_left(volume):
    """A default list of one's own private area is not the agent's business."""
    home = volume / "private/student1"
    set_list(home, "-dm", f"u:{STRANGER}:r")
    before = lists_of(home)
    assert ensure(volume, plan_for("student1")).mended == ()
    assert lists_of(home) == before


def test_a_default_list_of_the_whole_volume_opens_nobody_s_directory():
    """As a site may set for its operators: directories made below would inherit it."""
    with open_volume() as folder:
        set_list(folder, "-dm", f"u:{STRANGER}:rwx")
        ensure(folder, plan_for("student1"))
        script = (
            "import json, os, sys\n"
            "def is_open(path):\n"
            "    try: os.listdir(path)\n"
            "    except PermissionError: return False\n"
            "    return True\n"
            "print(json.dumps([p for p in sys.argv[2:]"
            " if is_open(os.path.join(sys.argv[1], p))]))"
        )
        paths = list(layout(folder))
        opened = json.loads(run_as(STRANGER, [], script, str(folder), *paths))
        assert ensure_counting(folder, plan_for("student1"))[1] == []
    assert opened == ["backups/collabspace", "shared/shared", SHARED]
