from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from jupyterhub_af.policy.facility_schema import models

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def outputs():
    spec = importlib.util.spec_from_file_location(
        "reference", ROOT / "tools" / "reference.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.outputs()


def test_the_committed_reference_is_what_the_model_gives(outputs):
    assert {path.name for path in outputs} == {"facility.md", "facility.schema.json"}
    for path, text in outputs.items():
        assert path.read_text("utf8") == text, f"run tools/reference.py for {path.name}"


def test_every_key_of_the_file_is_in_the_reference(outputs):
    page = next(text for path, text in outputs.items() if path.suffix == ".md")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, re.M | re.S))
    for place, part in models():
        section = sections[place or "The file"]
        rows = re.findall(r"^\| `([a-z_]+)` \|", section, re.M)
        assert rows == list(part["properties"])


def test_every_link_of_the_reference_leads_to_a_section(outputs):
    page = next(text for path, text in outputs.items() if path.suffix == ".md")
    anchors = {h.lower().replace(".", "") for h in re.findall(r"^## (.+)$", page, re.M)}
    assert set(re.findall(r"\(#([^)]+)\)", page)) <= anchors


def test_the_page_says_no_value_of_the_inside(outputs):
    page = next(text for path, text in outputs.items() if path.suffix == ".md")
    assert not re.search(r"None|1073741824|\^\[|\bany\b", page)
    schema = next(t for p, t in outputs.items() if p.suffix == ".json")
    assert json.dumps(json.loads(schema), indent=2) + "\n" == schema
