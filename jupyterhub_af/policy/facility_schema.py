"""The facility file as a JSON Schema (draft 2020-12), for editors and for messages.

Made from the model, with what the model alone does not say: a key without a value is
refused, defaults are written as the file writes them, and the rules between keys of
one mapping. References between parts (the name of an area, of a class) and sums are
beyond a schema: ``facility_rules`` has the last word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from .facility import Facility
from .facility_rules import AREA_KEYS, KEYS_BY_KIND
from .names import RESERVED_AREAS
from .units import DURATION_PATTERN, MEMORY_PATTERN

Part = dict[str, Any]
Loc = tuple[str | int, ...]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_GIB = 1024**3
_NOT_ZERO = {"not": {"pattern": "^0+[smhd]$"}}


def schema_text() -> str:
    """Return the schema as it is printed and published."""
    return json.dumps(_schema(), indent=2) + "\n"


def part_at(path: Loc) -> Part:
    """Return the schema of a key path, ``{}`` where there is none."""
    part: Part = _schema()
    for step in path:
        part = _below(_resolved(part), step)
    return _resolved(part)


def models() -> Iterator[tuple[str, Part]]:
    """Return each kind of mapping of the file with where it stands in it."""
    yield from _models_below("", _schema())


@cache
def _schema() -> Part:
    made = Facility.model_json_schema(by_alias=True)
    made["description"] = "One analysis facility: what it offers, to whom, within what."
    whole = _cleaned(made)
    _add_rules(whole["properties"], whole["$defs"])
    head = {"$schema": DIALECT, "title": "The facility file of jupyterhub-af"}
    return {**head, **whole}


def _cleaned(part: Part) -> Part:
    """Return a part as a file may be: without null, titles and values of the inside."""
    cleaned = {key: _cleaned_value(key, part[key]) for key in part if key != "title"}
    if "anyOf" in cleaned:
        (only,) = [item for item in cleaned.pop("anyOf") if item != {"type": "null"}]
        cleaned = {**only, **cleaned}
    if "patternProperties" in cleaned:
        ((pattern, value),) = cleaned.pop("patternProperties").items()
        names = cleaned.get("propertyNames", {})
        cleaned["propertyNames"] = {"type": "string", **names, "pattern": pattern}
        cleaned["additionalProperties"] = value
    if "default" in cleaned:
        _clean_default(cleaned)
    return cleaned


def _cleaned_value(key: str, value: Any) -> Any:
    if key in ("$defs", "properties", "patternProperties"):
        return {name: _cleaned(part) for name, part in value.items()}
    if key == "description":
        return str(value).partition("\n")[0].replace("``", "`")
    if key in ("anyOf", "prefixItems"):
        return [_cleaned(part) for part in value]
    is_part = key in ("items", "additionalProperties", "propertyNames")
    return _cleaned(value) if is_part and isinstance(value, dict) else value


def _clean_default(part: Part) -> None:
    """Write a default as the file does, and leave out one that says nothing."""
    default = part["default"]
    if isinstance(default, dict):
        part["default"] = default = {k: v for k, v in default.items() if v}
    # a mapping's own keys say their defaults
    if default is None or default in ({}, []) or "$ref" in part:
        del part["default"]
    elif part.get("pattern") == DURATION_PATTERN:
        days, rest = divmod(default, 86400)
        part["default"] = f"{default}s" if rest or not days else f"{days}d"
    elif any(p.get("pattern") == MEMORY_PATTERN for p in part.get("prefixItems", ())):
        part["default"] = [f"{size // _GIB}G" for size in default]


def _add_rules(properties: Part, defs: Part) -> None:
    """Add what one mapping's keys ask of each other."""
    private = {"properties": {"kind": {"const": "private"}}, "required": ["kind"]}
    properties["storage"] |= {"contains": private, "minContains": 1, "maxContains": 1}
    images = ("image", "image_pattern")
    defs["Profile"]["oneOf"] = [{"required": [key]} for key in images]
    defs["Gpu"]["dependentRequired"] = {"resource": ["count"], "count": ["resource"]}
    area = defs["StorageArea"]
    area["properties"]["name"]["not"] = {"enum": sorted(RESERVED_AREAS)}
    area["properties"]["folders"]["minProperties"] = 1
    area["allOf"] = [_rule_of_kind(kind) for kind in KEYS_BY_KIND]
    defs["Lifetime"]["properties"]["active_while"]["uniqueItems"] = True
    for model, key in (
        ("Lifetime", "idle"),
        ("Lifetime", "longest"),
        ("Backup", "every"),
        ("DaskRule", "idle_timeout"),
    ):
        defs[model]["properties"][key] |= _NOT_ZERO


def _rule_of_kind(kind: str) -> Part:
    """Return the rule that an area of a kind has its own keys only."""
    others = [key for key in AREA_KEYS if key not in KEYS_BY_KIND[kind]]
    then: Part = {"properties": dict.fromkeys(others, False)}
    if kind == "collab":
        then["required"] = ["folders"]
    is_kind = {"properties": {"kind": {"const": kind}}, "required": ["kind"]}
    return {"if": is_kind, "then": then}


def _resolved(part: Part) -> Part:
    """Return a part, or what it refers to."""
    if "$ref" not in part:
        return part
    name = part["$ref"].rpartition("/")[2]
    model: Part = _schema()["$defs"][name]
    return model


def _below(part: Part, step: str | int) -> Part:
    if isinstance(step, int):
        first = part.get("prefixItems", [])
        below = first[step] if step < len(first) else part.get("items")
    else:
        below = part.get("properties", {}).get(step, part.get("additionalProperties"))
    return below if isinstance(below, dict) else {}


def _models_below(place: str, part: Part) -> Iterator[tuple[str, Part]]:
    part = _resolved(part)
    if "properties" in part:
        yield place, part
    for key, below in part.get("properties", {}).items():
        yield from _models_below(f"{place}.{key}" if place else key, below)
    for key in ("items", "additionalProperties"):
        if isinstance(part.get(key), dict):
            yield from _models_below(place, part[key])
