from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import PEOPLE, access_of, demo_facility, edited

from jupyterhub_af.policy.access import (
    Access,
    ClassAccess,
    DaskAccess,
    SizeAccess,
    resolve_access,
)
from jupyterhub_af.policy.facility_text import parse_facility
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.names import make_slug

OK = None
LARGE = "The size large is for members of the group cygno."
CYGNO = "cygno is for members of the group cygno."
OWN_IMAGE = "own-image is for members of the group cygno."
ML_INFN = "ml-infn is for members of one of the groups ml-infn, hackathon/students."
WHOLE = "The GPU choice whole is for members of the group ml-infn."
SHARED = "The area shared is for the class hackathon."
COLLAB = (
    "The area collabspace has folders for members of hackathon/fismed, hackathon/gw,"
    " hackathon/hep only."
)
LOGIN = (
    "The account outsider1 may not use INFN analysis facility: it is for members of one"
    " of the groups hackathon, cygno, ml-infn. Ask support@example.org."
)
# of each person the reason (OK: allowed) of every profile, size, GPU choice and area
REASONS: dict[str, dict[str, str | None]] = {
    "student1": {
        "dodas-v5": OK,
        "dodas-v5 small": OK,
        "dodas-v5 large": LARGE,
        "cygno": CYGNO,
        "cygno default": CYGNO,
        "ml-infn": OK,
        "ml-infn default": OK,
        "ml-infn none": OK,
        "ml-infn slice": OK,
        "ml-infn whole": WHOLE,
        "own-image": OWN_IMAGE,
        "own-image default": OWN_IMAGE,
        "/private": OK,
        "/shared": OK,
        "/collabspace": OK,
        "/cvmfs": OK,
    }
}
REASONS["student2"] = REASONS["student1"]
NO_ML_INFN = dict.fromkeys([k for k in REASONS["student1"] if "ml-infn" in k], ML_INFN)
NO_CLASS = {"/shared": SHARED, "/collabspace": COLLAB}
REASONS["teacher1"] = REASONS["student1"] | NO_ML_INFN | {"/collabspace": COLLAB}
REASONS["admin1"] = REASONS["student1"] | NO_ML_INFN | NO_CLASS
REASONS["researcher1"] = dict.fromkeys(REASONS["student1"], OK) | NO_ML_INFN | NO_CLASS
REASONS["researcher2"] = REASONS["student1"] | NO_CLASS | {"ml-infn whole": OK}
REASONS["outsider1"] = dict.fromkeys(REASONS["student1"], LOGIN)


def reasons_of(access: Access) -> dict[str, str | None]:
    """Return the reason of everything, checked to be there where something is not."""
    found: dict[str, tuple[bool, str | None]] = {}
    for p in access.profiles:
        slug = p.profile.slug
        found[slug] = (p.allowed, p.reason)
        found |= {f"{slug} {s.size.slug}": (s.allowed, s.reason) for s in p.sizes}
        found |= {f"{slug} {g.gpu.slug}": (g.allowed, g.reason) for g in p.gpus}
    for a in access.storage:
        found[f"/{a.area.name}"] = (a.allowed, a.reason)
        assert bool(a.mounts) is a.allowed
    assert all(allowed is (reason is None) for allowed, reason in found.values())
    return {name: reason for name, (_, reason) in found.items()}


@pytest.mark.parametrize("person", PEOPLE)
def test_each_person_may_use_this_and_is_told_why_not_the_rest(person):
    reasons = reasons_of(access_of(person))
    assert reasons == REASONS[person]
    assert list(reasons) == list(REASONS["student1"])


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        pytest.param("student1", (False, True, None, ("student",)), id="student1"),
        pytest.param("teacher1", (False, True, None, ("teacher",)), id="teacher1"),
        pytest.param("researcher1", (False, True, None, ()), id="researcher1"),
        pytest.param("admin1", (True, True, None, ()), id="admin1"),
        pytest.param("outsider1", (False, False, LOGIN, ()), id="outsider1"),
    ],
)
def test_who_may_log_in_and_as_what(person, expected):
    access = access_of(person)
    roles = tuple(c.role for c in access.classes)
    assert (access.admin, access.may_log_in, access.reason, roles) == expected
    assert access.wanted_groups == ("hackathon", "cygno", "ml-infn")
    assert access.identity == make_identity(person, PEOPLE[person])


