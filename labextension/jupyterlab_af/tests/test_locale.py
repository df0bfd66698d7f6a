from __future__ import annotations

import json
import re
from pathlib import Path

from babel.messages.pofile import read_po

import jupyterlab_af

PACKAGE = Path(jupyterlab_af.__file__).parent
CATALOGUE = PACKAGE / "locale/it_IT/LC_MESSAGES/jupyterlab_af.json"
SOURCES = PACKAGE.parent / "src"
STRING = re.compile(r"""trans\s*\.__\(\s*(?:'([^']*)'|"([^"]*)")""")


async def test_lab_finds_the_italian_sentence(jp_fetch):
    response = await jp_fetch("lab", "api", "translations", "it_IT")
    answer = json.loads(response.body)
    assert answer["message"] == ""
    ours = answer["data"]["jupyterlab_af"]
    assert ours["Facility: not reachable"] == ["Struttura: non raggiungibile"]


async def test_lab_offers_italian(jp_fetch):
    response = await jp_fetch("lab", "api", "translations")
    assert "it_IT" in json.loads(response.body)["data"]


def test_both_forms_of_the_catalogue_agree():
    with CATALOGUE.with_suffix(".po").open("rb") as file:
        messages = [message for message in read_po(file) if message.id]
    expected = {
        "\x04".join(filter(None, (message.context, message.id))): [message.string]
        for message in messages
    }
    catalogue = json.loads(CATALOGUE.read_text())
    assert catalogue.pop("")["domain"] == "jupyterlab_af"
    assert catalogue == expected


def test_every_string_is_translated_and_no_translation_is_left_over():
    files = [p for p in SOURCES.rglob("*.ts*") if "__tests__" not in p.parts]
    text = "".join(path.read_text() for path in files)
    strings = {single or double for single, double in STRING.findall(text)}
    assert len(re.findall(r"trans\s*\.__\(", text)) == len(STRING.findall(text))
    catalogue = json.loads(CATALOGUE.read_text())
    assert {key for key in catalogue if key and "\x04" not in key} == strings


def test_a_translation_keeps_the_places_for_values():
    catalogue = json.loads(CATALOGUE.read_text())
    catalogue.pop("")
    for text, (translated,) in catalogue.items():
        assert translated
        places = [sorted(re.findall(r"%\d", words)) for words in (text, translated)]
        assert places[0] == places[1], text
