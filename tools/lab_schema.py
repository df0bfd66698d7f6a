"""Writes labextension/schema-panel/panel.json: what the service tells the Lab's panel.

The plugin's types are generated from it (`jlpm types` in labextension/). Run without
arguments to write it, with ``--check`` to fail if it is not up to date.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from jupyterhub_af.policy.panel import panel_schema

FILE = Path(__file__).parents[1] / "labextension" / "schema-panel" / "panel.json"


def schema_text() -> str:
    """Return what the file should be."""
    return json.dumps(panel_schema(), indent=2) + "\n"


def main() -> int:
    """Write or check the file."""
    if "--check" in sys.argv:
        return int(FILE.read_text("utf8") != schema_text())
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(schema_text(), encoding="utf8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
