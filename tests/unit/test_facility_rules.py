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
                "25: profiles.1: has both of image and image_pattern ('registry.example.org/af/cygno:2' and 'a'), exactly one is needed"
            ],
            id="both of image and pattern",
        ),
        pytest.param(
            "    image: registry.example.org/af/cygno:2\n",
            "",
            [
                "25: profiles.1: has neither of image and image_pattern (no value), exactly one is needed"
            ],
            id="neither of image and pattern",
        ),
        pytest.param(
            "slug: cygno",
            "slug: dodas-v5",
            [
                "25: profiles.1.slug: is there twice ('dodas-v5'), give each its own slug: profiles.0 has it too"
            ],
            id="a slug twice",
        ),
        pytest.param(
            "slug: large",
            "slug: small",
            [
                "22: profiles.0.sizes.1.slug: is there twice ('small'), give each its own slug: profiles.0.sizes.0 has it too"
            ],
            id="a size's slug twice",
        ),
        pytest.param(
            "slug: slice",
            "slug: none",
            [
                "35: profiles.2.gpus.1.slug: is there twice ('none'), give each its own slug: profiles.2.gpus.0 has it too"
            ],
            id="a GPU's slug twice",
        ),
        pytest.param(
            "name: collabspace",
            "name: shared",
            [
                "45: storage.2.name: is there twice ('shared'), give each its own name: storage.1 has it too"
            ],
            id="an area twice",
        ),
        pytest.param(
            "  - {name: hackathon, students: hackathon/students, teachers: hackathon/teachers}",
            "  - {name: hackathon, students: hackathon/students, teachers: hackathon/teachers}\n  - {name: hackathon, students: a, teachers: b}",
            [
                "15: classes.1.name: is there twice ('hackathon'), give each its own name: classes.0 has it too"
            ],
            id="a class twice",
        ),
        pytest.param(
            "    hidden: true",
            "    default: true",
            [
                "27: profiles.1.default: is a second default (true), at most one may be, and profiles.0 is"
            ],
            id="two default profiles",
        ),
        pytest.param(
            "memory: 8G, allowed",
            "memory: 8G, default: true, allowed",
            [
                "22: profiles.0.sizes.1.default: is a second default (true), at most one may be, and profiles.0.sizes.0 is"
            ],
            id="two default sizes",
        ),
        pytest.param(
            "gpu, count: 1",
            "gpu, default: true, count: 1",
            [
                "36: profiles.2.gpus.2.default: is a second default (true), at most one may be, and profiles.2.gpus.0 is"
            ],
            id="two default GPUs",
        ),
        pytest.param(
            "teachers: hackathon/teachers",
            "teachers: hackathon/students",
            [
                "14: classes.0.teachers: is the group of the students too ('hackathon/students'), write a group of the teachers' own"
            ],
            id="students and teachers in one group",
        ),
        pytest.param(
            "teachers: hackathon/teachers",
            "teachers: hackathon",
            [
                "14: classes.0.teachers: is a group that everybody of hackathon/students is in ('hackathon'), write one without students: all of them would be teachers"
            ],
            id="teachers in a group that all students are in",
        ),
        pytest.param(
            "resource: nvidia.com/gpu, count: 1",
            "resource: nvidia.com/gpu",
            [
                "36: profiles.2.gpus.2: has a resource and no count ('nvidia.com/gpu'), give both or neither"
            ],
            id="a resource without a count",
        ),
        pytest.param(
            "resource: nvidia.com/gpu, ",
            "",
            [
                "36: profiles.2.gpus.2: has a count and no resource (1), give both or neither"
            ],
            id="a count without a resource",
        ),
        pytest.param(
            "storage: [private, cvmfs]",
            "storage: [private, cvmfs, scratch]",
            [
                "29: profiles.1.storage.2: is not an area ('scratch'), known: private, shared, collabspace and cvmfs"
            ],
            id="an area that is not there",
        ),
        pytest.param(
            "storage: [private, cvmfs]",
            "storage: [cvmfs]",
            [
                "29: profiles.1.storage: leaves out the private area (['cvmfs']), add private: it is HOME"
            ],
            id="a profile without HOME",
        ),
        pytest.param(
            "dask: standard",
            "dask: huge",
            ["23: profiles.0.dask: is not an entry of dask ('huge'), known: standard"],
            id="a dask entry that is not there",
        ),
        pytest.param(
            "idle: 1h",
            "idle: 0m",
            [
                "24: profiles.0.lifetime.idle: is zero ('0m'), write more, or leave the key out for no limit"
            ],
            id="a lifetime of zero",
        ),
        pytest.param(
            "longest: 12h",
            "longest: 0s",
            [
                "24: profiles.0.lifetime.longest: is zero ('0s'), write more, or leave the key out for no limit"
            ],
            id="a longest lifetime of zero",
        ),
        pytest.param(
            "name: shared, ",
            "name: handin, ",
            [
                "44: storage.1.name: is a reserved name ('handin'), use any but backups, class and handin"
            ],
            id="the reserved area handin",
        ),
        pytest.param(
            "name: shared, ",
            "name: class, ",
            [
                "44: storage.1.name: is a reserved name ('class'), use any but backups, class and handin"
            ],
            id="the reserved area class",
        ),
        pytest.param(
            "class: hackathon",
            "class: physics",
            ["44: storage.1.class: is not a class ('physics'), known: hackathon"],
            id="a class that is not there",
        ),
        pytest.param(
            "kind: private",
            "kind: shared",
            [
                "42: storage: has no area of kind private (private, shared, collabspace and cvmfs), exactly one is needed: it is HOME"
            ],
            id="no private area",
        ),
        pytest.param(
            "kind: shared, claim: af-areas, class: hackathon",
            "kind: private",
            [
                "42: storage: has 2 areas of kind private (private and shared), exactly one is needed: it is HOME"
            ],
            id="two private areas",
        ),
        pytest.param(
            "kind: shared, claim: af-areas, class: hackathon",
            "kind: cvmfs",
            [
                "46: storage.3.kind: is the kind of storage.1 too ('cvmfs'), at most one area may be cvmfs: /cvmfs is there once"
            ],
            id="two CVMFS areas",
        ),
        pytest.param(
            "optional: true",
            "quota: 1G",
            [
                "46: storage.3.quota: does not belong to an area of kind cvmfs ('1G'), allowed there: none"
            ],
            id="a quota on CVMFS",
        ),
        pytest.param(
            "quota: 20G",
            "class: hackathon",
            [
                "43: storage.0.class: does not belong to an area of kind private ('hackathon'), allowed there: quota and backup"
            ],
            id="a class on a private area",
        ),
        pytest.param(
            "class: hackathon}",
            "folders: {a: b}}",
            [
                "44: storage.1.folders: does not belong to an area of kind shared ({a: 'b'}), allowed there: class, quota and backup"
            ],
            id="folders on a shared area",
        ),
        pytest.param(
            "class: hackathon}",
            "lease_seconds: 60}",
            [
                "44: storage.1.lease_seconds: does not belong to an area of kind shared (60), allowed there: class, quota and backup"
            ],
            id="a lease on a shared area",
        ),
        pytest.param(
            "folders: {GW: hackathon/gw, HEP: hackathon/hep, FisMed: hackathon/fismed}",
            "folders: {}",
            [
                "45: storage.2.folders: has no folder ({}), an area of kind collab needs at least one"
            ],
            id="a collab area without folders",
        ),
        pytest.param(
            "GW: hackathon/gw",
            "f0: g0, f1: g1, f2: g2, f3: g3, f4: g4, f5: g5, f6: g6, f7: g7, f8: g8, f9: g9, f10: g10, f11: g11, f12: g12, f13: g13, f14: g14",
            [
                "45: storage.2.folders: names 17 groups ({f0: 'g0', f1: 'g1', f2: 'g2', f3: 'g3', f4: 'g4', …}), a server can carry at most 16"
            ],
            id="a collab area of 17 groups",
        ),
        pytest.param(
            "every: 15m",
            "every: 0m",
            ["45: storage.2.backup.every: is zero ('0m'), write at least 1s"],
            id="a backup without a pause",
        ),
        pytest.param(
            "worker_cores: [1, 4]",
            "worker_cores: [4, 1]",
            [
                "48: dask.standard.worker_cores: goes from more to less ([4, 1]), write the least first"
            ],
            id="cores from more to less",
        ),
        pytest.param(
            "worker_memory: [1G, 8G]",
            "worker_memory: [8G, 1G]",
            [
                "48: dask.standard.worker_memory: goes from more to less (['8G', '1G']), write the least first"
            ],
            id="memory from more to less",
        ),
        pytest.param(
            "user_cores: 16",
            "user_cores: 0.5",
            [
                "48: dask.standard.user_cores: is less than one worker needs (0.5), write at least the 1 core that worker_cores begins with"
            ],
            id="cores below one worker's",
        ),
        pytest.param(
            "user_memory: 32G",
            "user_memory: 512M",
            [
                "48: dask.standard.user_memory: is less than one worker needs ('512M'), write at least the 1 GiB that worker_memory begins with"
            ],
            id="memory below one worker's",
        ),
        pytest.param(
            "cygno: 64",
            "cygno: 0.5",
            [
                "48: dask.standard.group_cores.cygno: is less than one worker needs (0.5), write at least the 1 core that worker_cores begins with"
            ],
            id="a group's cores below one worker's",
        ),
        pytest.param(
            "idle_timeout: 30m",
            "idle_timeout: 0m",
            [
                "48: dask.standard.idle_timeout: is zero ('0m'), write more: a cluster would never end"
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
        "25: profiles.1.slug: is there twice ('dodas-v5'), give each its own slug:"
        " profiles.0 has it too",
        "45: storage.2.backup.every: is zero ('0m'), write at least 1s",
    ]
