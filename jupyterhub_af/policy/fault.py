"""The one wording of a problem: ``what is wrong (value), what is allowed``.

Whoever finds a fault says what is wrong and what is allowed; the value is added here,
cut and quoted, so that no message has a line's end or a control character in it,
whatever the file holds.
"""

from __future__ import annotations

import math

MAX_SHOWN = 80
_MAX_ITEMS = 5
_MAX_DEPTH = 3


class FaultError(ValueError):
    """One value that is not allowed: what is wrong with it, and what is allowed."""

    def __init__(self, wrong: str, allowed: str) -> None:
        self.wrong = wrong
        self.allowed = allowed
        super().__init__(f"{wrong}, {allowed}")


def tell(wrong: str, shown: str, allowed: str) -> str:
    """Return a problem in words: ``is not a slug ('A b'), use up to 63 …``."""
    return to_line(f"{wrong} ({shown}), {allowed}")


def show(value: object) -> str:
    """Return a value much as the file writes it, cut to what people recognise it by."""
    return _cut(_show(value, _MAX_DEPTH))


def show_names(names: tuple[str, ...], *, last_word: str = "and") -> str:
    """Return ``a, b and c``, or ``none``; of very many the first ones."""
    shown = [to_line(name[:MAX_SHOWN]) for name in names[: 4 * _MAX_ITEMS]]
    if len(names) > len(shown):
        return ", ".join([*shown, "…"])
    *first, last = shown or ["none"]
    return f"{', '.join(first)} {last_word} {last}" if first else last


def to_line(text: str) -> str:
    """Return a text with everything that does not print written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _show(value: object, depth: int) -> str:
    if isinstance(value, str):
        return repr(value) if len(value) <= MAX_SHOWN else repr(value[:MAX_SHOWN])
    if isinstance(value, dict | list | tuple):
        return _show_items(value, depth)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{value:+}".replace("inf", ".inf")
    return repr(value)


def _show_items(
    value: dict[object, object] | list[object] | tuple[object, ...], depth: int
) -> str:
    """Return the first items only: one long text may be there many thousand times."""
    if isinstance(value, dict):
        first = list(value.items())[:_MAX_ITEMS] if depth else []
        shown = [
            f"{to_line(str(k)[:MAX_SHOWN])}: {_show(v, depth - 1)}" for k, v in first
        ]
    else:
        shown = [_show(item, depth - 1) for item in value[:_MAX_ITEMS] if depth]
    if len(value) > len(shown):
        shown.append("…")
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}{', '.join(shown)}{closing}"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
