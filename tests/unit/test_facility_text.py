from __future__ import annotations

import pytest
from worlds import FACILITY_TEXT, edited, problems_of

from jupyterhub_af.policy.errors import ConfigError, Problem
from jupyterhub_af.policy.facility_text import MAX_TEXT_BYTES, parse_facility


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        pytest.param(
            "    allowed_groups: [cygno]\n    hidden",
            "    alowed_groups: [cygno]\n    hidden",
            [
                "26: profiles.1.alowed_groups: is not a key here; did you mean 'allowed_groups'"
            ],
            id="an unknown key, with the nearest known one",
        ),
        pytest.param(
            "hidden: true",
            "zzz: true",
            ["27: profiles.1.zzz: is not a key here"],
            id="an unknown key like no other",
        ),
        pytest.param(
            "version: 1\n",
            "version: 1\nflavours: []\n",
            ["2: flavours: is not a key here"],
            id="an unknown key at the top",
        ),
        pytest.param(
            "name: INFN analysis facility\n",
            "",
            ["1: name: is missing"],
            id="a missing key",
        ),
        pytest.param(
            "slug: none, ",
            "",
            ["34: profiles.2.gpus.0.slug: is missing"],
            id="a missing key of an item",
        ),
        pytest.param(
            "contact: support",
            "name: again\ncontact: support",
            ["3: name: this key is there twice; one of them would be lost"],
            id="a key written twice",
        ),
        pytest.param(
            "GW: hackathon/gw",
            "GW: hackathon/gw, GW: hackathon/hep",
            [
                "45: storage.2.folders.GW: this key is there twice; one of them would be lost"
            ],
            id="a folder written twice",
        ),
        pytest.param(
            "dask:\n",
            "dask:\n  standard: {user_cores: 1, user_memory: 1G, idle_timeout: 1m}\n",
            ["49: dask.standard: this key is there twice; one of them would be lost"],
            id="a dask entry written twice",
        ),
        pytest.param(
            "    allowed_groups: [cygno]\n    hidden",
            "    allowed_groups:\n    hidden",
            [
                "26: profiles.1.allowed_groups: has no value; give it one or leave the key out"
            ],
            id="a list commented out",
        ),
        pytest.param(
            "quota: 20G",
            "quota: null",
            ["43: storage.0.quota: has no value; give it one or leave the key out"],
            id="a null",
        ),
        pytest.param(
            "[hackathon, cygno, ml-infn]",
            "[]",
            [
                "11: access.allowed_groups: must not be empty; leave the key out instead (got [])"
            ],
            id="an empty allowed_groups",
        ),
        pytest.param(
            "[facility/admins]",
            "[]",
            [
                "12: access.admin_groups: must not be empty; leave the key out instead (got [])"
            ],
            id="an empty admin_groups",
        ),
        pytest.param(
            "allowed_groups: [cygno]}",
            "allowed_groups: []}",
            [
                "22: profiles.0.sizes.1.allowed_groups: must not be empty; leave the key out instead (got [])"
            ],
            id="an empty allowed_groups of a size",
        ),
        pytest.param(
            "admin_groups: [facility/admins]",
            "admin_groups: facility/admins",
            [
                "12: access.admin_groups: write a list, such as [hackathon] (got 'facility/admins')"
            ],
            id="one group where a list belongs",
        ),
        pytest.param(
            "scopes: [storage.read:/]",
            "scopes: storage.read:/",
            [
                "38: profiles.2.token.scopes: write a list, such as [hackathon] (got 'storage.read:/')"
            ],
            id="one scope where a list belongs",
        ),
        pytest.param(
            "storage: [private, cvmfs]",
            "storage: private",
            [
                "29: profiles.1.storage: write a list, such as [hackathon] (got 'private')"
            ],
            id="one area where a list belongs",
        ),
        pytest.param(
            "  standard: {",
            "  - {",
            [
                "47: dask: Input should be a valid dictionary (got [{'max_clusters': 2, 'worker_cores': [1, 4], 'worker_memory': ['1G', '8G'], '…)"
            ],
            id="a list where a map belongs",
        ),
        pytest.param(
            "lifetime: {idle: 1h, longest: 12h}",
            "lifetime: 1h",
            ["24: profiles.0.lifetime: write keys and their values here (got '1h')"],
            id="a text where keys belong",
        ),
        pytest.param(
            "admin_groups: [",
            "admin_groups: !!python/object/apply:os.system [",
            [
                "12: access.admin_groups: has the tag '!!python/object/apply:os.system'; tags are not read, leave it out"
            ],
            id="a tag that makes objects",
        ),
        pytest.param(
            "name: INFN",
            "name: !secret INFN",
            ["2: name: has the tag '!secret'; tags are not read, leave it out"],
            id="a tag on a text",
        ),
        pytest.param(
            "lifetime: {",
            "lifetime: !!omap {",
            [
                "24: profiles.0.lifetime: has the tag '!!omap'; tags are not read, leave it out"
            ],
            id="a tag on a map",
        ),
        pytest.param(
            "recheck_seconds: 300",
            'recheck_seconds: !!int "x"',
            [
                "7: iam.recheck_seconds: has the tag '!!int'; tags are not read, leave it out"
            ],
            id="a tag that says number",
        ),
        pytest.param(
            "    hidden: true",
            "    <<: {hidden: true}",
            ["27: profiles.1.<<: is not a key here"],
            id="a merged map",
        ),
        pytest.param(
            "version: 1\n",
            "version: 1\n? [a]\n: b\n",
            ["2: ?: is not a key here"],
            id="a key that is a list",
        ),
        pytest.param(
            "recheck_seconds: 300",
            "recheck_seconds: " + "9" * 5000,
            [
                "7: iam.recheck_seconds: Input should be a valid integer (got '9999999999999999999999999999999999999999999999999999999999999999999999999999…)"
            ],
            id="a number of 5000 digits",
        ),
        pytest.param(
            "recheck_seconds: 300",
            "recheck_seconds: 2024-99-99",
            [
                "7: iam.recheck_seconds: Input should be a valid integer (got '2024-99-99')"
            ],
            id="a date",
        ),
        pytest.param(
            "[facility/admins]",
            "[facility/admins",
            [
                "13: is not valid YAML: while parsing a flow sequence, expected ',' or ']', but got ':'."
            ],
            id="an open bracket",
        ),
        pytest.param(
            "  admin_groups",
            "\tadmin_groups",
            [
                "12: is not valid YAML: while scanning for the next token, found character '\\t' that cannot start any token."
            ],
            id="a tab",
        ),
        pytest.param(
            "dask:\n",
            "---\ndask:\n",
            [
                "47: is not valid YAML: expected a single document in the stream, but found another document."
            ],
            id="two documents",
        ),
        pytest.param(
            "[facility/admins]",
            "*admins",
            ["12: is not valid YAML: found undefined alias 'admins'."],
            id="an alias of nothing",
        ),
    ],
)
def test_this_mistake_is_told_with_its_line_and_key(old, new, problems):
    assert problems_of(edited((old, new))) == problems


