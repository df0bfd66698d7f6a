from __future__ import annotations

import argparse
import json
import re

import pytest
import yaml
from broken_rules import BROKEN_RULES
from broken_values import BROKEN_VALUES
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from worlds import FACILITY_TEXT

from jupyterhub_af.cli.schema import add_schema
from jupyterhub_af.policy import values
from jupyterhub_af.policy.facility_schema import schema_text

# What needs more than one mapping, or more than YAML's data, is for `check` to say.
BEYOND_A_SCHEMA = {
    "a profile's slug twice",
    "a token of a profile where servers have none",
    "an area twice",
    "a folder twice",
    "a YAML key twice",
    "an area that is missing",
    "a Dask entry that is missing",
    "two default profiles",
    "two default sizes",
    "two default GPUs",
    "a quota of one kilobyte",
    "a class whose teachers and students are one group",
    "a ceiling of user_cores below one worker",
    "a ceiling of user_memory below one worker",
    "a ceiling of group_cores.cygno below one worker",
    "a tag",
    "a tag that makes objects",
    "YAML with an open bracket",
    "an alias without its anchor",
    # Python's own: its `$` matches before a line's end, and its NaN compares with nothing
    'the slug "cygno\\n"',
    ".nan cores",
}
BROKEN = BROKEN_VALUES + BROKEN_RULES


def is_beyond(name: str) -> bool:
    is_pattern = name.startswith("a pattern ") and "characters" not in name
    return name in BEYOND_A_SCHEMA or is_pattern


@pytest.fixture(scope="module")
def validator():
    return Draft202012Validator(json.loads(schema_text()))


def test_the_command_prints_the_schema(capsys):
    parser = argparse.ArgumentParser()
    add_schema(parser.add_subparsers())
    parsed = parser.parse_args(["schema"])
    assert parsed.run(parsed) == 0
    assert capsys.readouterr() == (schema_text(), "")


def test_it_is_a_schema_with_a_dialect_a_title_and_a_description(validator):
    Draft202012Validator.check_schema(validator.schema)
    head = {key: validator.schema.get(key) for key in ("$schema", "$id", "title")}
    assert head == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": None,
        "title": "The facility file of jupyterhub-af",
    }
    assert validator.schema["description"].endswith(".")


def test_the_demo_facility_is_valid(validator):
    validator.validate(yaml.safe_load(FACILITY_TEXT))


@pytest.mark.parametrize(
    "row", [r for r in BROKEN if not is_beyond(r.name)], ids=lambda row: row.name
)
def test_an_editor_sees_that_this_is_wrong_and_where(validator, row):
    errors = list(validator.iter_errors(yaml.safe_load(row.text)))
    assert errors
    places = [".".join(str(part) for part in error.path) for error in errors]
    assert all(row.key.startswith(place) for place in places), places


def test_every_mapping_refuses_unknown_keys_and_no_value_may_be_null():
    schema = json.loads(schema_text())
    parts = [schema, *schema["$defs"].values()]
    assert all(part["additionalProperties"] is False for part in parts)
    assert "null" not in schema_text()


def test_defaults_are_written_as_the_file_writes_them():
    schema = json.loads(schema_text())
    found = 0
    for part in [schema, *schema["$defs"].values()]:
        for value in part["properties"].values():
            if "default" in value:
                found += 1
                Draft202012Validator(value).validate(value["default"])
    assert found > 10


@pytest.mark.parametrize(
    ("place", "choices"),
    [
        (("Iam", "groups_claim"), ["auto", "groups", "wlcg.groups", "roles"]),
        (("StorageArea", "kind"), ["private", "shared", "collab", "cvmfs"]),
    ],
)
def test_an_editor_can_offer_the_choices(place, choices):
    model, key = place
    offered = json.loads(schema_text())["$defs"][model]["properties"][key]["enum"]
    assert offered[: len(choices)] == choices


def test_an_editor_can_offer_what_counts_as_activity():
    lifetime = json.loads(schema_text())["$defs"]["Lifetime"]["properties"]
    assert lifetime["active_while"]["items"]["enum"] == ["kernels", "clusters"]


def accepts(check, text: str) -> bool:
    try:
        check(text)
    except ValueError:
        return False
    return True


def matches(schema: dict[str, object], text: str) -> bool:
    """Read the pattern as an editor does: its `$` is the end, not before a line's."""
    pattern = str(schema["pattern"]).replace("$", r"\Z")
    longest = schema.get("maxLength", len(text))
    return len(text) <= longest and re.search(pattern, text) is not None


SAME = [
    (values.check_slug, values.SLUG_SCHEMA),
    (values.check_folder, values.FOLDER_SCHEMA),
    (values.check_group, values.GROUP_SCHEMA),
    (values.parse_memory_bytes, values.MEMORY_SCHEMA),
    (values.check_duration, values.DURATION_SCHEMA),
    (values.check_image, values.IMAGE_SCHEMA),
    (values.check_resource, values.RESOURCE_SCHEMA),
]
NAMES = [check.__name__ for check, _ in SAME]
SAMPLES = [
    *("", "a", "-a", "a-", "a" * 63, "a" * 64, "A", "a.b", "a..b", ".a", "a_b", "ä"),
    *("backups", "Backups", "backups2", "a/b", "/a", "a//b", "a/../b", "a\n", "a b"),
    *("2G", "1.5T", "2g", "2GB", "1.2345G", "9999999G", "30m", "1h30m", "0s", "1w"),
    *("nvidia.com/gpu", "a/b/c", "/gpu", "a/" + "b" * 316, "g" * 512, "g" * 513),
    *(
        "r.example.org:5000/a/b:t@sha256:" + "0" * 64,
        "a:b:c",
        "A/b",
        "a/b:" + "t" * 252,
    ),
]


@pytest.mark.parametrize(("check", "schema"), SAME, ids=NAMES)
@pytest.mark.parametrize("text", SAMPLES, ids=lambda text: ascii(text[:20]))
def test_the_patterns_agree_with_the_checks(check, schema, text):
    assert matches(schema, text) == accepts(check, text)


@given(
    st.text(max_size=30)
    | st.text("aB0-._/:GKms\n", max_size=12)
    | st.from_regex(values.FOLDER_SCHEMA["pattern"])
    | st.from_regex(values.MEMORY_SCHEMA["pattern"])
    | st.from_regex(values.GROUP_SCHEMA["pattern"])
)
def test_the_patterns_agree_with_the_checks_on_any_text(text):
    for check, schema in SAME:
        assert matches(schema, text) == accepts(check, text), schema


@pytest.mark.parametrize(
    ("issuer", "answer"),
    [
        ("https://iam.example.org", True),
        ("https://iam.example.org:8443/realms/a", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1:8080/", True),
        ("http://[::1]:8080/", True),
        ("http://iam.example.org/", False),
        ("http://127.0.0.1.example.org/", False),
        ("http://localhost.example.org/", False),
        ("https://iam.example.org/?a", False),
        ("https://u:p@iam.example.org/", False),
    ],
)
def test_the_pattern_of_the_issuer_agrees_with_its_check(issuer, answer):
    assert matches(values.ISSUER_SCHEMA, issuer) is answer
    assert accepts(values.check_issuer, issuer) is answer
