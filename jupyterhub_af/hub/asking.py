"""Who asks, as far as words are concerned: the request's language and what it posted.

A spawner makes the form and refuses choices, and the hub hands it no request for either.
Our pages set this at the start of a request; the context belongs to that request's task
and to what it starts, to nobody else's. Where nobody set it, words are English.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

from jupyterhub_af.policy.sentence import Sentence, Translate


@dataclass(frozen=True, slots=True)
class Asking:
    """The language of a request, and the fields of the form it posted."""

    translate: Translate = str
    posted: Mapping[str, Sequence[object]] = field(default_factory=dict)


_NOBODY = Asking()
asking: ContextVar[Asking] = ContextVar("asking", default=_NOBODY)


def to_words(sentence: Sentence) -> str:
    """Return a sentence in the language of the request that is being answered."""
    return sentence.to_text(asking.get().translate)
