from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import PEOPLE, access_of, demo_facility, edited

from jupyterhub_af.policy.access import (
    Access,
    Place,
    limit_access,
    resolve_access,
)
from jupyterhub_af.policy.facility_text import parse_facility
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.names import make_slug
from jupyterhub_af.policy.sentence import Sentence, say

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
REASONS["student2"] = REASONS["student3"] = REASONS["student1"]
NO_ML_INFN = dict.fromkeys([k for k in REASONS["student1"] if "ml-infn" in k], ML_INFN)
NO_CLASS = {"/shared": SHARED, "/collabspace": COLLAB}
REASONS["teacher1"] = REASONS["student1"] | NO_ML_INFN | {"/collabspace": COLLAB}
REASONS["admin1"] = REASONS["student1"] | NO_ML_INFN | NO_CLASS
REASONS["researcher1"] = dict.fromkeys(REASONS["student1"], OK) | NO_ML_INFN | NO_CLASS
REASONS["researcher2"] = REASONS["student1"] | NO_CLASS | {"ml-infn whole": OK}
REASONS["outsider1"] = dict.fromkeys(REASONS["student1"], LOGIN)


def reasons_of(access: Access) -> dict[str, str | None]:
    """Return the reason of everything, checked to be there where something is not."""
    found: dict[str, tuple[bool, Sentence | None]] = {}
    for p in access.profiles:
        slug = p.profile.slug
        found[slug] = (p.allowed, p.reason)
        found |= {f"{slug} {s.size.slug}": (s.allowed, s.reason) for s in p.sizes}
        found |= {f"{slug} {g.gpu.slug}": (g.allowed, g.reason) for g in p.gpus}
    for a in access.storage:
        found[f"/{a.area.name}"] = (a.allowed, a.reason)
        assert bool(a.mounts) is a.allowed
    assert all(allowed is (reason is None) for allowed, reason in found.values())
    return {name: text_of(reason) for name, (_, reason) in found.items()}


def text_of(reason: Sentence | None) -> str | None:
    return None if reason is None else str(reason)


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
        pytest.param("researcher1", (False, True, None, (None,)), id="researcher1"),
        pytest.param("admin1", (True, True, None, (None,)), id="admin1"),
        pytest.param("outsider1", (False, False, LOGIN, (None,)), id="outsider1"),
    ],
)
def test_who_may_log_in_and_as_what(person, expected):
    access = access_of(person)
    roles = tuple(c.role for c in access.classes)
    reason = text_of(access.reason)
    assert (access.admin, access.may_log_in, reason, roles) == expected
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
                "/af/collabspace/backups/GW": ("backups/collabspace/GW", "read"),
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


def dask_of(access: Access) -> list[tuple[str, str | None, tuple]]:
    assert all(d.allowed is (d.reason is None) for d in access.dask)
    return [(d.name, text_of(d.reason), d.group_cores) for d in access.dask]


def test_ceilings_of_dask_are_cut_to_the_persons_groups():
    rule = demo_facility().dask["standard"]
    assert access_of("student1").dask[0].rule is rule
    assert dask_of(access_of("student1")) == [("standard", OK, ())]
    assert dask_of(access_of("researcher1")) == [("standard", OK, (("cygno", 64.0),))]
    assert dask_of(access_of("outsider1")) == [("standard", LOGIN, ())]


def test_dask_without_an_open_profile_that_has_it_is_withheld():
    text = edited(("    default: true\n", "    allowed_groups: [ml-infn]\n"))
    reason = "No profile that is open to your groups has the Dask clusters standard."
    access = access_of("student1", parse_facility(text))
    assert dask_of(access) == [("standard", reason, ())]


NOT_IN_CLASS = (
    "The class hackathon is for members of hackathon/students (students) and "
    "hackathon/teachers (teachers)."
)