@pytest.mark.parametrize(
    ("person", "mounts"),
    [
        pytest.param(
            "student1",
            {
                "/af/private": ("private/student1", "write"),
                "/af/shared": ("shared/shared", "read"),
                "/af/shared/student1": ("shared/shared/student1", "write"),
                "/af/collabspace/GW": ("collab/collabspace/GW", "write"),
                "/cvmfs": ("cvmfs", "read"),
            },
            id="a student reads the class and writes their own",
        ),
        pytest.param(
            "teacher1",
            {
                "/af/private": ("private/teacher1", "write"),
                "/af/shared": ("shared/shared", "write"),
                "/af/shared/teacher1": ("shared/shared/teacher1", "write"),
                "/cvmfs": ("cvmfs", "read"),
            },
            id="a teacher writes the class and is in no folder",
        ),
        pytest.param(
            "admin1",
            {"/af/private": ("private/admin1", "write"), "/cvmfs": ("cvmfs", "read")},
            id="an administrator has what everybody has",
        ),
        pytest.param("outsider1", {}, id="an outsider has nothing"),
    ],
)
def test_each_person_sees_these_folders(person, mounts):
    found = {
        mount.path: (mount.source, "read" if mount.read_only else "write")
        for area in access_of(person).storage
        for mount in area.mounts
    }
    assert found == mounts


def test_ceilings_of_dask_are_cut_to_the_persons_groups():
    rule = demo_facility().dask["standard"]
    assert access_of("student1").dask == (DaskAccess("standard", rule, ()),)
    assert access_of("researcher1").dask == (
        DaskAccess("standard", rule, (("cygno", 64.0),)),
    )
    assert access_of("outsider1").dask == ()


def test_who_teaches_and_studies_is_a_teacher():
    groups = {"hackathon", "hackathon/students", "hackathon/teachers"}
    access = resolve_access(demo_facility(), make_identity("u", groups))
    assert access.classes == (ClassAccess("hackathon", "teacher"),)
    assert (access.role_in("hackathon"), access.role_in("physics")) == ("teacher", None)


def test_a_profile_without_an_open_size_or_gpu_is_withheld_itself():
    text = edited(
        ("memory: 2G, default: true", "memory: 2G, allowed_groups: [cygno]"),
        ("slug: none, default: true", "slug: none, allowed_groups: [cygno]"),
        ("1g.5gb, count: 1", "1g.5gb, count: 1, allowed_groups: [cygno]"),
    )
    access = access_of("student1", parse_facility(text))
    assert [p.reason for p in access.profiles] == [
        "No size of DODAS V5 is open to your groups.",
        CYGNO,
        "No GPU choice of ml-infn is open to your groups.",
        OWN_IMAGE,
    ]
    small = access.profiles[0].profile.sizes[0]
    reason = "The size small is for members of the group cygno."
    assert access.profiles[0].sizes[0] == SizeAccess(small, False, reason)


def test_without_allowed_groups_everybody_may_log_in():
    text = edited(("  allowed_groups: [hackathon, cygno, ml-infn]\n", ""))
    access = access_of("outsider1", parse_facility(text))
    assert (access.may_log_in, access.reason, access.wanted_groups) == (True, None, ())


@pytest.mark.parametrize(
    ("person", "slug", "is_shown"),
    [
        pytest.param("researcher1", "cygno", True, id="hidden, to whom it is open"),
        pytest.param("student1", "cygno", False, id="hidden, to whom it is closed"),
        pytest.param("admin1", "cygno", False, id="hidden, to an administrator"),
        pytest.param("student1", "own-image", True, id="closed and not hidden"),
    ],
)
def test_a_hidden_profile_shows_to_those_who_may_have_it(person, slug, is_shown):
    assert access_of(person).profile(slug).is_shown is is_shown


def test_an_invented_profile_is_none():
    assert access_of("admin1").profile("invented") is None


