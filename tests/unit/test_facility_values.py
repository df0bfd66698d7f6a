from __future__ import annotations

import pytest
from worlds import edited, problems_of


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        pytest.param(
            "version: 1\n",
            "version: 2\n",
            ["1: version: is not a version (2), write 1, the only one there is"],
            id="another version",
        ),
        pytest.param(
            "version: 1\n",
            "version: true\n",
            ["1: version: is not a version (true), write 1, the only one there is"],
            id="true for the version",
        ),
        pytest.param(
            "name: INFN analysis facility",
            'name: ""',
            ["2: name: is too short (''), write text of 1 to 500 characters"],
            id="an empty name",
        ),
        pytest.param(
            "name: INFN analysis facility",
            "name: 5",
            ["2: name: is not text (5), write it in quotes"],
            id="a name that is a number",
        ),
        pytest.param(
            "admin_groups: [facility/admins]",
            "admin_groups: [/facility/admins]",
            [
                "12: access.admin_groups.0: is not a group ('/facility/admins'), write its full path without a leading slash, such as hackathon/students"
            ],
            id="a group with a leading slash",
        ),
        pytest.param(
            "admin_groups: [facility/admins]",
            'admin_groups: ["facility\\n"]',
            [
                "12: access.admin_groups.0: is not a group ('facility\\n'), write its full path without a leading slash, such as hackathon/students"
            ],
            id="a group with a line's end",
        ),
        pytest.param(
            "admin_groups: [facility/admins]",
            "admin_groups: [7]",
            ["12: access.admin_groups.0: is not text (7), write it in quotes"],
            id="a group that is a number",
        ),
        pytest.param(
            "GW: hackathon/gw",
            "GW: hackathon/../gw",
            [
                "45: storage.2.folders.GW: is not a group ('hackathon/../gw'), write its full path without a leading slash, such as hackathon/students"
            ],
            id="a folder's group outside the grammar",
        ),
        pytest.param(
            "slug: cygno",
            "slug: Cygno",
            [
                "25: profiles.1.slug: is not a slug ('Cygno'), use up to 63 lower-case letters, digits and '-', not at the ends"
            ],
            id="an unsafe slug",
        ),
        pytest.param(
            "slug: cygno",
            "slug: ../cygno",
            [
                "25: profiles.1.slug: is not a slug ('../cygno'), use up to 63 lower-case letters, digits and '-', not at the ends"
            ],
            id="a slug with a path",
        ),
        pytest.param(
            "slug: cygno",
            "slug: " + "c" * 64,
            [
                "25: profiles.1.slug: is not a slug ('cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc'), use up to 63 lower-case letters, digits and '-', not at the ends"
            ],
            id="a slug of 64 characters",
        ),
        pytest.param(
            "name: collabspace",
            "name: collab_space",
            [
                "45: storage.2.name: is not a slug ('collab_space'), use up to 63 lower-case letters, digits and '-', not at the ends"
            ],
            id="an unsafe area name",
        ),
        pytest.param(
            "GW: hackathon",
            "../GW: hackathon",
            [
                "45: storage.2.folders.../GW: is not a folder name ('../GW'), use up to 63 letters, digits, '.', '_' and '-', a letter or digit at the ends and no '..'"
            ],
            id="an unsafe folder name",
        ),
        pytest.param(
            "GW: hackathon",
            "backups: hackathon",
            [
                "45: storage.2.folders.backups: is a reserved folder name ('backups'), use another: backups are kept there"
            ],
            id="the folder backups",
        ),
        pytest.param(
            "GW: hackathon",
            "Backups: hackathon",
            [
                "45: storage.2.folders.Backups: is a reserved folder name ('Backups'), use another: backups are kept there"
            ],
            id="the folder Backups",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: 1, memory: 2",
            [
                "21: profiles.0.sizes.0.memory: is not a size (2), write a number and K, M, G or T, such as 2G"
            ],
            id="a size without a unit",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: 1, memory: 2GB",
            [
                "21: profiles.0.sizes.0.memory: is not a size ('2GB'), write a number and K, M, G or T, such as 2G"
            ],
            id="a size in another unit",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: 1, memory: 1K",
            ["21: profiles.0.sizes.0.memory: is too small ('1K'), write at least 1M"],
            id="a size that is too small",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: 1, memory: -2G",
            [
                "21: profiles.0.sizes.0.memory: is not a size ('-2G'), write a number and K, M, G or T, such as 2G"
            ],
            id="a negative size",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: true, memory: 2G",
            [
                "21: profiles.0.sizes.0.cores: is not a number of cores (true), write a number above 0 and up to 4096, such as 1 or 0.5"
            ],
            id="cores that are true",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: .nan, memory: 2G",
            [
                "21: profiles.0.sizes.0.cores: is not a number of cores (.nan), write a number above 0 and up to 4096, such as 1 or 0.5"
            ],
            id="cores that are not a number",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: .inf, memory: 2G",
            [
                "21: profiles.0.sizes.0.cores: is not a number of cores (+.inf), write a number above 0 and up to 4096, such as 1 or 0.5"
            ],
            id="cores without an end",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: 0, memory: 2G",
            [
                "21: profiles.0.sizes.0.cores: is not a number of cores (0), write a number above 0 and up to 4096, such as 1 or 0.5"
            ],
            id="no cores",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: -1, memory: 2G",
            [
                "21: profiles.0.sizes.0.cores: is not a number of cores (-1), write a number above 0 and up to 4096, such as 1 or 0.5"
            ],
            id="negative cores",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: one, memory: 2G",
            [
                "21: profiles.0.sizes.0.cores: is not a number of cores ('one'), write a number above 0 and up to 4096, such as 1 or 0.5"
            ],
            id="cores in words",
        ),
        pytest.param(
            "gpu, count: 1",
            "gpu, count: true",
            [
                "36: profiles.2.gpus.2.count: is not a whole number (true), write a whole number from 1 to 4096"
            ],
            id="a count that is true",
        ),
        pytest.param(
            "gpu, count: 1",
            "gpu, count: 0.5",
            [
                "36: profiles.2.gpus.2.count: is not a whole number (0.5), write a whole number from 1 to 4096"
            ],
            id="half a count",
        ),
        pytest.param(
            "gpu, count: 1",
            "gpu, count: .nan",
            [
                "36: profiles.2.gpus.2.count: is not a whole number (.nan), write a whole number from 1 to 4096"
            ],
            id="a count that is not a number",
        ),
        pytest.param(
            "gpu, count: 1",
            "gpu, count: -1",
            [
                "36: profiles.2.gpus.2.count: is too small (-1), write a whole number from 1 to 4096"
            ],
            id="a negative count",
        ),
        pytest.param(
            "gpu, count: 1",
            "gpu, count: '1'",
            [
                "36: profiles.2.gpus.2.count: is not a whole number ('1'), write a whole number from 1 to 4096"
            ],
            id="a count in words",
        ),
        pytest.param(
            "resource: nvidia.com/gpu",
            "resource: gpu",
            [
                "36: profiles.2.gpus.2.resource: is not a Kubernetes resource ('gpu'), write a name with its domain, such as nvidia.com/gpu"
            ],
            id="a resource without a domain",
        ),
        pytest.param(
            "idle: 1h",
            "idle: 60",
            [
                "24: profiles.0.lifetime.idle: is not a duration (60), write a whole number and s, m, h or d, such as 30m"
            ],
            id="a duration without a unit",
        ),
        pytest.param(
            "idle: 1h",
            "idle: 1w",
            [
                "24: profiles.0.lifetime.idle: is not a duration ('1w'), write a whole number and s, m, h or d, such as 30m"
            ],
            id="a duration in another unit",
        ),
        pytest.param(
            "recheck_seconds: 300",
            "recheck_seconds: 1",
            [
                "7: iam.recheck_seconds: is too small (1), write a whole number from 5 to 86400"
            ],
            id="a recheck every second",
        ),
        pytest.param(
            "groups_claim: auto",
            "groups_claim: admins",
            [
                "6: iam.groups_claim: is not known ('admins'), write auto, groups, wlcg.groups, roles or entitlements"
            ],
            id="an unknown claim",
        ),
        pytest.param(
            "kind: collab",
            "kind: collaboration",
            [
                "45: storage.2.kind: is not known ('collaboration'), write private, shared, collab or cvmfs"
            ],
            id="an unknown kind",
        ),
        pytest.param(
            "hidden: true",
            'hidden: "no"',
            [
                "27: profiles.1.hidden: is not true or false ('no'), write true or false, without quotes"
            ],
            id="a truth in words",
        ),
        pytest.param(
            "af/cygno:2",
            "af/../cygno:2",
            [
                "28: profiles.1.image: is not an image reference ('registry.example.org/af/../cygno:2'), write one of up to 255 characters, such as registry.example.org/af/dodas:5"
            ],
            id="an image that is none",
        ),
        pytest.param(
            "'registry\\.example\\.org/users/[a-z0-9._/-]+:[A-Za-z0-9._-]+'",
            "'a(?=b)'",
            [
                "41: profiles.3.image_pattern: is not a valid pattern ('a(?=b)'), write a regular expression without look-around, back-references and large repetitions"
            ],
            id="a pattern with look-around",
        ),
        pytest.param(
            "'registry\\.example\\.org/users/[a-z0-9._/-]+:[A-Za-z0-9._-]+'",
            "'((a{1000}){1000}){1000}'",
            [
                "41: profiles.3.image_pattern: is not a valid pattern ('((a{1000}){1000}){1000}'), write a regular expression without look-around, back-references and large repetitions"
            ],
            id="a pattern that is a size bomb",
        ),
        pytest.param(
            "'registry\\.example\\.org/users/[a-z0-9._/-]+:[A-Za-z0-9._-]+'",
            "'(a'",
            [
                "41: profiles.3.image_pattern: is not a valid pattern ('(a'), write a regular expression without look-around, back-references and large repetitions"
            ],
            id="a pattern with open brackets",
        ),
        pytest.param(
            "issuer: https:",
            "issuer: http:",
            [
                "5: iam.issuer: is not https ('http://iam-demo.cloud.cnaf.infn.it/'), write an https address such as https://iam.example.org/ (http on the loopback only)"
            ],
            id="an issuer that is not https",
        ),
        pytest.param(
            "worker_cores: [1, 4]",
            "worker_cores: [1, 2, 4]",
            [
                "48: dask.standard.worker_cores: has too many items ([1, 2, 4]), write a list of 2: the least and the most"
            ],
            id="three ends of a range",
        ),
    ],
)
def test_this_value_is_refused_with_its_line_and_what_is_allowed(old, new, problems):
    assert problems_of(edited((old, new))) == problems
