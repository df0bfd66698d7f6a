from __future__ import annotations

import json
import re
import time

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from worlds import FACILITY_TEXT

from jupyterhub_af.policy.errors import ConfigError, Problem
from jupyterhub_af.policy.facility_text import parse_facility


def anchor_bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for n in range(1, 10):
        lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]")
    return "\n".join(lines)


LONG = "profiles: &p " + "x" * 500_000 + "\nstorage: [" + "*p," * 15_000 + "]"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x" * 10_000_000, id="10 MB of one word"),
        pytest.param("- a\n" * 2_500_000, id="10 MB of items"),
        pytest.param("- a\n" * 250_000, id="a million bytes of items"),
        pytest.param(anchor_bomb(), id="an anchor bomb"),
        pytest.param("a: &a [*a]", id="an anchor that holds itself"),
        pytest.param("a: &a {b: *a}", id="a map that holds itself"),
        pytest.param("[" * 100_000, id="100 000 brackets"),
        pytest.param("? " * 3_000, id="3 000 keys in keys"),
        pytest.param("{" + "a: 1, " * 60_000 + "}", id="60 000 keys in one line"),
        pytest.param("a: 1" + ":1" * 400_000, id="a number to the base of 60"),
        pytest.param("a: 1" + ":1" * 400_000 + ".5", id="a fraction to the base of 60"),
        pytest.param("version: 0x" + "f" * 5_000, id="5 000 hexadecimal digits"),
        pytest.param("#\n" * 500_000, id="500 000 comments"),
        pytest.param("name: |\n" + " x\n" * 300_000, id="300 000 lines of text"),
        pytest.param(
            f"x: &p {'x' * 500_000}\nname: [{'*p,' * 15_000}]", id="a text in a list"
        ),
        pytest.param(
            "profiles: [&p {slug: a, image_pattern: '(\\w{1000}){1000}'},"
            + "*p," * 5_000
            + "]",
            id="one bad pattern 5 000 times",
        ),
        pytest.param("{a: " * 5_000, id="5 000 maps"),
        pytest.param("- " * 5_000, id="5 000 lists in one line"),
        pytest.param(LONG, id="a long text 15 000 times"),
        pytest.param(
            "\n".join(f"versoin{n}: 1" for n in range(9_000)), id="9 000 unknown keys"
        ),
    ],
)
def test_a_hostile_file_costs_no_more_than_an_honest_one_of_the_allowed_size(text):
    assert any(seconds_of_refusal(text) < 3 * seconds_of_reading() for _ in range(3))


def seconds_of_refusal(text: str) -> float:
    """Return the processor's time: others use the machine too."""
    began = time.process_time()
    with pytest.raises(ConfigError) as refusal:
        parse_facility(text)
    assert all(len(str(problem)) < 2000 for problem in refusal.value.problems)
    return time.process_time() - began


def seconds_of_reading() -> float:
    """Return the processor's time that the library alone takes for a million bytes."""
    began = time.process_time()
    yaml.compose("- a\n" * 250_000, Loader=yaml.CSafeLoader)
    return time.process_time() - began


SHAPE = re.compile(r"f:[0-9]+: (.+: )?[a-z].+ \(.+\), .+")
LIBRARY_WORDS = re.compile(r"Input should|should (be|have)|is not allowed \(")


def read_or_refuse(text: str) -> None:
    """Pass unless something else than a facility or a ``ConfigError`` comes out."""
    problems = refusal_of(text)
    lines = len(text.splitlines()) + 1
    assert problems is None or problems
    for problem in problems or ():
        assert 1 <= problem.line <= lines
        line = problem.to_text("f")
        assert line.isprintable()
        assert SHAPE.fullmatch(line), line
        assert not LIBRARY_WORDS.search(line), line


def refusal_of(text: str) -> tuple[Problem, ...] | None:
    try:
        parse_facility(text)
    except ConfigError as error:
        return error.problems
    return None


@given(st.text(st.characters(), max_size=200))
@example("!!timestamp x")
@example("a: !!bool x")
@example("? {a: b}\n: c")
@example("\ufeffversion: 1")
@example("%YAML 9.9\n---\na")
@example("- !!set {a, b}")
@example("=")
@example("a: 0b\nb: 0x\nc: 1_\nd: 1:99:99\ne: .\nf: +.inf")
def test_junk_is_never_an_unexpected_exception(text):
    read_or_refuse(text)


@given(st.binary(max_size=200))
def test_binary_junk_is_never_an_unexpected_exception(data):
    read_or_refuse(data.decode("latin-1"))
    read_or_refuse(data.decode("utf8", "surrogateescape"))


yaml_scraps = st.sampled_from(
    [
        *(
            "null",
            "[]",
            "{}",
            "[[]]",
            "-1",
            ".nan",
            "true",
            "'",
            '"',
            "&a",
            "*a",
            "!!x",
        ),
        *(
            ": ",
            "- ",
            "\n",
            "  ",
            "#",
            "{",
            "}",
            "2024-99-99",
            "9" * 5000,
            "%",
            "@",
            "|",
        ),
    ]
)


@settings(max_examples=60)
@given(
    st.integers(0, len(FACILITY_TEXT)),
    st.integers(0, 30),
    yaml_scraps | st.text(max_size=5),
)
def test_a_damaged_file_is_never_an_unexpected_exception(start, length, scrap):
    read_or_refuse(FACILITY_TEXT[:start] + scrap + FACILITY_TEXT[start + length :])


keys = st.sampled_from(
    ["name", "slug", "kind", "profiles", "storage", "class", "x", "0"]
)
trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["a", "1G", "cvmfs"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(
    st.sampled_from(["classes", "profiles", "storage", "dask", "iam", "access"]), trees
)
def test_any_tree_in_place_of_a_part_is_never_an_unexpected_exception(part, tree):
    # JSON is YAML
    data = yaml.safe_load(FACILITY_TEXT)
    data[part] = tree
    read_or_refuse(json.dumps(data))
