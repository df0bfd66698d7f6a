from __future__ import annotations

import pytest

from jupyterhub_af.policy.sentence import say

ITALIAN = {"{title} is for members of {groups}.": "{groups}: per loro c'è {title}."}


def translate(template: str) -> str:
    return ITALIAN.get(template, template)


def test_the_text_is_the_template_filled_in():
    sentence = say("{title} is for members of {groups}.", title="Cygno", groups="a, b")
    assert str(sentence) == "Cygno is for members of a, b."


def test_another_language_may_put_the_values_elsewhere():
    sentence = say("{title} is for members of {groups}.", title="Cygno", groups="a")
    assert sentence.to_text(translate) == "a: per loro c'è Cygno."


def test_a_template_without_translation_stays_english():
    assert say("Nothing to fill in.").to_text(translate) == "Nothing to fill in."


@pytest.mark.parametrize("value", ["{0}", "{title}", "{__class__}", "%s", "}{", "{"])
def test_a_value_is_never_read_as_a_template(value):
    assert str(say("{title} is closed.", title=value)) == f"{value} is closed."


def test_sentences_of_the_same_words_are_equal():
    assert say("{a}", a="x") == say("{a}", a="x")
    assert say("{a}", a="x") != say("{a}", a="y")
