from __future__ import annotations

import pytest
from worlds import demo_facility, edited, problems_of

from jupyterhub_af.policy.facility_rules import find_problems
from jupyterhub_af.policy.facility_text import parse_facility


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        pytest.param(
            "    image: registry.example.org/af/cygno:2",
            "    image: registry.example.org/af/cygno:2\n    image_pattern: a",
            [
                "25: profiles.1: has both of image and image_pattern; exactly one is needed"
            ],
            id="both of image and pattern",
        ),
        pytest.param(
            "    image: registry.example.org/af/cygno:2\n",
            "",
            [
                "25: profiles.1: has neither of image and image_pattern; exactly one is needed"
            ],
            id="neither of image and pattern",
        ),
        pytest.param(
            "slug: cygno",
            "slug: dodas-v5",
            [
                "25: profiles.1.slug: the slug 'dodas-v5' is there twice; each needs its own"
            ],
            id="a slug twice",
        ),
        pytest.param(
            "slug: large",
            "slug: small",
            [
                "22: profiles.0.sizes.1.slug: the slug 'small' is there twice; each needs its own"
            ],
            id="a size's slug twice",
        ),
        pytest.param(
            "slug: slice",
            "slug: none",
            [
                "35: profiles.2.gpus.1.slug: the slug 'none' is there twice; each needs its own"
            ],
            id="a GPU's slug twice",
        ),
        pytest.param(
            "name: collabspace",
            "name: shared",
            [
                "45: storage.2.name: the area 'shared' is there twice; each needs its own"
            ],
            id="an area twice",
        ),
        pytest.param(
            "  - {name: hackathon, students: hackathon/students, teachers: hackathon/teachers}",
            "  - {name: hackathon, students: hackathon/students, teachers: hackathon/teachers}\n  - {name: hackathon, students: a, teachers: b}",
            [
                "15: classes.1.name: the class 'hackathon' is there twice; each needs its own"
            ],
            id="a class twice",
        ),
        pytest.param(
            "    hidden: true",
            "    default: true",
            ["15: profiles: dodas-v5, cygno are all default; at most one may be"],
            id="two default profiles",
        ),
        pytest.param(
            "memory: 8G, allowed",
            "memory: 8G, default: true, allowed",
            ["20: profiles.0.sizes: small, large are all default; at most one may be"],
            id="two default sizes",
        ),
        pytest.param(
            "gpu, count: 1",
            "gpu, default: true, count: 1",
            ["33: profiles.2.gpus: none, whole are all default; at most one may be"],
            id="two default GPUs",
        ),
        pytest.param(
            "teachers: hackathon/teachers",
            "teachers: hackathon/students",
            [
                "14: classes.0.teachers: students and teachers are one group (hackathon/students); they need one each"
            ],
            id="students and teachers in one group",
        ),
        pytest.param(
            "teachers: hackathon/teachers",
            "teachers: hackathon",
            [
                "14: classes.0.teachers: every member of hackathon/students is in hackathon too: all students would be teachers"
            ],
            id="teachers in a group that all students are in",
        ),
        pytest.param(
            "resource: nvidia.com/gpu, count: 1",
            "resource: nvidia.com/gpu",
            [
                "36: profiles.2.gpus.2: resource and count go together; give both or neither"
            ],
            id="a resource without a count",
        ),
        pytest.param(
            "resource: nvidia.com/gpu, ",
            "",
            [
                "36: profiles.2.gpus.2: resource and count go together; give both or neither"
            ],
            id="a count without a resource",
        ),
        pytest.param(
            "storage: [private, cvmfs]",
            "storage: [private, cvmfs, scratch]",
            [
                "29: profiles.1.storage.2: there is no area 'scratch'; there are private, shared, collabspace, cvmfs"
            ],
            id="an area that is not there",
        ),
        pytest.param(
            "storage: [private, cvmfs]",
            "storage: [cvmfs]",
            ["29: profiles.1.storage: the private area is missing; it is HOME"],
            id="a profile without HOME",
        ),
        pytest.param(
            "dask: standard",
            "dask: huge",
            ["23: profiles.0.dask: there is no dask entry 'huge'; there are: standard"],
            id="a dask entry that is not there",
        ),
        pytest.param(
            "idle: 1h",
            "idle: 0m",
            [
                "24: profiles.0.lifetime.idle: must be more than 0; leave the key out for no limit"
            ],
            id="a lifetime of zero",
        ),
        pytest.param(
            "longest: 12h",
            "longest: 0s",
            [
                "24: profiles.0.lifetime.longest: must be more than 0; leave the key out for no limit"
            ],
            id="a longest lifetime of zero",
        ),
        pytest.param(
            "name: shared, ",
            "name: handin, ",
            ["44: storage.1.name: 'handin' is reserved; not allowed: class, handin"],
            id="the reserved area handin",
        ),
        pytest.param(
            "name: shared, ",
            "name: class, ",
            ["44: storage.1.name: 'class' is reserved; not allowed: class, handin"],
            id="the reserved area class",
        ),
        pytest.param(
            "class: hackathon",
            "class: physics",
            ["44: storage.1.class: there is no class 'physics'; there are: hackathon"],
            id="a class that is not there",
        ),
        pytest.param(
            "kind: private",
            "kind: shared",
            [
                "29: profiles.1.storage: the private area is missing; it is HOME",
                "42: storage: exactly one area of kind private is needed; there are: none",
            ],
            id="no private area",
        ),
        pytest.param(
            "kind: shared, claim: af-areas, class: hackathon",
            "kind: private",
            [
                "42: storage: exactly one area of kind private is needed; there are: private, shared"
            ],
            id="two private areas",
        ),
        pytest.param(
            "kind: shared, claim: af-areas, class: hackathon",
            "kind: cvmfs",
            ["46: storage.3: is a second area of kind cvmfs; /cvmfs is there once"],
            id="two CVMFS areas",
        ),
        pytest.param(
            "optional: true",
            "quota: 1G",
            ["46: storage.3.quota: does not belong to an area of kind cvmfs"],
            id="a quota on CVMFS",
        ),
        pytest.param(
            "quota: 20G",
            "class: hackathon",
            ["43: storage.0.class: does not belong to an area of kind private"],
            id="a class on a private area",
        ),
        pytest.param(
            "class: hackathon}",
            "folders: {a: b}}",
            ["44: storage.1.folders: does not belong to an area of kind shared"],
            id="folders on a shared area",
        ),
        pytest.param(
            "class: hackathon}",
            "lease_seconds: 60}",
            ["44: storage.1.lease_seconds: does not belong to an area of kind shared"],
            id="a lease on a shared area",
        ),
        pytest.param(
            "folders: {GW: hackathon/gw, HEP: hackathon/hep, FisMed: hackathon/fismed}",
            "folders: {}",
            ["45: storage.2.folders: a collab area needs at least one folder"],
            id="a collab area without folders",
        ),
        pytest.param(
            "GW: hackathon/gw",
            "f0: g0, f1: g1, f2: g2, f3: g3, f4: g4, f5: g5, f6: g6, f7: g7, f8: g8, f9: g9, f10: g10, f11: g11, f12: g12, f13: g13, f14: g14",
            ["45: storage.2.folders: 17 groups; a server can carry at most 16"],
            id="a collab area of 17 groups",
        ),
        pytest.param(
            "every: 15m",
            "every: 0m",
            ["45: storage.2.backup.every: must be more than 0"],
            id="a backup without a pause",
        ),
        pytest.param(
            "worker_cores: [1, 4]",
            "worker_cores: [4, 1]",
            [
                "48: dask.standard.worker_cores: from 4 cores to 1 core: the smaller number comes first"
            ],
            id="cores from more to less",
        ),
        pytest.param(
            "worker_memory: [1G, 8G]",
            "worker_memory: [8G, 1G]",
            [
                "48: dask.standard.worker_memory: from 8 GiB to 1 GiB: the smaller number comes first"
            ],
            id="memory from more to less",
        ),
        pytest.param(
            "user_cores: 16",
            "user_cores: 0.5",
            [
                "48: dask.standard.user_cores: 0.5 cores is less than one worker's 1 core"
            ],
            id="cores below one worker's",
        ),
        pytest.param(
            "user_memory: 32G",
            "user_memory: 512M",
            ["48: dask.standard.user_memory: 512 MiB is less than one worker's 1 GiB"],
            id="memory below one worker's",
        ),
        pytest.param(
            "cygno: 64",
            "cygno: 0.5",
            [
                "48: dask.standard.group_cores.cygno: 0.5 cores is less than one worker's 1 core"
            ],
            id="a group's cores below one worker's",
        ),
        pytest.param(
            "idle_timeout: 30m",
            "idle_timeout: 0m",
            [
                "48: dask.standard.idle_timeout: must be more than 0, or a cluster never ends"
            ],
            id="an idle timeout of zero",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_told(old, new, problems):
    assert problems_of(edited((old, new))) == problems


def test_the_demo_facility_has_no_problem():
    assert find_problems(demo_facility()) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("    hidden: true\n", "", id="no profile is hidden"),
        pytest.param("    default: true\n", "", id="no profile is the default"),
        pytest.param(
            ", default: true}\n      - {slug: large",
            "}\n      - {slug: large",
            id="no size is the default",
        ),
        pytest.param(
            "students: hackathon/students",
            "students: hackathon",
            id="teachers in a group below the students'",
        ),
        pytest.param("cvmfs, optional: true", "cvmfs", id="CVMFS that must be there"),
        pytest.param(", class: hackathon", "", id="a shared area for everybody"),
        pytest.param(
            "user_cores: 16", "user_cores: 1", id="cores of exactly one worker"
        ),
        pytest.param("detach: 0m", "detach: 30m", id="clusters that outlive a kernel"),
    ],
)
def test_this_fits_together(old, new):
    assert find_problems(parse_facility(edited((old, new)))) == ()


def test_two_faults_of_two_parts_are_both_told():
    text = edited(("slug: cygno", "slug: dodas-v5"), ("every: 15m", "every: 0m"))
    assert problems_of(text) == [
        "25: profiles.1.slug: the slug 'dodas-v5' is there twice; each needs its own",
        "45: storage.2.backup.every: must be more than 0",
    ]
