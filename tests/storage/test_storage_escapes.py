"""Escapes made by hand: whatever lies in the way, nothing outside is touched.

*Outside* is everything but the plan's own directories: a tree beside the volume, and
another person's directories on it. It is compared as a whole: kind, owner, mode, lists,
size, times of every inode, links' targets and files' contents.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from obstacles import (
    FOLDER,
    GENERATIONS,
    HOME,
    SHARED,
    Place,
    bound_socket,
    chain,
    chain_of_fifty,
    device,
    fifo,
    given_to,
    hard_link,
    hard_link_to_a_link,
    immutable,
    link_to,
    loop_of_two,
    mounted_file,
    mounted_over,
    mounted_read_only,
    open_place,
    others,
    plain_file,
    set_id_program,
    strange_content,
)
from storage_world import FELLOW, GIDS, STRANGER, STUDENT, ensure, layout, plan_for

from jupyterhub_af.storage.beneath import Opener, open_step_by_step, open_with_openat2
from jupyterhub_af.storage.errors import AgentError

OPENERS = pytest.mark.parametrize("opener", [open_with_openat2, open_step_by_step])
OBSTACLE, SOMEBODY, DENIED = "not-a-directory", "somebody-else", "storage-denied"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Return a place whose tree outside is also where the test stands.

    No escape leads anywhere else, so that an agent that followed one would spoil a
    temporary folder and not the machine.
    """
    with open_place() as found:
        monkeypatch.chdir(found.outside)
        yield found


