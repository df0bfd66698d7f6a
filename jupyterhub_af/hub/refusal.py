"""How a refusal reaches a person: the same words on the form and by the API."""

from __future__ import annotations

from tornado import web

from jupyterhub_af.policy.access import Access
from jupyterhub_af.policy.recheck import RecheckStatus, explain_end, to_end_rule
from jupyterhub_af.policy.sentence import Sentence, say

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


def refuse_unconfirmed(status: RecheckStatus, access: Access) -> web.HTTPError:
    """Return the refusal of a start by whose groups are not confirmed, or ended."""
    facility = access.facility
    if status == "silent":
        sentence = say(
            "The login service does not answer, and your groups were confirmed too long "
            "ago to start a server by them. What runs goes on. Try again in a minute; if "
            "it stays so, tell {contact}.",
            contact=facility.contact,
        )
        return make_spawn_refusal(sentence, rule="iam-away", status=503)
    if status == "client-refused":
        sentence = say(
            "The login service does not accept {facility} at the moment, so your groups "
            "cannot be confirmed and nothing new starts. What runs goes on. Tell "
            "{contact}.",
            facility=facility.name,
            contact=facility.contact,
        )
        return make_spawn_refusal(sentence, rule="client-refused", status=503)
    rule = to_end_rule(status) or "login-needed"
    return make_spawn_refusal(explain_end(rule, facility, access), rule=rule)
