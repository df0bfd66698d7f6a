from __future__ import annotations

import json
from pathlib import Path

from jupyterhub_af.policy.panel import panel_schema

FILE = Path(__file__).parents[2] / "labextension" / "schema-panel" / "panel.json"


def test_the_labs_schema_is_what_the_model_gives():
    committed = json.loads(FILE.read_text("utf8"))
    assert committed == panel_schema(), "run tools/lab_schema.py"


def test_the_labs_schema_names_every_kind_of_event():
    kinds = json.loads(FILE.read_text("utf8"))["discriminator"]["mapping"]
    assert set(kinds) == {
        *("me", "lifetime", "clusters", "storage", "access", "token", "history")
    }