TWINS = [
    "hackathon2",
    "Hackathon",
    "HACKATHON",
    "hackatho",
    "hackathon.",
    "hackathon-x",
]
TWINS += ["x/hackathon", "hackathon/students/x", "hackathon/teachers", "hackathon/x"]
TWINS += ["cygno/x", "x/cygno", "Cygno", "facility", "facility/admins/x", "admins"]


@pytest.mark.parametrize("group", TWINS)
def test_a_twin_a_child_or_a_parent_of_a_group_opens_nothing(group):
    access = resolve_access(demo_facility(), make_identity("u", {group}))
    assert (access.may_log_in, access.admin) == (False, False)
    assert set(reasons_of(access).values()) == {access.reason}
    assert (access.dask, access.classes) == ((), ())


GROUPS = sorted({group for groups in PEOPLE.values() for group in groups})
GROUPS += ["hackathon/hep", "hackathon/fismed", *TWINS]
group_sets = st.frozensets(st.sampled_from(sorted(set(GROUPS))))


def resolve(groups: frozenset[str], user: str = "u") -> Access:
    return resolve_access(demo_facility(), make_identity(user, groups))


@settings(max_examples=200)
@given(group_sets, st.sampled_from(GROUPS))
def test_one_more_group_takes_nothing_away(groups, group):
    """Only the role in a class may change, from student to teacher."""
    less, more = resolve(groups), resolve(groups | {group})
    assert more.may_log_in or not less.may_log_in
    assert more.admin or not less.admin
    kept = reasons_of(more)
    assert all(kept[name] is None for name, r in reasons_of(less).items() if r is None)
    writable = {m.path: not m.read_only for a in more.storage for m in a.mounts}
    for mount in (m for a in less.storage for m in a.mounts):
        assert writable[mount.path] >= (not mount.read_only)
    for old, new in zip(less.dask, more.dask, strict=False):
        assert set(old.group_cores) <= set(new.group_cores)
    for room in less.classes:
        roles = (room.role, more.role_in(room.name))
        is_promoted = group == "hackathon/teachers" and roles == ("student", "teacher")
        assert is_promoted or roles[0] == roles[1]


@settings(max_examples=200)
@given(group_sets)
def test_everything_withheld_has_a_reason_that_is_a_sentence(groups):
    access = resolve(groups)
    reasons = reasons_of(access)
    assert list(reasons) == list(REASONS["student1"])
    assert all(r is None or (r.endswith(".") and len(r) > 20) for r in reasons.values())


@settings(max_examples=100)
@given(group_sets)
def test_being_an_administrator_opens_the_door_and_nothing_else(groups):
    admins = "facility/admins"
    without = resolve(groups - {admins})
    admin = resolve(groups | {admins})
    # any group of allowed_groups opens the door; `ml-infn` opens things of its own
    if without.may_log_in:
        assert reasons_of(admin) == reasons_of(without)
        assert admin.storage == without.storage
    assert (admin.admin, admin.may_log_in, without.admin) == (True, True, False)


names = st.text(min_size=1, max_size=12) | st.sampled_from(
    ["a", "A", "..", "shared", "GW"]
)


@settings(max_examples=200)
@given(names, names, group_sets)
def test_nobody_writes_anothers_private_or_shared_directory(one, two, groups):
    if one == two:
        return
    mine = {m.source: m for a in resolve(groups, one).storage for m in a.mounts}
    slug = make_slug(two)
    theirs = {f"private/{slug}", f"shared/shared/{slug}"}
    assert not theirs & mine.keys()
    is_teacher = resolve(groups, one).role_in("hackathon") == "teacher"
    above = mine.get("shared/shared")
    assert above is None or above.read_only is not is_teacher
    assert not {"private", "shared", "collab", "collab/collabspace"} & mine.keys()


@pytest.mark.parametrize(
    "module", ["access", "selection", "plan", "sandbox", "messages"]
)
def test_policy_loads_nothing_of_jupyter_or_the_network(module):
    code = (
        f"import sys, jupyterhub_af.policy.{module}\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    unwanted = {"jupyterhub", "tornado", "traitlets", "aiohttp", "sqlalchemy", "jinja2"}
    unwanted |= {"kubespawner", "jwt", "oauthenticator", "jupyter_events", "httpx"}
    assert loaded & unwanted == set()
    assert {"jupyterhub_af", "pydantic"} <= loaded