ESCAPES = [
    # links: where they lead, how, and how deep in the path they lie
    *(
        pytest.param(path, link_to("{out}/{path}"), OBSTACLE, id=f"a link at {path}")
        for path in (
            *("private", HOME, "shared", "shared/shared", SHARED),
            *("collab", "collab/collabspace", FOLDER),
            *("backups", "backups/collabspace", GENERATIONS),
        )
    ),
    pytest.param(HOME, link_to("../../outside/{path}"), OBSTACLE, id="a relative link"),
    pytest.param(HOME, link_to("student2"), OBSTACLE, id="a link to a neighbour"),
    pytest.param(SHARED, link_to("student2"), OBSTACLE, id="to a neighbour's shared"),
    pytest.param(FOLDER, link_to("HEP"), OBSTACLE, id="a link to another folder"),
    pytest.param(HOME, link_to("{vol}/private"), OBSTACLE, id="a link to its parent"),
    pytest.param(HOME, link_to("."), OBSTACLE, id="a link to ."),
    pytest.param(HOME, link_to(".."), OBSTACLE, id="a link to .."),
    pytest.param(FOLDER, link_to("../../.."), OBSTACLE, id="a link above the volume"),
    pytest.param(HOME, link_to("{out}"), OBSTACLE, id="a link to the top"),
    pytest.param(HOME, link_to("student1"), OBSTACLE, id="a link to itself"),
    pytest.param(HOME, link_to("/proc/self/root{out}"), OBSTACLE, id="by the root"),
    pytest.param(HOME, link_to("/proc/self/cwd"), OBSTACLE, id="the agent's folder"),
    pytest.param(HOME, link_to("/proc/1/root{out}"), OBSTACLE, id="by init's root"),
    pytest.param(HOME, link_to("/dev/fd/{fd}"), OBSTACLE, id="by a descriptor"),
    pytest.param(HOME, link_to("nowhere"), OBSTACLE, id="a dangling link"),
    pytest.param(HOME, link_to("{out}/new"), OBSTACLE, id="a link to make something"),
    pytest.param(HOME, link_to("{out}/{path}/"), OBSTACLE, id="a link that ends in /"),
    pytest.param(HOME, link_to("x" * 255), OBSTACLE, id="a link with a long name"),
    pytest.param(HOME, link_to("x/" * 2000), OBSTACLE, id="a link with a long path"),
    pytest.param(HOME, chain, OBSTACLE, id="a link to a link"),
    pytest.param(FOLDER, chain_of_fifty, OBSTACLE, id="a chain of fifty links"),
    pytest.param(HOME, loop_of_two, OBSTACLE, id="two links in a ring"),
    pytest.param(HOME, hard_link_to_a_link, OBSTACLE, id="a hard link to a link"),
    # what is no directory
    pytest.param(HOME, hard_link, OBSTACLE, id="a hard link to a file outside"),
    pytest.param("collab", hard_link, OBSTACLE, id="a hard link at the top"),
    pytest.param(HOME, plain_file, OBSTACLE, id="a file"),
    pytest.param("shared/shared", plain_file, OBSTACLE, id="a file for an area"),
    pytest.param(HOME, set_id_program, OBSTACLE, id="a set-id program"),
    pytest.param(HOME, fifo, OBSTACLE, id="a FIFO"),
    pytest.param("backups", fifo, OBSTACLE, id="a FIFO at the top"),
    pytest.param(FOLDER, bound_socket, OBSTACLE, id="a socket"),
    pytest.param(HOME, device(stat.S_IFCHR, 1, 3), OBSTACLE, id="a device"),
    pytest.param(HOME, device(stat.S_IFBLK, 7, 99), OBSTACLE, id="a disk"),
    pytest.param(HOME, device(stat.S_IFCHR, 5, 0), OBSTACLE, id="a terminal"),
    pytest.param(HOME, mounted_file, OBSTACLE, id="a mounted file"),
    # directories that are somebody's, or refuse
    pytest.param(HOME, given_to(FELLOW, FELLOW, 0o700), SOMEBODY, id="a fellow's"),
    pytest.param(SHARED, given_to(STRANGER, 0, 0o2775), SOMEBODY, id="a stranger's"),
    pytest.param(FOLDER, given_to(FELLOW, 0, 0o2770), SOMEBODY, id="a taken folder"),
    pytest.param("private", given_to(FELLOW, 0, 0o711), SOMEBODY, id="a taken top"),
    pytest.param(HOME, immutable, DENIED, id="an immutable directory"),
    pytest.param("collab", immutable, DENIED, id="an immutable top"),
    pytest.param(HOME, mounted_read_only, "storage-read-only", id="mounted read-only"),
    # and what is mended
    pytest.param(HOME, mounted_over, None, id="a mount"),
    pytest.param(FOLDER, mounted_over, None, id="a mounted folder"),
    pytest.param(HOME, strange_content, None, id="strange names inside"),
    pytest.param(HOME, given_to(0, 0, 0o7777), None, id="every bit of the mode"),
    pytest.param(HOME, given_to(0, 0, 0), None, id="no bit of the mode"),
    pytest.param(HOME, given_to(STUDENT, 0, 0o4700), None, id="a set-id directory"),
    pytest.param(SHARED, given_to(STUDENT, STUDENT, 0o755), None, id="setgid lost"),
    pytest.param(FOLDER, given_to(STUDENT, STUDENT, 0o777), None, id="a seized folder"),
    pytest.param("private", given_to(STUDENT, 0, 0o777), None, id="a seized top"),
    pytest.param(HOME, given_to(65534, 65534, 0o777), None, id="nobody's"),
    pytest.param(HOME, given_to(2**32 - 2, 0, 0o777), None, id="the highest uid's"),
    pytest.param(
        GENERATIONS, given_to(0, GIDS["hackathon/hep"], 0o770), None, id="another group"
    ),
]


def refusal(volume: Path, opener: Opener) -> AgentError | None:
    """Return what an attempt at student1's plan was refused with."""
    try:
        ensure(volume, plan_for("student1"), opener=opener)
    except AgentError as error:
        return error
    return None


@OPENERS
@pytest.mark.parametrize(("path", "put", "rule"), ESCAPES)
def test_an_escape_is_refused_or_mended_and_touches_nothing_outside(
    place, opener, path, put, rule
):
    wanted = layout(place.volume)
    put(place, path)
    before = others(place)
    obstacle = (place.volume / path).lstat()
    refused = refusal(place.volume, opener)
    if refused is not None:
        # left as it is, so nothing was made behind it either
        assert (place.volume / path).lstat() == obstacle
    outcome = refused and refused.rule
    assert outcome == rule
    assert others(place) == before
    if rule in (OBSTACLE, SOMEBODY):
        assert repr(path) in str(refused)
    if rule is None:
        found = layout(place.volume)
        assert {p: found[p] for p in wanted} == wanted
