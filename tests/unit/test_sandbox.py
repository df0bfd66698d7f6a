from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import FIRST_GROUP_GID, PEOPLE, UID, demo_facility, plan_of

from jupyterhub_af.policy.access import resolve_access
from jupyterhub_af.policy.errors import UnsafeNameError
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.names import make_slug
from jupyterhub_af.policy.plan import Ids, make_plan
from jupyterhub_af.policy.sandbox import (
    Bind,
    SandboxHost,
    group_text,
    login_name,
    make_bwrap_arguments,
    make_person_command,
    parents_of,
    passwd_text,
)
from jupyterhub_af.policy.selection import select

ROOT = SandboxHost(
    volume="/srv/af/volume",
    read_only=(
        Bind("/run/af/student1/passwd", "/etc/passwd"),
        Bind("/opt/af/envs/dodas", "/opt/af/envs/dodas"),
    ),
    cvmfs="/cvmfs",
    is_root=True,
)
ORDINARY = replace(ROOT, is_root=False, cvmfs=None, read_only=())
DIR = ("--perms", "0755", "--dir")
SYSTEM = (
    *("--ro-bind", "/usr", "/usr"),
    *("--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin"),
    *("--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"),
    *(*DIR, "/etc", *DIR, "/var", "--proc", "/proc", "--dev", "/dev"),
    *("--perms", "1777", "--tmpfs", "/dev/shm", "--perms", "1777", "--tmpfs", "/tmp"),
    *("--perms", "1777", "--tmpfs", "/var/tmp", *DIR, "/run"),
)
NAMESPACES = (
    *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
    *("--hostname", "af", "--die-with-parent"),
)
VOLUME = "/srv/af/volume"
AREAS = (
    *("--perms", "0755", "--tmpfs", "/af"),
    *("--bind", f"{VOLUME}/private/student1", "/af/private"),
    *("--ro-bind", f"{VOLUME}/shared/shared", "/af/shared"),
    *("--bind", f"{VOLUME}/shared/shared/student1", "/af/shared/student1"),
    *(*DIR, "/af/collabspace"),
    *("--bind", f"{VOLUME}/collab/collabspace/GW", "/af/collabspace/GW"),
    *(*DIR, "/af/collabspace/backups"),
    *("--ro-bind", f"{VOLUME}/backups/collabspace/GW", "/af/collabspace/backups/GW"),
)
CLOSE = ("--remount-ro", "/af", "--remount-ro", "/")


def test_the_whole_sandbox_as_root():
    assert make_bwrap_arguments(plan_of("student1"), ROOT) == (
        *NAMESPACES,
        *("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"),
        *("--cap-add", "CAP_SETPCAP"),
        *SYSTEM,
        *("--ro-bind", "/run/af/student1/passwd", "/etc/passwd"),
        *(*DIR, "/opt", *DIR, "/opt/af", *DIR, "/opt/af/envs"),
        *("--ro-bind", "/opt/af/envs/dodas", "/opt/af/envs/dodas"),
        *AREAS,
        *("--ro-bind", "/cvmfs", "/cvmfs"),
        *CLOSE,
    )


def test_the_whole_sandbox_as_an_ordinary_user_without_cvmfs():
    assert make_bwrap_arguments(plan_of("student1"), ORDINARY) == (
        *NAMESPACES,
        *("--unshare-user", "--disable-userns", "--uid", str(UID), "--gid", str(UID)),
        *SYSTEM,
        *AREAS,
        *CLOSE,
    )


GO_HOME = ("/usr/bin/env", "--chdir=/af/private", "--")


@pytest.mark.parametrize(
    ("person", "groups"),
    [
        pytest.param("student1", ("--groups", str(FIRST_GROUP_GID)), id="one group"),
        pytest.param("researcher1", ("--clear-groups",), id="no group"),
    ],
)
def test_root_becomes_the_person_and_drops_everything(person, groups):
    assert make_person_command(plan_of(person), ROOT) == (
        *("/usr/bin/setpriv", "--reuid", str(UID), "--regid", str(UID), *groups),
        *("--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"),
        *("--no-new-privs", "--", *GO_HOME),
    )


def test_an_ordinary_user_only_goes_home():
    assert make_person_command(plan_of("student1"), ORDINARY) == GO_HOME


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param({"uid": None}, id="no uid"),
        pytest.param({"gid": None}, id="no gid"),
        pytest.param({"uid": 0}, id="root's uid"),
        pytest.param({"gid": 0}, id="root's gid"),
    ],
)
def test_a_plan_without_a_persons_numbers_cannot_start(ids):
    plan = replace(plan_of("student1"), **ids)
    for make, host in (
        (make_person_command, ROOT),
        (make_bwrap_arguments, ORDINARY),
    ):
        with pytest.raises(ValueError, match="without uid and gid cannot start"):
            make(plan, host)


@pytest.mark.parametrize("host", [ROOT, ORDINARY], ids=["as root", "as a user"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"source": "private/../../etc"}, id="a source that goes up"),
        pytest.param({"source": "/etc"}, id="an absolute source"),
        pytest.param({"source": ""}, id="the whole volume"),
        pytest.param({"source": "a\0b"}, id="a source with a null"),
        pytest.param({"path": "/etc"}, id="a path outside the areas"),
        pytest.param({"path": "/af"}, id="the root of the areas"),
        pytest.param({"path": "/af/../etc"}, id="a path that goes up"),
        pytest.param({"path": "/afx/a"}, id="a path beside the areas"),
        pytest.param({"path": "af/private"}, id="a relative path"),
    ],
)
def test_a_mount_somebody_tampered_with_is_refused(change, host):
    plan = plan_of("student1")
    mounts = (replace(plan.mounts[0], **change), *plan.mounts[1:])
    with pytest.raises(UnsafeNameError):
        make_bwrap_arguments(replace(plan, mounts=mounts), host)