def test_every_problem_is_told_at_once_in_the_files_order():
    text = edited(
        ("groups_claim: auto", "groups_claim: admins"),
        ("admin_groups: [facility/admins]", "admin_groups: []"),
        ("teachers: hackathon/teachers", "teachers: hackathon/students"),
        ("cores: 4,", "cores: -4,"),
        ("storage: [private, cvmfs]", "storage: [private, scratch]"),
        ("slug: slice", "slug: none"),
        ("kind: cvmfs, claim", "knd: cvmfs, kind: cvmfs, claim"),
        ("idle_timeout: 30m", "idle_timeout: 0m"),
    )
    assert problems_of(text) == [
        "6: iam.groups_claim: Input should be 'auto', 'groups', 'wlcg.groups', 'roles'"
        " or 'entitlements' (got 'admins')",
        "12: access.admin_groups: must not be empty; leave the key out instead (got [])",
        "14: classes.0.teachers: students and teachers are one group"
        " (hackathon/students); they need one each",
        "22: profiles.0.sizes.1.cores: Input should be greater than 0 (got -4)",
        "29: profiles.1.storage.1: there is no area 'scratch'; there are private,"
        " shared, collabspace, cvmfs",
        "35: profiles.2.gpus.1.slug: the slug 'none' is there twice; each needs its own",
        "46: storage.3.knd: is not a key here; did you mean 'kind'",
        "48: dask.standard.idle_timeout: must be more than 0, or a cluster never ends",
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        pytest.param("name: private, ", "name: Private, ", 1, id="an area's name"),
        pytest.param("kind: private", "kind: privat", 1, id="an area's kind"),
        pytest.param("dask:\n  ", "dask:\n  - ", 1, id="a list for a map"),
        pytest.param("  - {name: hackathon,", "  {name: hackathon,", 1, id="classes"),
        pytest.param("user_cores: 16", "user_cores: x", 1, id="a dask entry"),
        pytest.param("storage:  ", "storage: 1 # ", 1, id="no storage"),
    ],
)
def test_a_part_that_cannot_be_read_brings_no_false_problems(old, new, told):
    """What refers to it may be right once it can be read."""
    text = FACILITY_TEXT.replace("storage:\n", "storage:  \n").replace(
        "     kind", " kind"
    )
    assert text.count(old) == 1
    problems = problems_of(text.replace(old, new))
    assert len(problems) == told, problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "f.yaml: is empty.", id="an empty file"),
        pytest.param("# nothing\n", "f.yaml: is empty.", id="comments only"),
        pytest.param(
            "x", "f.yaml:1: write keys and their values here (got 'x')", id="one word"
        ),
        pytest.param(
            "[1]", "f.yaml:1: write keys and their values here (got [1])", id="a list"
        ),
        pytest.param(
            "null", "f.yaml:1: write keys and their values here (got None)", id="null"
        ),
        pytest.param(
            "a\0b",
            "f.yaml: is not valid YAML: unacceptable character #x0000: special"
            " characters are not allowed.",
            id="a null character",
        ),
        pytest.param(
            "x" * (MAX_TEXT_BYTES + 1),
            "f.yaml: is larger than 1 MiB.",
            id="1 MiB and 1",
        ),
        pytest.param(
            "é" * (MAX_TEXT_BYTES // 2 + 1),
            "f.yaml: is larger than 1 MiB.",
            id="in bytes",
        ),
    ],
)
def test_a_file_that_is_no_facility_is_refused_in_one_line(text, problem):
    assert problems_of(text) == [problem.removeprefix("f.yaml:")]


def test_an_error_holds_its_problems_as_data():
    with pytest.raises(ConfigError) as refusal:
        parse_facility(edited(("version: 1\n", "version: 2\n")), file_name="f.yaml")
    expected = (Problem(1, "version", "Input should be 1 (got 2)"),)
    assert (refusal.value.file_name, refusal.value.problems) == ("f.yaml", expected)


def test_a_long_value_is_cut_in_its_message():
    long = "n" * 1000
    (problem,) = problems_of(edited(("name: INFN analysis facility", f"name: {long}")))
    assert problem.endswith(f"(got '{'n' * 76}…)")
