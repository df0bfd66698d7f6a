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
                "26: profiles.1.alowed_groups: is not a key here ('alowed_groups'), did you mean 'allowed_groups'"
            ],
            id="an unknown key, with the nearest known one",
        ),
        pytest.param(
            "hidden: true",
            "zzz: true",
            [
                "27: profiles.1.zzz: is not a key here ('zzz'), known here: slug, display_name, description, experiment, image, image_pattern, default, hidden, allowed_groups, sizes, gpus, storage, dask, lifetime, placement and token"
            ],
            id="an unknown key like no other",
        ),
        pytest.param(
            "version: 1\n",
            "version: 1\nflavours: []\n",
            [
                "2: flavours: is not a key here ('flavours'), known here: version, name, contact, iam, access, classes, profiles, storage, dask and audit"
            ],
            id="an unknown key at the top",
        ),
        pytest.param(
            "name: INFN analysis facility\n",
            "",
            [
                "1: name: is missing (no value), needed here: version, name, contact, iam, profiles and storage"
            ],
            id="a missing key",
        ),
        pytest.param(
            "slug: none, ",
            "",
            ["34: profiles.2.gpus.0.slug: is missing (no value), needed here: slug"],
            id="a missing key of an item",
        ),
        pytest.param(
            "contact: support",
            "name: again\ncontact: support",
            ["3: name: is there twice ('name'), keep one: the first is on line 2"],
            id="a key written twice",
        ),
        pytest.param(
            "GW: hackathon/gw",
            "GW: hackathon/gw, GW: hackathon/hep",
            [
                "45: storage.2.folders.GW: is there twice ('GW'), keep one: the first is on line 45"
            ],
            id="a folder written twice",
        ),
        pytest.param(
            "dask:\n",
            "dask:\n  standard: {user_cores: 1, user_memory: 1G, idle_timeout: 1m}\n",
            [
                "49: dask.standard: is there twice ('standard'), keep one: the first is on line 48"
            ],
            id="a dask entry written twice",
        ),
        pytest.param(
            "    allowed_groups: [cygno]\n    hidden",
            "    allowed_groups:\n    hidden",
            [
                "26: profiles.1.allowed_groups: has no value (null), give it one or leave the key out"
            ],
            id="a list commented out",
        ),
        pytest.param(
            "quota: 20G",
            "quota: null",
            [
                "43: storage.0.quota: has no value (null), give it one or leave the key out"
            ],
            id="a null",
        ),
        pytest.param(
            "[hackathon, cygno, ml-infn]",
            "[]",
            [
                "11: access.allowed_groups: is an empty list ([]), write at least one item, or leave the key out if it may be absent"
            ],
            id="an empty allowed_groups",
        ),
        pytest.param(
            "[facility/admins]",
            "[]",
            [
                "12: access.admin_groups: is an empty list ([]), write at least one item, or leave the key out if it may be absent"
            ],
            id="an empty admin_groups",
        ),
        pytest.param(
            "allowed_groups: [cygno]}",
            "allowed_groups: []}",
            [
                "22: profiles.0.sizes.1.allowed_groups: is an empty list ([]), write at least one item, or leave the key out if it may be absent"
            ],
            id="an empty allowed_groups of a size",
        ),
        pytest.param(
            "admin_groups: [facility/admins]",
            "admin_groups: facility/admins",
            [
                "12: access.admin_groups: is not a list ('facility/admins'), write a list in brackets, such as [one, two]"
            ],
            id="one group where a list belongs",
        ),
        pytest.param(
            "scopes: [storage.read:/]",
            "scopes: storage.read:/",
            [
                "38: profiles.2.token.scopes: is not a list ('storage.read:/'), write a list in brackets, such as [one, two]"
            ],
            id="one scope where a list belongs",
        ),
        pytest.param(
            "storage: [private, cvmfs]",
            "storage: private",
            [
                "29: profiles.1.storage: is not a list ('private'), write a list in brackets, such as [one, two]"
            ],
            id="one area where a list belongs",
        ),
        pytest.param(
            "  standard: {",
            "  - {",
            [
                "47: dask: is not a mapping ([{max_clusters: 2, worker_cores: [1, 4], worker_memory: ['1G', '8G'], user_core…), write keys and values"
            ],
            id="a list where a map belongs",
        ),
        pytest.param(
            "lifetime: {idle: 1h, longest: 12h}",
            "lifetime: 1h",
            ["24: profiles.0.lifetime: is not a mapping ('1h'), write keys and values"],
            id="a text where keys belong",
        ),
        pytest.param(
            "admin_groups: [",
            "admin_groups: !!python/object/apply:os.system [",
            [
                "12: access.admin_groups: has a tag ('!!python/object/apply:os.system'), leave it out: tags are not read"
            ],
            id="a tag that makes objects",
        ),
        pytest.param(
            "name: INFN",
            "name: !secret INFN",
            ["2: name: has a tag ('!secret'), leave it out: tags are not read"],
            id="a tag on a text",
        ),
        pytest.param(
            "lifetime: {",
            "lifetime: !!omap {",
            [
                "24: profiles.0.lifetime: has a tag ('!!omap'), leave it out: tags are not read"
            ],
            id="a tag on a map",
        ),
        pytest.param(
            "recheck_seconds: 300",
            'recheck_seconds: !!int "x"',
            [
                "7: iam.recheck_seconds: has a tag ('!!int'), leave it out: tags are not read"
            ],
            id="a tag that says number",
        ),
        pytest.param(
            "    hidden: true",
            "    <<: {hidden: true}",
            [
                "27: profiles.1.<<: is not a key here ('<<'), known here: slug, display_name, description, experiment, image, image_pattern, default, hidden, allowed_groups, sizes, gpus, storage, dask, lifetime, placement and token"
            ],
            id="a merged map",
        ),
        pytest.param(
            "version: 1\n",
            "version: 1\n? [a]\n: b\n",
            [
                "2: ?: is not a key here ('?'), known here: version, name, contact, iam, access, classes, profiles, storage, dask and audit"
            ],
            id="a key that is a list",
        ),
        pytest.param(
            "recheck_seconds: 300",
            "recheck_seconds: " + "9" * 5000,
            [
                "7: iam.recheck_seconds: is not a whole number ('999999999999999999999999999999999999999999999999999999999999999999999999999999…), write a whole number from 5 to 86400"
            ],
            id="a number of 5000 digits",
        ),
        pytest.param(
            "recheck_seconds: 300",
            "recheck_seconds: 2024-99-99",
            [
                "7: iam.recheck_seconds: is not a whole number ('2024-99-99'), write a whole number from 5 to 86400"
            ],
            id="a date",
        ),
        pytest.param(
            "[facility/admins]",
            "[facility/admins",
            [
                "13: is not valid YAML (while parsing a flow sequence, expected ',' or ']', but got ':'), look there and above for a bracket, a quote or a space too many or few"
            ],
            id="an open bracket",
        ),
        pytest.param(
            "  admin_groups",
            "\tadmin_groups",
            [
                "12: is not valid YAML (while scanning for the next token, found character '\\t' that cannot start any token), look there and above for a bracket, a quote or a space too many or few"
            ],
            id="a tab",
        ),
        pytest.param(
            "dask:\n",
            "---\ndask:\n",
            [
                "47: is not valid YAML (expected a single document in the stream, but found another document), write one document, and each anchor above its aliases"
            ],
            id="two documents",
        ),
        pytest.param(
            "[facility/admins]",
            "*admins",
            [
                "12: is not valid YAML (found undefined alias 'admins'), write one document, and each anchor above its aliases"
            ],
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
        "6: iam.groups_claim: is not known ('admins'), write auto, groups,"
        " wlcg.groups, roles or entitlements",
        "12: access.admin_groups: is an empty list ([]), write at least one item,"
        " or leave the key out if it may be absent",
        "14: classes.0.teachers: is the group of the students too"
        " ('hackathon/students'), write a group of the teachers' own",
        "22: profiles.0.sizes.1.cores: is not a number of cores (-4), write a number"
        " above 0 and up to 4096, such as 1 or 0.5",
        "29: profiles.1.storage.1: is not an area ('scratch'), known: private, shared,"
        " collabspace and cvmfs",
        "35: profiles.2.gpus.1.slug: is there twice ('none'), give each its own slug:"
        " profiles.2.gpus.0 has it too",
        "46: storage.3.knd: is not a key here ('knd'), did you mean 'kind'",
        "48: dask.standard.idle_timeout: is zero ('0m'), write more: a cluster would"
        " never end",
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
        pytest.param("kind: collab", "kind: colab", 1, id="the kind of a collab area"),
        pytest.param(
            "    image: registry.example.org/af/cygno",
            "    imag: x",
            1,
            id="a misspelt image",
        ),
        pytest.param("af/cygno:2", "af/../cygno:2", 1, id="an image"),
        pytest.param("worker_cores: [1, 4]", "worker_cores: [32, x]", 1, id="cores"),
        pytest.param("resource: nvidia.com/gpu,", "resource: gpu,", 1, id="a resource"),
        pytest.param("class: hackathon", "clas: hackathon", 1, id="a misspelt class"),
        pytest.param("  standard: {", "  Standard: {", 1, id="a dask entry's name"),
        pytest.param("  standard: {", "  standard: 1 # {", 1, id="a dask entry's keys"),
        pytest.param("teachers: hackathon/teachers", "teachers: /a", 1, id="teachers"),
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


def test_what_does_not_fit_is_told_of_an_item_with_an_unreadable_key_too():
    text = edited(
        ("cores: 1, memory: 2G", "cores: 1, memory: 2"),
        ("memory: 8G, allowed", "memory: 8G, default: true, allowed"),
        ("dask: standard", "dask: huge"),
        ("  standard: {", "  other: 5\n  standard: {"),
        ("detach: 0m", "detach: 0"),
        ("user_memory: 32G", "user_memory: 1M"),
    )
    places = [line.split(" (")[0] for line in problems_of(text)]
    assert places == [
        "21: profiles.0.sizes.0.memory: is not a size",
        "22: profiles.0.sizes.1.default: is a second default",
        "23: profiles.0.dask: is not an entry of dask",
        "48: dask.other: is not a mapping",
        "49: dask.standard.detach: is not a duration",
        "49: dask.standard.user_memory: is less than one worker needs",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "is empty (0 bytes), write a facility", id="an empty file"),
        pytest.param(
            "# nothing\n", "is empty (10 bytes), write a facility", id="comments only"
        ),
        pytest.param(
            "x", "is not a mapping ('x'), write keys and values", id="one word"
        ),
        pytest.param(
            "[1]", "is not a mapping ([1]), write keys and values", id="a list"
        ),
        pytest.param(
            "null", "is not a mapping (null), write keys and values", id="null"
        ),
        pytest.param(
            "a\0b",
            "is not valid YAML (unacceptable character #x0000: special characters are"
            " not allowed), write text without control characters",
            id="a null character",
        ),
        pytest.param(
            "x" * (MAX_TEXT_BYTES + 1),
            "is too large (1048577 bytes), at most 1 MiB is read",
            id="1 MiB and 1",
        ),
        pytest.param(
            "é" * (MAX_TEXT_BYTES // 2 + 1),
            "is too large (1048578 bytes), at most 1 MiB is read",
            id="in bytes",
        ),
    ],
)
def test_a_file_that_is_no_facility_is_refused_in_one_line(text, problem):
    assert problems_of(text) == [f"1: {problem}"]


def test_an_error_holds_its_problems_as_data():
    with pytest.raises(ConfigError) as refusal:
        parse_facility(edited(("version: 1\n", "version: 2\n")), file_name="f.yaml")
    expected = (
        Problem(1, "version", "is not a version (2), write 1, the only one there is"),
    )
    assert (refusal.value.file_name, refusal.value.problems) == ("f.yaml", expected)


def test_a_long_value_is_cut_in_its_message():
    long = "n" * 1000
    (problem,) = problems_of(edited(("name: INFN analysis facility", f"name: {long}")))
    told = f"is too long ('{'n' * 78}…), write text of 1 to 500 characters"
    assert problem == f"2: name: {told}"