def binds_of(arguments: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Return option, source and target of every bind."""
    return [
        (word, arguments[n + 1], arguments[n + 2])
        for n, word in enumerate(arguments)
        if word in ("--bind", "--ro-bind")
    ]


groups = st.frozensets(st.sampled_from(sorted({g for p in PEOPLE.values() for g in p})))
names = st.text(min_size=1, max_size=12) | st.sampled_from(
    ["..", "/etc", "a/../b", "--"]
)


def plan_for(user, groups):
    access = resolve_access(demo_facility(), make_identity(user, groups | {"cygno"}))
    gids = {group: FIRST_GROUP_GID + n for n, group in enumerate(sorted(GROUPS))}
    return make_plan(
        demo_facility(),
        access,
        select(access, {}),
        start_id="s",
        server_name="",
        ids=Ids(UID, UID, gids),
    )


GROUPS = {"hackathon/gw", "hackathon/hep", "hackathon/fismed", "hackathon/teachers"}


@settings(max_examples=150)
@given(names, groups, st.booleans())
def test_a_sandbox_sees_the_system_and_its_own_areas_only(user, groups, is_root):
    host = replace(ROOT, is_root=is_root)
    plan = plan_for(user, groups)
    arguments = make_bwrap_arguments(plan, host)
    slug = make_slug(user)
    system = {"/usr", "/cvmfs", *(bind.source for bind in host.read_only)}
    areas = {f"{VOLUME}/{mount.source}" for mount in plan.mounts}
    binds = binds_of(arguments)
    assert {source for _, source, _ in binds} <= system | areas
    writable = {source for option, source, _ in binds if option == "--bind"}
    own = {f"{VOLUME}/private/{slug}", f"{VOLUME}/shared/shared/{slug}"}
    collab = {s for s in writable if s.startswith(f"{VOLUME}/collab/collabspace/")}
    teaching = {f"{VOLUME}/shared/shared"} if "hackathon/teachers" in groups else set()
    assert writable - collab <= own | teaching
    assert not any("/../" in f"/{word}/" for word in arguments)


@settings(max_examples=50)
@given(names, groups)
def test_every_target_has_its_parents_made_before(user, groups):
    arguments = make_bwrap_arguments(plan_for(user, groups), ROOT)
    there = {"/"}
    width = {"--bind": 2, "--ro-bind": 2, "--symlink": 2, "--dir": 1, "--tmpfs": 1}
    width |= {"--proc": 1, "--dev": 1}
    for n, word in enumerate(arguments):
        if word in width:
            target = PurePosixPath(arguments[n + width[word]])
            assert str(target.parent) in there
            there.add(str(target))
    assert arguments[-4:] == CLOSE


@pytest.mark.parametrize(
    ("path", "parents"),
    [
        pytest.param("/a/b/c", ("/a", "/a/b"), id="outermost first"),
        pytest.param("/a", (), id="below the root"),
    ],
)
def test_parents(path, parents):
    assert parents_of(path) == parents


def test_passwd_and_group_know_the_person_and_the_mounted_groups():
    plan = plan_of("student1")
    assert passwd_text(plan) == (
        "root:x:0:0:root:/:/usr/sbin/nologin\n"
        f"student1:x:{UID}:{UID}:student1:/af/private:/bin/bash\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    )
    assert group_text(plan) == (
        f"root:x:0:\nstudent1:x:{UID}:\nnogroup:x:65534:\n"
        f"hackathon.gw:x:{FIRST_GROUP_GID}:student1\n"
        f"hackathon.teachers:x:{FIRST_GROUP_GID + 1}:\n"
    )


@pytest.mark.parametrize(
    ("user", "name"),
    [
        pytest.param("anna", "anna", id="a plain name"),
        pytest.param("anna@example.org", "anna@example.org", id="a mail address"),
        pytest.param("anna:0:0", make_slug("anna:0:0"), id="colons"),
        pytest.param(
            "a\nroot::0:0::/:/bin/sh", make_slug("a\nroot::0:0::/:/bin/sh"), id="a line"
        ),
        pytest.param("müller", make_slug("müller"), id="an umlaut"),
        pytest.param("-anna", make_slug("-anna"), id="a dash first"),
        pytest.param("1", make_slug("1"), id="what reads like a uid"),
        pytest.param("root", "person-root", id="root"),
        pytest.param("nobody", "person-nobody", id="nobody"),
    ],
)
def test_the_name_in_passwd(user, name):
    plan = replace(plan_of("student1"), user=user, person=make_slug(user))
    assert login_name(plan) == name


@given(st.text(max_size=40), st.dictionaries(st.text(max_size=20), st.integers(1, 9)))
def test_no_name_breaks_a_line_of_passwd_or_group(user, gids):
    plan = replace(plan_of("student1"), user=user, person=make_slug(user), gids=gids)
    passwd = passwd_text(plan).splitlines()
    assert [len(line.split(":")) for line in passwd] == [7, 7, 7]
    assert [line.split(":")[2] for line in passwd] == ["0", str(UID), "65534"]
    group = group_text(plan).splitlines()
    assert len(group) <= 3 + len(gids)
    assert {len(line.split(":")) for line in group} == {4}
    assert [line.split(":")[2] for line in group].count("0") == 1


def test_a_home_that_breaks_passwd_is_refused():
    for home in ("/af/a:b", "/af/private\nroot::0:0::/:", "", "/"):
        with pytest.raises(UnsafeNameError):
            passwd_text(replace(plan_of("student1"), home=home))