@pytest.mark.parametrize(
    ("groups", "role", "reason"),
    [
        pytest.param({"hackathon", "hackathon/students"}, "student", OK, id="student"),
        pytest.param(
            {"hackathon", "hackathon/students", "hackathon/teachers"},
            "teacher",
            OK,
            id="who teaches and studies is a teacher",
        ),
        pytest.param({"cygno"}, None, NOT_IN_CLASS, id="somebody else"),
        pytest.param({"hackathon"}, None, NOT_IN_CLASS, id="the parent group alone"),
        pytest.param({"hackathon/teachers"}, None, None, id="who may not log in"),
    ],
)
def test_the_role_in_a_class(groups, role, reason):
    access = resolve_access(demo_facility(), make_identity("u", groups))
    (found,) = access.classes
    wanted = reason if access.may_log_in else text_of(access.reason)
    assert (found.name, found.role, text_of(found.reason)) == (
        "hackathon",
        role,
        wanted,
    )
    assert found.allowed is (role is not None)
    assert (access.role_in("hackathon"), access.role_in("physics")) == (role, None)


def test_a_profile_without_an_open_size_or_gpu_is_withheld_itself():
    text = edited(
        ("memory: 2G, default: true", "memory: 2G, allowed_groups: [cygno]"),
        ("slug: none, default: true", "slug: none, allowed_groups: [cygno]"),
        ("1g.5gb, count: 1", "1g.5gb, count: 1, allowed_groups: [cygno]"),
    )
    access = access_of("student1", parse_facility(text))
    assert [text_of(p.reason) for p in access.profiles] == [
        "No size of DODAS V5 is open to your groups.",
        CYGNO,
        "No GPU choice of ml-infn is open to your groups.",
        OWN_IMAGE,
    ]
    small = access.profiles[0].profile.sizes[0]
    reason = "The size small is for members of the group cygno."
    found = access.profiles[0].sizes[0]
    assert (found.size, found.allowed, text_of(found.reason)) == (small, False, reason)


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
    assert set(reasons_of(access).values()) == {text_of(access.reason)}
    assert not any(d.allowed or d.group_cores for d in access.dask)
    assert not any(room.allowed for room in access.classes)


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
    for room in (room for room in less.classes if room.allowed):
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


def test_a_place_withholds_what_it_cannot_start_after_whom_it_is_for():
    place = Place(
        profile=lambda p: (
            say("{slug} is not here.", slug=p.slug)
            if p.slug in ("cygno", "dodas-v5")
            else None
        ),
        gpu=lambda gpu: say("No GPU is here.") if gpu.count else None,
    )
    reasons = reasons_of(limit_access(access_of("student1"), place))
    assert (reasons["dodas-v5"], reasons["cygno"]) == ("dodas-v5 is not here.", CYGNO)
    assert (reasons["ml-infn"], reasons["ml-infn none"]) == (OK, OK)
    assert reasons["ml-infn slice"] == "No GPU is here."
    assert reasons["ml-infn whole"] == WHOLE


def test_a_profile_with_only_gpus_that_are_not_here_is_not_here_either():
    text = edited(("      - {slug: none, default: true}\n", ""))
    place = Place(profile=lambda _: None, gpu=lambda _: say("No GPU is here."))
    access = limit_access(access_of("student1", parse_facility(text)), place)
    assert text_of(access.profile("ml-infn").reason) == "No GPU is here."


@pytest.mark.parametrize("person", PEOPLE)
def test_one_profile_alone_is_as_it_is_among_all(person):
    access = access_of(person)
    for found in access.profiles:
        assert access.profile(found.profile.slug) == found
    allowed = [found for found in access.profiles if found.allowed]
    assert access.first_profile() == (allowed[0] if allowed else None)


@settings(max_examples=200)
@given(group_sets)
def test_what_the_form_shows_is_what_is_shown_of_all(groups):
    access = resolve(groups)
    shown = tuple(found for found in access.profiles if found.is_shown)
    assert access.shown_profiles == shown
