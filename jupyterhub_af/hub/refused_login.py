"""Why somebody is not logged in: every reason in words, with its status and its rule."""

from __future__ import annotations

from jupyterhub_af.policy.access import Access
from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.facility import Facility

from .iam_client import IAMRefusedError
from .iam_http import IAMAwayError
from .id_token import UnverifiedError
from .peer import PeerAwayError, PeerRefusedError
from .secret_file import SecretFileError

_REFUSALS_OF_PEOPLE = frozenset({400, 403, 409})


class SignInError(AFError):
    """Refuse a login: ``str(error)`` is for the person, ``rule`` for the log."""

    template = "sign_in_problem.html"

    def __init__(self, title: str, message: str, *, rule: str, status: int) -> None:
        self.title = title
        self.rule = rule
        self.status = status
        super().__init__(message)


class AccessRefusedError(SignInError):
    """Refuse an account whose groups open nothing here."""

    template = "refused.html"

    def __init__(self, facility: Facility, access: Access) -> None:
        self.account = access.identity.user
        self.groups = tuple(sorted(access.identity.groups))
        self.wanted_groups = access.wanted_groups
        self.contact = facility.contact
        super().__init__(
            f"You may not use {facility.name}",
            str(access.reason),
            rule="login-not-allowed",
            status=403,
        )


def cancelled(facility: Facility) -> SignInError:
    """Return the page for somebody who said no at the IAM."""
    return SignInError(
        "You cancelled the login",
        f"You cancelled at {facility.iam.issuer}, so you are not logged in to "
        f"{facility.name}. Nothing was changed.",
        rule="login-cancelled",
        status=403,
    )


def stale(facility: Facility) -> SignInError:
    """Return the page for an answer that belongs to no login of this browser."""
    return SignInError(
        "This login page is out of date",
        "It was begun in another tab, too long ago, or this browser refuses cookies. "
        f"Log in to {facility.name} again.",
        rule="login-stale",
        status=400,
    )


def iam_said_no(facility: Facility, error: str) -> SignInError:
    """Return the page for an error that the IAM put into the address."""
    if error in ("temporarily_unavailable", "server_error"):
        return iam_away(facility)
    return SignInError(
        "The login did not work",
        f"{facility.iam.issuer} refused this login. Try again; if it stays so, tell "
        f"{facility.contact}.",
        rule="iam-refused",
        status=403,
    )


def not_usable(facility: Facility) -> SignInError:
    """Return the page for an account that the hub itself turns away."""
    return SignInError(
        "This account cannot be used here",
        f"The hub of {facility.name} does not accept this account. Ask "
        f"{facility.contact}.",
        rule="account-not-usable",
        status=403,
    )


def iam_away(facility: Facility) -> SignInError:
    """Return the page for the time that the IAM does not answer."""
    return SignInError(
        "The login service does not answer",
        f"{facility.iam.issuer} does not answer, so nobody can log in to "
        f"{facility.name} at the moment; servers that run go on. Try again in a "
        f"minute; if it stays so, tell {facility.contact}.",
        rule="iam-away",
        status=503,
    )


def service_away(facility: Facility) -> SignInError:
    """Return the page for the time that our own service does not answer."""
    return SignInError(
        "A part of the facility does not answer",
        f"The accounts of {facility.name} cannot be looked up at the moment, so nobody "
        "can log in; servers that run go on. Try again in a minute; if it stays so, "
        f"tell {facility.contact}.",
        rule="facility-away",
        status=503,
    )


def not_set_up(facility: Facility) -> SignInError:
    """Return the page for a hub that the IAM does not know as its client."""
    return SignInError(
        "The login of this facility is not set up right",
        f"{facility.name} could not identify itself to {facility.iam.issuer}, so nobody "
        f"can log in. Tell {facility.contact}; trying again will not help.",
        rule="client-not-set-up",
        status=503,
    )


def to_sign_in_error(error: AFError, facility: Facility) -> SignInError:
    """Return the page for what went wrong between the hub, the IAM and the service."""
    if isinstance(error, IAMAwayError):
        return iam_away(facility)
    if isinstance(error, SecretFileError):
        return not_set_up(facility)
    if isinstance(error, UnverifiedError):
        return SignInError(
            "The login could not be verified",
            f"The sign-in answer of {facility.iam.issuer} could not be verified, so "
            "nobody was logged in. Try again in a minute; if it stays so, tell "
            f"{facility.contact}.",
            rule=error.rule,
            status=403,
        )
    if isinstance(error, IAMRefusedError):
        return _iam_refused(error, facility)
    if isinstance(error, PeerRefusedError) and error.status in _REFUSALS_OF_PEOPLE:
        return SignInError(
            "This account cannot be used here",
            str(error),
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
            "Your account is not active",
            f"{facility.iam.issuer} says that your account there is not active. Ask "
            f"whoever manages your account, or {facility.contact}.",
            rule="account-not-active",
            status=403,
        )
    if error.code == "invalid_grant":
        return SignInError(
            "The login did not work",
            f"{facility.iam.issuer} did not accept the login: it took too long, the "
            "page was loaded twice, or the terms of use wait to be signed there. Log "
            "in again.",
            rule="grant-refused",
            status=403,
        )
    return iam_said_no(facility, error.code)
