"""What the doors of a start read, and what they refuse before JupyterHub reads it."""

from __future__ import annotations

import pytest

from jupyterhub_af.hub.compat import IS_HUB_5, options_of_body, options_of_query
from jupyterhub_af.hub.doors import is_server_name, read_body
from jupyterhub_af.policy.errors import SelectionError

START = frozenset({"user_options", "display_name"})
CHANGE = frozenset({"name", *START})


@pytest.mark.parametrize("name", ["a", "a1", "second", "a-b-c", "x" * 30])
def test_a_plain_name_is_a_servers(name):
    assert is_server_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "-a", "a-", "a--b", "A", "1a", "a.b", "a/b", "..", "a\n", "\u00e4", "x" * 31],
)
def test_any_other_name_is_none(name):
    assert not is_server_name(name)


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}"])
def test_no_body_is_an_empty_one(body):
    assert read_body(body, START) == {}


def test_an_object_is_read_as_it_is():
    body = b'{"user_options": {"profile": "lab"}, "display_name": "Mine"}'
    found = {"user_options": {"profile": "lab"}, "display_name": "Mine"}
    assert read_body(body, START) == found


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"[]", "one JSON object", id="a list"),
        pytest.param(b"null", "one JSON object", id="null"),
        pytest.param(b"0", "one JSON object", id="zero"),
        pytest.param(b"{", "one JSON object", id="half an object"),
        pytest.param(b"\xff", "one JSON object", id="no text"),
        pytest.param(b'{"a": 1, "a": 2}', "each key once", id="a key twice"),
        pytest.param(b'{"a": NaN}', "one JSON object", id="no number"),
        pytest.param(b'{"a": "\\ud800"}', "in UTF-8", id="half a letter"),
        pytest.param(b'{"\\udfff": 1}', "in UTF-8", id="half a letter for a key"),
        pytest.param(
            b'{"a": ' * 100_000 + b"1" + b"}" * 100_000, "one JSON", id="too deep"
        ),
        pytest.param(b'{"cmd": []}', "'cmd' is not a key", id="an unknown key"),
        pytest.param(
            b'{"user_options": []}', "must be an object", id="a list of options"
        ),
        pytest.param(b'{"display_name": 5}', "must be a text", id="a number to show"),
        pytest.param(b'{"name": "../x"}', "1 to 30 characters", id="a path for a name"),
        pytest.param(b'{"name": 5}', "1 to 30 characters", id="a number for a name"),
    ],
)
def test_what_can_be_read_in_two_ways_or_none_is_refused(body, words):
    with pytest.raises(SelectionError, match=r"\.$") as refused:
        read_body(body, CHANGE)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("body", "options"),
    [
        ({}, None),
        ({"profile": "lab"}, {"profile": "lab"}),
        ({"user_options": {"profile": "lab"}}, {"profile": "lab"}),
        ({"user_options": None}, None),
        ({"display_name": "Mine"}, None),
    ],
)
def test_the_choice_in_a_body_is_the_same_on_both_majors(body, options):
    """JupyterHub 6 takes it out itself."""
    assert options_of_body(body) == (options if IS_HUB_5 else body)


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ({"profile": ["lab"]}, {"profile": ["lab"]}),
        ({"opt-profile": ["lab"]}, {"profile": ["lab"]}),
        ({"opt-profile": ["lab"], "profile": ["x"]}, {"profile": ["lab"]}),
        ({"opt-opt-profile": ["lab"]}, {"opt-profile": ["lab"]}),
    ],
)
def test_the_choice_in_a_query_is_the_same_on_both_majors(query, options):
    assert options_of_query(query) == (options if IS_HUB_5 else query)
