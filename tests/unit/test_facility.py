from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError
from worlds import FACILITY_TEXT, demo_facility, edited

from jupyterhub_af.policy.facility import (
    Backup,
    ClassRoom,
    DaskRule,
    Facility,
    Gpu,
    Iam,
    Lifetime,
    LoginRule,
    Placement,
    Profile,
    Size,
    StorageArea,
    Token,
    Toleration,
    facility_digest,
    replace_issuer,
)
from jupyterhub_af.policy.facility_text import parse_facility

GIB = 1024**3
IMAGES = "registry.example.org/af"
DODAS = Profile.model_construct(
    slug="dodas-v5",
    display_name="DODAS V5",
    image=f"{IMAGES}/dodas:5",
    default=True,
    sizes=(
        Size.model_construct(slug="small", cores=1.0, memory=2 * GIB, default=True),
        Size.model_construct(
            slug="large", cores=4.0, memory=8 * GIB, allowed_groups=("cygno",)
        ),
    ),
    dask="standard",
    lifetime=Lifetime.model_construct(idle=3600, longest=43200),
)
CYGNO = Profile.model_construct(
    slug="cygno",
    allowed_groups=("cygno",),
    hidden=True,
    image=f"{IMAGES}/cygno:2",
    storage=("private", "cvmfs"),
)
ML_INFN = Profile.model_construct(
    slug="ml-infn",
    allowed_groups=("ml-infn", "hackathon/students"),
    image=f"{IMAGES}/ml-infn:2",
    gpus=(
        Gpu(slug="none", default=True),
        Gpu(slug="slice", resource="nvidia.com/mig-1g.5gb", count=1),
        Gpu(
            slug="whole",
            resource="nvidia.com/gpu",
            count=1,
            allowed_groups=("ml-infn",),
            queue=True,
        ),
    ),
    placement=Placement(
        node_selector={"gpu": "true"},
        tolerations=(Toleration(key="nvidia.com/gpu", operator="Exists"),),
    ),
    token=Token(audience="https://wlcg.cern.ch/jwt/v1/any", scopes=("storage.read:/",)),
)
OWN_IMAGE = Profile(
    slug="own-image",
    allowed_groups=("cygno",),
    image_pattern=r"registry\.example\.org/users/[a-z0-9._/-]+:[A-Za-z0-9._-]+",
)
STORAGE = (
    StorageArea.model_construct(
        name="private", kind="private", claim="af-areas", quota=20 * GIB
    ),
    StorageArea.model_construct(
        name="shared", kind="shared", claim="af-areas", class_name="hackathon"
    ),
    StorageArea.model_construct(
        name="collabspace",
        kind="collab",
        claim="af-areas",
        folders={
            "GW": "hackathon/gw",
            "HEP": "hackathon/hep",
            "FisMed": "hackathon/fismed",
        },
        lease_seconds=60,
        backup=Backup.model_construct(every=900, keep=48),
    ),
    StorageArea(name="cvmfs", kind="cvmfs", claim="cvmfs", optional=True),
)
STANDARD = DaskRule.model_construct(
    max_clusters=2,
    worker_cores=(1.0, 4.0),
    worker_memory=(GIB, 8 * GIB),
    user_cores=16.0,
    user_memory=32 * GIB,
    group_cores={"cygno": 64.0},
    idle_timeout=1800,
    detach=0,
)


def test_the_whole_file_is_read():
    assert demo_facility() == Facility(
        version=1,
        name="INFN analysis facility",
        contact="support@example.org",
        iam=Iam(
            issuer="https://iam-demo.cloud.cnaf.infn.it/",
            groups_claim="auto",
            recheck_seconds=300,
            grace_seconds=28800,
            courtesy_seconds=300,
        ),
        access=LoginRule(
            allowed_groups=("hackathon", "cygno", "ml-infn"),
            admin_groups=("facility/admins",),
        ),
        classes=(
            ClassRoom(
                name="hackathon",
                students="hackathon/students",
                teachers="hackathon/teachers",
            ),
        ),
        profiles=(DODAS, CYGNO, ML_INFN, OWN_IMAGE),
        storage=STORAGE,
        dask={"standard": STANDARD},
    )


