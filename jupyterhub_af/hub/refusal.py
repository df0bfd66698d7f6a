"""How a refusal reaches a person: the same words on the form and by the API."""

from __future__ import annotations

from tornado import web

from jupyterhub_af.policy.sentence import Sentence

from .asking import to_words
from .compat import SpawnException


def make_spawn_refusal(
    sentence: Sentence | str, *, rule: str, status: int = 403
) -> web.HTTPError:
    """Return the exception that refuses a start: words for the person, a rule for metrics.

    A sentence is said in the language of the request; a text comes from another process
    and stays as it is.
    """
    message = to_words(sentence) if isinstance(sentence, Sentence) else sentence
    error = SpawnException(message, reason=rule, status_code=status)
    error.jupyterhub_message = message
    return error
