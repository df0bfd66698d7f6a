"""What the model refuses, in an administrator's words.

The model says which rule a value broke; what is allowed instead comes from the schema
of the key, so that a bound is written once.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache

from .facility_schema import Loc, Part, models, part_at
from .fault import MAX_SHOWN, FaultError, show, show_names, tell

_WRONG = {
    "missing": "is missing",
    "string_type": "is not text",
    "string_unicode": "is not text",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "int_type": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_type": "is not a number",
    "bool_type": "is not true or false",
    "greater_than": "is too small",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
    "literal_error": "is not known",
    "dict_type": "is not a mapping",
    "model_type": "is not a mapping",
    "tuple_type": "is not a list",
    "too_short": "has too few items",
    "too_long": "has too many items",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A message, its key path, and which other keys may have been meant."""

    path: Loc
    message: str
    touches: tuple[Loc, ...] = ()


def explain(kind: str, path: Loc, value: object, fault: object) -> Told:
    """Return what is wrong at a path: by the model's kind of error, or a fault of ours."""
    if isinstance(fault, FaultError):
        return Told(path, tell(fault.wrong, show(value), fault.allowed))
    if kind == "extra_forbidden":
        return _explain_key(path)
    wrong = _WRONG.get(kind, "is not allowed")
    if kind != "missing":
        return Told(path, tell(wrong, show(value), _allowed(part_at(path), value)))
    part = part_at(path[:-1])
    if isinstance(path[-1], int):
        wrong, path = "has too few items", path[:-1]
        return Told(path, tell(wrong, show(value), _allowed(part, value)))
    needed = show_names(tuple(part.get("required", ())))
    return Told(path, tell(wrong, "no value", f"needed here: {needed}"))


def _explain_key(path: Loc) -> Told:
    """Return what to say of an unknown key: the nearest one known here, or elsewhere."""
    key, known = str(path[-1])[:MAX_SHOWN], part_at(path[:-1]).get("properties", {})
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        told = tell("is not a key here", show(key), f"did you mean {near[0]!r}")
        return Told(path, told, touches=((*path[:-1], near[0]),))
    allowed = f"known here: {show_names(tuple(known))}"
    elsewhere = _keys_by_name()
    for other in difflib.get_close_matches(key, elsewhere, n=1):
        places = show_names(elsewhere[other], last_word="or")
        allowed = f"{other!r} is a key of {places}; {allowed}"
    return Told(path, tell("is not a key here", show(key), allowed))


@cache
def _keys_by_name() -> dict[str, tuple[str, ...]]:
    """Return every key of the file with the places where it belongs."""
    places: dict[str, tuple[str, ...]] = {}
    for place, part in models():
        for key in part["properties"]:
            places[key] = (*places.get(key, ()), place or "the file itself")
    return places


def _allowed(part: Part, value: object) -> str:
    """Return what the schema of a key allows, in words."""
    if "const" in part or "enum" in part:
        known = tuple(str(item) for item in part.get("enum", [part.get("const")]))
        return f"write {show_names(known, last_word='or')}"
    kind = part.get("type")
    if kind in ("integer", "number"):
        number = "a whole number" if kind == "integer" else "a number"
        return f"write {number}{_bounds(part)}"
    if kind == "string":
        return _allowed_text(part, value)
    if kind == "array":
        return _allowed_list(part)
    words = {"boolean": "true or false, without quotes", "object": "keys and values"}
    return f"write {words.get(str(kind), 'what the reference of this key says')}"


def _bounds(part: Part) -> str:
    least, most = part.get("minimum"), part.get("maximum")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    return f" above {part['exclusiveMinimum']} and up to {most}"


def _allowed_text(part: Part, value: object) -> str:
    if isinstance(value, int | float):
        return "write it in quotes"
    if "maxLength" in part:
        return f"write text of {part.get('minLength', 1)} to {part['maxLength']} characters"
    return "write text"


def _allowed_list(part: Part) -> str:
    if "prefixItems" in part:
        return f"write a list of {len(part['prefixItems'])}: the least and the most"
    return "write a list in brackets, such as [one, two]"