def test_what_is_left_out_has_these_values():
    text = (
        "{version: 1, name: A, contact: b, iam: {issuer: 'https://iam.example.org'},"
        " profiles: [{slug: p, image: i}], storage: [{name: home, kind: private}]}"
    )
    facility = parse_facility(text)
    assert facility.iam == Iam(
        issuer="https://iam.example.org",
        groups_claim="auto",
        recheck_seconds=300,
        grace_seconds=28800,
        courtesy_seconds=300,
    )
    assert (facility.access, facility.classes, facility.dask) == (LoginRule(), (), {})
    profile = facility.profiles[0]
    assert (profile.title, profile.gpus, profile.dask) == ("p", None, None)
    assert profile.offered_sizes == (
        Size(slug="default", cores=1, memory="2G", default=True),
    )
    assert facility.areas_of(profile) == facility.storage
    assert profile.lifetime == Lifetime(
        idle=None, longest=None, active_while=("kernels",)
    )


@pytest.mark.parametrize(
    ("text", "work"),
    [
        pytest.param("[]", (), id="nothing but the person's own activity"),
        pytest.param("[clusters]", ("clusters",), id="clusters and not kernels"),
        pytest.param("[clusters, kernels]", ("clusters", "kernels"), id="both"),
    ],
)
def test_a_profile_says_which_work_counts_as_activity(text, work):
    facility = parse_facility(edited(("idle: 1h", f"idle: 1h, active_while: {text}")))
    assert facility.profiles[0].lifetime.active_while == work


def test_the_areas_of_a_profile_are_in_the_files_order():
    text = edited(("storage: [private, cvmfs]", "storage: [cvmfs, private]"))
    facility = parse_facility(text)
    areas = facility.areas_of(facility.profiles[1])
    assert [area.name for area in areas] == ["private", "cvmfs"]


@pytest.mark.parametrize(
    ("name", "is_there"), [("hackathon", True), ("Hackathon", False), (None, False)]
)
def test_a_class_is_found_by_its_exact_name(name, is_there):
    assert (demo_facility().class_room(name) is not None) is is_there


def test_a_facility_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        demo_facility().name = "another"


def test_another_issuer_changes_the_issuer_and_nothing_else():
    issuer = "http://127.0.0.1:8080/"
    old = "https://iam-demo.cloud.cnaf.infn.it/"
    assert replace_issuer(demo_facility(), issuer) == parse_facility(
        edited((old, issuer))
    )
    assert demo_facility().iam.issuer == old


def test_the_digest_is_the_same_in_every_process():
    code = (
        "import sys; from jupyterhub_af.policy.facility_text import parse_facility;"
        "from jupyterhub_af.policy.facility import facility_digest;"
        "print(facility_digest(parse_facility(sys.stdin.read())))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=FACILITY_TEXT,
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert digests == {facility_digest(demo_facility())}
    assert len(digests.pop()) == 16


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(("cores: 4,", "cores: 4.0,"), id="4.0 for 4"),
        pytest.param(("memory: 2G", "memory: 2048M"), id="2048M for 2G"),
        pytest.param(("idle: 1h", "idle: 60m"), id="60m for 1h"),
        pytest.param(("version: 1\n", "# a facility\nversion: 1\n\n"), id="a comment"),
        pytest.param(("    hidden: true\n", "    hidden: True\n"), id="True for true"),
        pytest.param((", operator: Exists", ", 'operator': 'Exists'"), id="quotes"),
    ],
)
def test_another_spelling_has_the_same_digest(edit):
    assert facility_digest(parse_facility(edited(edit))) == facility_digest(
        demo_facility()
    )


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(("    hidden: true\n", ""), id="a key left out"),
        pytest.param(("cygno:2", "cygno:3"), id="another image"),
        pytest.param(
            ("[hackathon, cygno, ml-infn]", "[hackathon, cygno]"), id="a group less"
        ),
        pytest.param(("[private, cvmfs]", "[cvmfs, private]"), id="another order"),
        pytest.param(("keep: 48", "keep: 47"), id="a generation less"),
        pytest.param(("cygno: 64", "cygno: 65"), id="a core more"),
    ],
)
def test_another_facility_has_another_digest(edit):
    assert facility_digest(parse_facility(edited(edit))) != facility_digest(
        demo_facility()
    )
