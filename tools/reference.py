"""Writes docs/reference/facility.md and its JSON Schema from the model of the file.

Run without arguments to write them, with ``--check`` to fail if one is not up to date.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from jupyterhub_af.policy import values
from jupyterhub_af.policy.facility_schema import models, schema_text

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
HEAD = """# The facility file

This page and its [JSON Schema](facility.schema.json) are made from the model
(`tools/reference.py`). `jupyterhub-af check FILE` lists every problem of a file,
`jupyterhub-af schema` prints the schema for an editor.

Unknown keys are refused, and so is a key without a value. An absent `allowed_groups` means
everybody who may log in; an empty one is an error.

| word | what to write |
|---|---|
| slug | up to 63 lower-case letters, digits and `-`, not at the ends |
| folder | up to 63 letters, digits, `.`, `_` and `-`, a letter or digit at the ends, not `backups` |
| group | a full path without a leading slash, such as `hackathon/students`; matched exactly |
| size | a number with `K`, `M`, `G` or `T`, powers of 1024, such as `2G`; at least `1M` |
| duration | a whole number with `s`, `m`, `h` or `d`, such as `30m` |
| cores | a number above 0 and up to 4096, such as `0.5` |
| image | an image reference, such as `registry.example.org/af/dodas:5` |
| pattern | a regular expression without look-around and back-references; it matches as a whole |
| resource | a Kubernetes resource name, such as `nvidia.com/gpu` |
"""
_WORDS = (
    ("slug", values.SLUG_SCHEMA),
    ("folder", values.FOLDER_SCHEMA),
    ("group", values.GROUP_SCHEMA),
    ("size", values.MEMORY_SCHEMA),
    ("duration", values.DURATION_SCHEMA),
    ("cores", values.CORES_SCHEMA),
    ("image", values.IMAGE_SCHEMA),
    ("pattern", values.IMAGE_PATTERN_SCHEMA),
    ("resource", values.RESOURCE_SCHEMA),
    ("https address", values.ISSUER_SCHEMA),
)


def make_page() -> str:
    """Return the page."""
    sections = [_section(place, part) for place, part in models()]
    return "\n".join([HEAD, *sections])


def _section(place: str, part: dict[str, Any]) -> str:
    required = part.get("required", [])
    description = part.get("description", "")
    lines = [f"## {place or 'The file'}", "", description, ""]
    lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, value in part["properties"].items():
        default = "required" if key in required else _default(value)
        path = f"{place}.{key}" if place else key
        row = (f"`{key}`", _type(value, path), default, _meaning(value))
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join([*lines, ""])


def _default(value: dict[str, Any]) -> str:
    return f"`{json.dumps(value['default'])}`" if "default" in value else "absent"


def _meaning(value: dict[str, Any]) -> str:
    """Return the description of a key itself, not of its kind of value."""
    told = value.get("description", "")
    return "" if told in {schema.get("description") for _, schema in _WORDS} else told


def _type(value: dict[str, Any], path: str) -> str:
    if "$ref" in value:
        return f"[keys](#{path.replace('.', '')})"
    if "enum" in value or "const" in value:
        return ", ".join(f"`{v}`" for v in value.get("enum", [value.get("const")]))
    for word, schema in _WORDS:
        rules = {key: rule for key, rule in schema.items() if key != "description"}
        if rules.items() <= value.items():
            return word
    if value["type"] == "array":
        return _list_type(value, path)
    if value["type"] == "object":
        of = _type(value["additionalProperties"], path)
        return f"map of {_name_type(value)} to {of}"
    return _simple_type(value)


def _list_type(value: dict[str, Any], path: str) -> str:
    if "prefixItems" in value:
        least, most = (_type(part, path) for part in value["prefixItems"])
        return f"list of two: least {least}, most {most}"
    return f"list of {_type(value['items'], path)}"


def _name_type(value: dict[str, Any]) -> str:
    names = value.get("propertyNames")
    return _type(names, "") if names else "text"


def _simple_type(value: dict[str, Any]) -> str:
    if value["type"] == "boolean":
        return "`true`, `false`"
    if value["type"] == "integer":
        return f"whole number, {value['minimum']} to {value['maximum']}"
    if "maxLength" in value:
        return f"text, up to {value['maxLength']} characters"
    return "text"


def outputs() -> dict[Path, str]:
    """Return what each file should be."""
    return {
        FOLDER / "facility.md": make_page(),
        FOLDER / "facility.schema.json": schema_text(),
    }


def main() -> int:
    """Write or check the files."""
    texts = outputs()
    if "--check" in sys.argv:
        return int(any(path.read_text("utf8") != text for path, text in texts.items()))
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
