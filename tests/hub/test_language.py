"""Every text that a person reads on our pages has its translation, and fits its values."""

from __future__ import annotations

import ast
import csv
import re
import string
from pathlib import Path

import pytest

import jupyterhub_af
from jupyterhub_af.hub.language import LOCALE
from jupyterhub_af.policy import access, recheck

ROOT = Path(jupyterhub_af.__path__[0])
# words of the command line and of the log are English
NOT_SHOWN = {"cli", "local"}
MARKED = re.compile(r"""\b_\(\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*\)""")


def texts_of_code() -> set[str]:
    """Return the templates of every sentence that policy and hub can say."""
    texts = {*access._FOR_ONE.values(), *access._FOR_SEVERAL.values()}
    texts |= set(recheck._WORDS.values())
    for path in ROOT.rglob("*.py"):
        if path.relative_to(ROOT).parts[0] in NOT_SHOWN:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            is_say = isinstance(node, ast.Call) and ast.unparse(node.func) == "say"
            if is_say and node.args and isinstance(node.args[0], ast.Constant):
                texts.add(str(node.args[0].value))
    return texts


def texts_of_pages() -> set[str]:
    """Return what the templates mark with ``_``."""
    pages = (ROOT / "hub" / "templates").glob("*.html")
    return {
        ast.literal_eval(found)
        for page in pages
        for found in MARKED.findall(page.read_text(encoding="utf8"))
    }


def rows_of(language: str) -> list[tuple[str, str]]:
    with (LOCALE / f"{language}.csv").open(encoding="utf8", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    assert all(len(row) == 2 for row in rows), "two columns"
    return [(row[0], row[1]) for row in rows]


def fields_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


LANGUAGES = sorted(path.stem for path in LOCALE.glob("*.csv"))
# nothing in them to translate
SAME = {"{error}", ""}


def test_there_is_italian():
    assert LANGUAGES == ["it"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_has_its_translation_and_no_translation_is_left_over(language):
    english = [row[0] for row in rows_of(language)]
    assert len(english) == len(set(english)), "a text is there twice"
    assert set(english) == (texts_of_code() | texts_of_pages()) - SAME


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_the_fields_of_its_text(language):
    for english, other in rows_of(language):
        assert fields_of(english) == fields_of(other), english
        assert other.strip() == other, english
        assert other, english


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_ends_as_its_text_does(language):
    for english, other in rows_of(language):
        assert english.endswith(".") == other.endswith("."), english
