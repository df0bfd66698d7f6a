"""JSON as strangers send it: one reading, or none.

Python's own reader takes the last of two equal keys and knows ``NaN``; two programs
that read one token differently are how a check is talked past.
"""

from __future__ import annotations

import json
from typing import NoReturn


def parse_object(text: bytes) -> dict[str, object]:
    """Return the JSON object in a text.

    Raises
    ------
    ValueError
        If it is not UTF-8, not JSON, not an object, nested too deep, or says one key
        twice. The message holds nothing of the text.
    """
    try:
        value = json.loads(
            text.decode("utf8"), object_pairs_hook=_to_dict, parse_constant=_refuse
        )
    except (ValueError, RecursionError):
        msg = "not a JSON object that can be read in one way"
        raise ValueError(msg) from None
    if not isinstance(value, dict):
        msg = "JSON, but not an object"
        raise ValueError(msg)
    return value


def _to_dict(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        msg = "a key is there twice"
        raise ValueError(msg)
    return value


def _refuse(constant: str) -> NoReturn:
    msg = f"{constant} is not JSON"
    raise ValueError(msg)
