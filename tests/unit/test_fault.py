from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_af.policy.fault import MAX_SHOWN, FaultError, show, show_names, tell


def test_a_problem_says_what_is_wrong_with_the_value_and_then_what_is_allowed():
    assert tell("is not a slug", "'A b'", "use letters") == (
        "is not a slug ('A b'), use letters"
    )
    assert str(FaultError("is not a slug", "use letters")) == (
        "is not a slug, use letters"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(None, "null", id="null"),
        pytest.param(True, "true", id="true"),
        pytest.param(False, "false", id="false"),
        pytest.param(0.5, "0.5", id="a fraction"),
        pytest.param(float("nan"), ".nan", id="not a number"),
        pytest.param(float("-inf"), "-.inf", id="minus infinity"),
        pytest.param("a'b", '"a\'b"', id="a quote"),
        pytest.param("a\nb\x1b\u202e", r"'a\nb\x1b\u202e'", id="what does not print"),
        pytest.param({"a\n": [1, "x"]}, r"{a\n: [1, 'x']}", id="a mapping"),
        pytest.param([1, 2, 3, 4, 5, 6], "[1, 2, 3, 4, 5, …]", id="a long list"),
        pytest.param([[[[1]]]], "[[[[…]]]]", id="a deep list"),
        pytest.param({}, "{}", id="an empty mapping"),
        pytest.param("n" * 1000, f"'{'n' * 78}…", id="a long text"),
        pytest.param("n" * 78, f"'{'n' * 78}'", id="a text that just fits"),
    ],
)
def test_a_value_is_shown_much_as_the_file_writes_it(value, shown):
    assert show(value) == shown


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_any_value_is_shown_in_one_short_line(value):
    shown = show(value)
    assert shown.isprintable()
    assert len(shown) <= MAX_SHOWN


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ((), "none"),
        (("a",), "a"),
        (("a", "b"), "a and b"),
        (("a", "b", "c"), "a, b and c"),
        (tuple("a" * 30), ", ".join("a" * 20) + ", …"),
    ],
    ids=["none", "one", "two", "three", "very many"],
)
def test_names_are_listed(names, text):
    assert show_names(names) == text


def test_alternatives_are_listed_with_or():
    assert show_names(("a", "b", "c"), last_word="or") == "a, b or c"
