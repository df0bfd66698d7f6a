"""Why somebody is not logged in: every reason in words, with its status and its rule."""

from __future__ import annotations

from jupyterhub_af.line.peer import PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.access import Access
from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.sentence import Sentence, say

from .iam_answers import IAMRefusedError
from .iam_http import IAMAwayError
from .id_token import UnverifiedError
from .secret_file import SecretFileError

_REFUSALS_OF_PEOPLE = frozenset({400, 403, 409})


class SignInError(AFError):
    """Refuse a login: ``sentence`` is for the person, ``rule`` for the log."""

    template = "sign_in_problem.html"

    def __init__(
        self, title: Sentence, sentence: Sentence, *, rule: str, status: int
    ) -> None:
        self.title = title
        self.sentence = sentence
        self.rule = rule
        self.status = status
        super().__init__(str(sentence))


class AccessRefusedError(SignInError):
    """Refuse an account whose groups open nothing here."""

    template = "refused.html"

    def __init__(self, facility: Facility, access: Access) -> None:
        self.account = access.identity.user
        self.groups = tuple(sorted(access.identity.groups))
        self.wanted_groups = access.wanted_groups
        self.contact = facility.contact
        super().__init__(
            say("You may not use {facility}", facility=facility.name),
            access.reason or say(""),
            rule="login-not-allowed",
            status=403,
        )


def cancelled(facility: Facility) -> SignInError:
    """Return the page for somebody who said no at the IAM."""
    return SignInError(
        say("You cancelled the login"),
        say(
            "You cancelled at {issuer}, so you are not logged in to "
            "{facility}. Nothing was changed.",
            issuer=facility.iam.issuer,
            facility=facility.name,
        ),
        rule="login-cancelled",
        status=403,
    )


def stale(facility: Facility) -> SignInError:
    """Return the page for an answer that belongs to no login of this browser."""
    return SignInError(
        say("This login page is out of date"),
        say(
            "It was begun in another tab, too long ago, or this browser refuses cookies. "
            "Log in to {facility} again.",
            facility=facility.name,
        ),
        rule="login-stale",
        status=400,
    )


def iam_said_no(facility: Facility, error: str) -> SignInError:
    """Return the page for an error that the IAM put into the address."""
    if error in ("temporarily_unavailable", "server_error"):
        return iam_away(facility)
    return SignInError(
        say("The login did not work"),
        say(
            "{issuer} refused this login. Try again; if it stays so, tell {contact}.",
            issuer=facility.iam.issuer,
            contact=facility.contact,
        ),
        rule="iam-refused",
        status=403,
    )


def not_usable(facility: Facility) -> SignInError:
    """Return the page for an account that the hub itself turns away."""
    return SignInError(
        say("This account cannot be used here"),
        say(
            "The hub of {facility} does not accept this account. Ask {contact}.",
            facility=facility.name,
            contact=facility.contact,
        ),
        rule="account-not-usable",
        status=403,
    )


def unusable_name(facility: Facility) -> SignInError:
    """Return the page for an account whose name no hub could show: trying again is vain."""
    return SignInError(
        say("This account cannot be used here"),
        say(
            "Your account at {issuer} has no name that can be used here: 1 to 63 letters "
            "without accents, digits, '_', '.', '@', '$' and '-' are. Change it there, or "
            "ask {contact}.",
            issuer=facility.iam.issuer,
            contact=facility.contact,
        ),
        rule="username",
        status=403,
    )


def iam_away(facility: Facility) -> SignInError:
    """Return the page for the time that the IAM does not answer."""
    return SignInError(
        say("The login service does not answer"),
        say(
            "{issuer} does not answer, so nobody can log in to "
            "{facility} at the moment; servers that run go on. Try again in a "
            "minute; if it stays so, tell {contact}.",
            issuer=facility.iam.issuer,
            facility=facility.name,
            contact=facility.contact,
        ),
        rule="iam-away",
        status=503,
    )


def service_away(facility: Facility) -> SignInError:
    """Return the page for the time that our own service does not answer."""
    return SignInError(
        say("A part of the facility does not answer"),
        say(
            "The accounts of {facility} cannot be looked up at the moment, so nobody "
            "can log in; servers that run go on. Try again in a minute; if it stays so, "
            "tell {contact}.",
            facility=facility.name,
            contact=facility.contact,
        ),
        rule="facility-away",
        status=503,
    )


def not_set_up(facility: Facility) -> SignInError:
    """Return the page for a hub that the IAM does not know as its client."""
    return SignInError(
        say("The login of this facility is not set up right"),
        say(
            "{facility} could not identify itself to {issuer}, so nobody "
            "can log in. Tell {contact}; trying again will not help.",
            issuer=facility.iam.issuer,
            facility=facility.name,
            contact=facility.contact,
        ),
        rule="client-not-set-up",
        status=503,
    )


def to_sign_in_error(error: AFError, facility: Facility) -> SignInError:
    """Return the page for what went wrong between the hub, the IAM and the service."""
    if isinstance(error, IAMAwayError):
        return iam_away(facility)
    if isinstance(error, SecretFileError):
        return not_set_up(facility)
    if isinstance(error, UnverifiedError) and error.rule == "username":
        return unusable_name(facility)
    if isinstance(error, UnverifiedError):
        return SignInError(
            say("The login could not be verified"),
            say(
                "The sign-in answer of {issuer} could not be verified, so "
                "nobody was logged in. Try again in a minute; if it stays so, tell "
                "{contact}.",
                issuer=facility.iam.issuer,
                contact=facility.contact,
            ),
            rule=error.rule,
            status=403,
        )
    if isinstance(error, IAMRefusedError):
        return _iam_refused(error, facility)
    if isinstance(error, PeerRefusedError) and error.status in _REFUSALS_OF_PEOPLE:
        return SignInError(
            say("This account cannot be used here"),
            say("{error}", error=error),
            rule=error.refusal.rule,
            status=403,
        )
    if isinstance(error, PeerRefusedError | PeerAwayError):
        return service_away(facility)
    raise error


def _iam_refused(error: IAMRefusedError, facility: Facility) -> SignInError:
    if error.code in ("invalid_client", "unauthorized_client"):
        return not_set_up(facility)
    if error.code == "unauthorized":
        return SignInError(
            say("Your account is not active"),
            say(
                "{issuer} says that your account there is not active. Ask "
                "whoever manages your account, or {contact}.",
                issuer=facility.iam.issuer,
                contact=facility.contact,
            ),
            rule="account-not-active",
            status=403,
        )
    if error.code == "invalid_grant":
        return SignInError(
            say("The login did not work"),
            say(
                "{issuer} did not accept the login: it took too long, the "
                "page was loaded twice, or the terms of use wait to be signed there. Log "
                "in again.",
                issuer=facility.iam.issuer,
            ),
            rule="grant-refused",
            status=403,
        )
    return iam_said_no(facility, error.code)
