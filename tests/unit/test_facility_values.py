from __future__ import annotations

import pytest
from worlds import edited, problems_of


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        pytest.param(
            "version: 1\n",
            "version: 2\n",
            ["1: version: Input should be 1 (got 2)"],
            id="another version",
        ),
        pytest.param(
            "version: 1\n",
            "version: true\n",
            ["1: version: write 1, the only version there is (got True)"],
            id="true for the version",
        ),
        pytest.param(
            "name: INFN analysis facility",
            'name: ""',
            ["2: name: String should have at least 1 character (got '')"],
            id="an empty name",
        ),
        pytest.param(
            "name: INFN analysis facility",
            "name: 5",
            ["2: name: Input should be a valid string (got 5)"],
            id="a name that is a number",
        ),
        pytest.param(
            "admin_groups: [facility/admins]",
            "admin_groups: [/facility/admins]",
            [
                "12: access.admin_groups.0: write the full path of a group without a leading slash, such as hackathon/students (got '/facility/admins')"
            ],
            id="a group with a leading slash",
        ),
        pytest.param(
            "admin_groups: [facility/admins]",
            'admin_groups: ["facility\\n"]',
            [
                "12: access.admin_groups.0: write the full path of a group without a leading slash, such as hackathon/students (got 'facility\\n')"
            ],
            id="a group with a line's end",
        ),
        pytest.param(
            "admin_groups: [facility/admins]",
            "admin_groups: [7]",
            ["12: access.admin_groups.0: Input should be a valid string (got 7)"],
            id="a group that is a number",
        ),
        pytest.param(
            "GW: hackathon/gw",
            "GW: hackathon/../gw",
            [
                "45: storage.2.folders.GW: write the full path of a group without a leading slash, such as hackathon/students (got 'hackathon/../gw')"
            ],
            id="a folder's group outside the grammar",
        ),
        pytest.param(
            "slug: cygno",
            "slug: Cygno",
            [
                "25: profiles.1.slug: use up to 63 lower-case letters, digits and '-', not at the ends (got 'Cygno')"
            ],
            id="an unsafe slug",
        ),
        pytest.param(
            "slug: cygno",
            "slug: ../cygno",
            [
                "25: profiles.1.slug: use up to 63 lower-case letters, digits and '-', not at the ends (got '../cygno')"
            ],
            id="a slug with a path",
        ),
        pytest.param(
            "slug: cygno",
            "slug: " + "c" * 64,
            [
                "25: profiles.1.slug: use up to 63 lower-case letters, digits and '-', not at the ends (got 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc')"
            ],
            id="a slug of 64 characters",
        ),
        pytest.param(
            "name: collabspace",
            "name: collab_space",
            [
                "45: storage.2.name: use up to 63 lower-case letters, digits and '-', not at the ends (got 'collab_space')"
            ],
            id="an unsafe area name",
        ),
        pytest.param(
            "GW: hackathon",
            "../GW: hackathon",
            [
                "45: storage.2.folders.../GW: use letters, digits, '.', '_' and '-' (a letter or digit at the ends), not 'backups' (got '../GW')"
            ],
            id="an unsafe folder name",
        ),
        pytest.param(
            "GW: hackathon",
            "backups: hackathon",
            [
                "45: storage.2.folders.backups: use letters, digits, '.', '_' and '-' (a letter or digit at the ends), not 'backups' (got 'backups')"
            ],
            id="the folder backups",
        ),
        pytest.param(
            "GW: hackathon",
            "Backups: hackathon",
            [
                "45: storage.2.folders.Backups: use letters, digits, '.', '_' and '-' (a letter or digit at the ends), not 'backups' (got 'Backups')"
            ],
            id="the folder Backups",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: 1, memory: 2",
            [
                "21: profiles.0.sizes.0.memory: write a number and a unit K, M, G or T, such as 2G (got 2)"
            ],
            id="a size without a unit",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: 1, memory: 2GB",
            [
                "21: profiles.0.sizes.0.memory: write a number and a unit K, M, G or T, such as 2G (got '2GB')"
            ],
            id="a size in another unit",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: 1, memory: 1K",
            ["21: profiles.0.sizes.0.memory: must be at least 1M (got '1K')"],
            id="a size that is too small",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: 1, memory: -2G",
            [
                "21: profiles.0.sizes.0.memory: write a number and a unit K, M, G or T, such as 2G (got '-2G')"
            ],
            id="a negative size",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: true, memory: 2G",
            [
                "21: profiles.0.sizes.0.cores: write a number of cores, such as 1 or 0.5 (got True)"
            ],
            id="cores that are true",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: .nan, memory: 2G",
            ["21: profiles.0.sizes.0.cores: Input should be greater than 0 (got nan)"],
            id="cores that are not a number",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: .inf, memory: 2G",
            [
                "21: profiles.0.sizes.0.cores: Input should be less than or equal to 4096 (got inf)"
            ],
            id="cores without an end",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: 0, memory: 2G",
            ["21: profiles.0.sizes.0.cores: Input should be greater than 0 (got 0)"],
            id="no cores",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: -1, memory: 2G",
            ["21: profiles.0.sizes.0.cores: Input should be greater than 0 (got -1)"],
            id="negative cores",
        ),
        pytest.param(
            "cores: 1, memory: 2G",
            "cores: one, memory: 2G",
            [
                "21: profiles.0.sizes.0.cores: Input should be a valid number (got 'one')"
            ],
            id="cores in words",
        ),
        pytest.param(
            "gpu, count: 1",
            "gpu, count: true",
            ["36: profiles.2.gpus.2.count: Input should be a valid integer (got True)"],
            id="a count that is true",
        ),
        pytest.param(
            "gpu, count: 1",
            "gpu, count: 0.5",
            ["36: profiles.2.gpus.2.count: Input should be a valid integer (got 0.5)"],
            id="half a count",
        ),
        pytest.param(
            "gpu, count: 1",
            "gpu, count: .nan",
            ["36: profiles.2.gpus.2.count: Input should be a valid integer (got nan)"],
            id="a count that is not a number",
        ),
        pytest.param(
            "gpu, count: 1",
            "gpu, count: -1",
            [
                "36: profiles.2.gpus.2.count: Input should be greater than or equal to 1 (got -1)"
            ],
            id="a negative count",
        ),
        pytest.param(
            "gpu, count: 1",
            "gpu, count: '1'",
            ["36: profiles.2.gpus.2.count: Input should be a valid integer (got '1')"],
            id="a count in words",
        ),
        pytest.param(
            "resource: nvidia.com/gpu",
            "resource: gpu",
            [
                "36: profiles.2.gpus.2.resource: write a Kubernetes resource name, such as nvidia.com/gpu (got 'gpu')"
            ],
            id="a resource without a domain",
        ),
        pytest.param(
            "idle: 1h",
            "idle: 60",
            [
                "24: profiles.0.lifetime.idle: write a whole number and a unit s, m, h or d, such as 30m (got 60)"
            ],
            id="a duration without a unit",
        ),
        pytest.param(
            "idle: 1h",
            "idle: 1w",
            [
                "24: profiles.0.lifetime.idle: write a whole number and a unit s, m, h or d, such as 30m (got '1w')"
            ],
            id="a duration in another unit",
        ),
        pytest.param(
            "recheck_seconds: 300",
            "recheck_seconds: 1",
            [
                "7: iam.recheck_seconds: Input should be greater than or equal to 5 (got 1)"
            ],
            id="a recheck every second",
        ),
        pytest.param(
            "groups_claim: auto",
            "groups_claim: admins",
            [
                "6: iam.groups_claim: Input should be 'auto', 'groups', 'wlcg.groups', 'roles' or 'entitlements' (got 'admins')"
            ],
            id="an unknown claim",
        ),
        pytest.param(
            "kind: collab",
            "kind: collaboration",
            [
                "45: storage.2.kind: Input should be 'private', 'shared', 'collab' or 'cvmfs' (got 'collaboration')"
            ],
            id="an unknown kind",
        ),
        pytest.param(
            "hidden: true",
            'hidden: "no"',
            ["27: profiles.1.hidden: Input should be a valid boolean (got 'no')"],
            id="a truth in words",
        ),
        pytest.param(
            "af/cygno:2",
            "af/../cygno:2",
            [
                "28: profiles.1.image: write an image reference, such as registry.example.org/af/dodas:5 (got 'registry.example.org/af/../cygno:2')"
            ],
            id="an image that is none",
        ),
        pytest.param(
            "'registry\\.example\\.org/users/[a-z0-9._/-]+:[A-Za-z0-9._-]+'",
            "'a(?=b)'",
            [
                "41: profiles.3.image_pattern: is not a valid pattern (no look-around, no back-references) (got 'a(?=b)')"
            ],
            id="a pattern with look-around",
        ),
        pytest.param(
            "'registry\\.example\\.org/users/[a-z0-9._/-]+:[A-Za-z0-9._-]+'",
            "'((a{1000}){1000}){1000}'",
            [
                "41: profiles.3.image_pattern: is not a valid pattern (no look-around, no back-references) (got '((a{1000}){1000}){1000}')"
            ],
            id="a pattern that is a size bomb",
        ),
        pytest.param(
            "'registry\\.example\\.org/users/[a-z0-9._/-]+:[A-Za-z0-9._-]+'",
            "'(a'",
            [
                "41: profiles.3.image_pattern: is not a valid pattern (no look-around, no back-references) (got '(a')"
            ],
            id="a pattern with open brackets",
        ),
        pytest.param(
            "issuer: https:",
            "issuer: http:",
            [
                "5: iam.issuer: write an https address (http only on the loopback), such as https://iam.example.org/ (got 'http://iam-demo.cloud.cnaf.infn.it/')"
            ],
            id="an issuer that is not https",
        ),
        pytest.param(
            "worker_cores: [1, 4]",
            "worker_cores: [1, 2, 4]",
            [
                "48: dask.standard.worker_cores: Tuple should have at most 2 items after validation, not 3 (got [1, 2, 4])"
            ],
            id="three ends of a range",
        ),
    ],
)
def test_this_value_is_refused_with_its_line_and_what_is_allowed(old, new, problems):
    assert problems_of(edited((old, new))) == problems
