"""Writes docs/reference/facility.md from the model of the facility file.

Run without arguments to write it, with ``--check`` to fail if it is not up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from jupyterhub_af.policy.facility import Facility

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "facility.md"
HEAD = """# The facility file

This page is made from the model (`tools/reference.py`). Unknown keys are refused. Groups are
full paths without a leading slash, matched exactly; an absent `allowed_groups` means everybody
who may log in. Memory is a number with K, M, G or T (powers of 1024); times are a number with
s, m, h or d.
"""


def make_page() -> str:
    """Return the page."""
    schema = Facility.model_json_schema()
    parts = [HEAD, _section("The file", schema)]
    parts += [_section(name, part) for name, part in sorted(schema["$defs"].items())]
    return "\n".join(parts)


def _section(name: str, part: dict[str, Any]) -> str:
    required = part.get("required", [])
    lines = [f"## {name}", "", part.get("description", "").split("\n")[0], ""]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, value in part["properties"].items():
        default = "required" if key in required else f"`{value.get('default')}`"
        default = default.replace("`None`", "absent")
        meaning = value.get("description", "")
        lines.append(f"| `{key}` | {_type(value)} | {default} | {meaning} |")
    return "\n".join([*lines, ""])


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return " or ".join(_type(v) for v in value["anyOf"] if v.get("type") != "null")
    if "enum" in value or "const" in value:
        return ", ".join(f"`{v}`" for v in value.get("enum", [value.get("const")]))
    if value.get("type") == "array":
        return f"list of {_type(value['items'])}" if "items" in value else "list"
    if value.get("type") == "object":
        return "mapping"
    if "pattern" in value:
        return f"`{value['pattern']}`".replace("|", "\\|")
    return str(value.get("type", "any"))


def main() -> int:
    """Write or check the page."""
    text = make_page()
    if "--check" in sys.argv:
        return int(PAGE.read_text(encoding="utf8") != text)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, encoding="utf8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
