from __future__ import annotations

import pytest

from jupyterhub_af.policy.errors import (
    AFError,
    ConfigError,
    Problem,
    SelectionError,
    UnsafeNameError,
)
from jupyterhub_af.policy.sentence import say


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        pytest.param(
            Problem(3, "a.0.b", "is bad"), "f:3: a.0.b: is bad", id="all known"
        ),
        pytest.param(Problem(3, "", "is bad"), "f:3: is bad", id="no key"),
        pytest.param(Problem(0, "a", "is bad"), "f: a: is bad", id="no line"),
        pytest.param(Problem(0, "", "is bad"), "f: is bad", id="the file as a whole"),
    ],
)
def test_a_problem_says_what_is_known(problem, text):
    assert problem.to_text("f") == text


def test_a_config_error_is_a_line_for_each_problem():
    error = ConfigError("f", (Problem(1, "a", "x"), Problem(2, "b", "y")))
    assert str(error) == "f:1: a: x\nf:2: b: y"


def test_every_error_is_ours_and_a_selection_error_has_its_rule():
    errors = [
        ConfigError("f", ()),
        SelectionError(say("No."), rule="r"),
        UnsafeNameError(),
    ]
    assert all(isinstance(error, AFError) for error in errors)
    assert (str(errors[1]), errors[1].rule) == ("No.", "r")
