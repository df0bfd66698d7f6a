"""Words for a person, kept as a template and what is put into it.

Policy says "no" in English; a page may say the same in the person's language, because
the *template* is still there to be translated. ``str()`` is the English text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Translate = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A template with named fields, such as ``{title} is closed.``, and their values."""

    template: str
    values: Mapping[str, object]

    def to_text(self, translate: Translate) -> str:
        """Return the text in the language of ``translate``."""
        return translate(self.template).format_map(self.values)

    def __str__(self) -> str:
        return self.template.format_map(self.values)


def say(template: str, **values: object) -> Sentence:
    """Return the sentence of a template; the values are shown as ``str`` shows them."""
    return Sentence(template, values)
