"""The authenticator's side of access that changes while people are logged in.

``LiveAccess`` makes the engine of the re-checks and hands JupyterHub's questions to it.
JupyterHub asks at every request (``auth_refresh_age`` below zero): the engine answers
from memory, and it alone knows when the IAM is to be asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from traitlets import TraitError, default

from jupyterhub_af.line.peer import PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.messages import AuditEvent
from jupyterhub_af.policy.recheck import LoginNote
from jupyterhub_af.policy.sentence import Sentence

from .acts import HUB
from .facility_aware import FacilityAware
from .flood import is_stranger
from .hand_outs import AccessToken, HandOuts
from .iam_answers import Tokens
from .iam_client import IAMClient
from .iam_line import IAMLine
from .iam_metrics import iam_metrics
from .iam_questions import IAMQuestions
from .rechecks import Rechecks, Standing

if TYPE_CHECKING:
    from jupyterhub.handlers import BaseHandler
    from jupyterhub.user import User

EVERY_REQUEST = -1
# settings of JupyterHub's (some of 6.1 alone) that would leave people in who lost access,
# or put an older login in the place of what the engine keeps
_SETTLED_HERE: Mapping[str, object] = {
    "auth_refresh_age": EVERY_REQUEST,
    "auth_refresh_strict": True,
    "refresh_pre_spawn": False,
    "reconcile_auth_state_hook": None,
    "modify_auth_state_hook": None,
}


class LiveAccess(FacilityAware):
    """Know how everybody stands now."""

    # the time in seconds since 1970, and of a clock that nobody sets
    clock: Callable[[], float] = staticmethod(time.time)
    ticks: Callable[[], float] = staticmethod(time.monotonic)

    _rechecks: Rechecks | None = None
    _hand_outs: HandOuts | None = None

    @default("auth_refresh_age")
    def _default_auth_refresh_age(self) -> int:
        return EVERY_REQUEST

    @default("auth_refresh_strict")
    def _default_auth_refresh_strict(self) -> bool:
        # JupyterHub 6.1 has the trait; without it a withdrawn account's tokens go on
        return True

    @default("refresh_pre_spawn")
    def _default_refresh_pre_spawn(self) -> bool:
        # a start asks the engine itself, and says why it is refused
        return False

    def check_live_access(self) -> None:
        """Refuse settings of the hub by which lost access would not end."""
        for name, settled in _SETTLED_HERE.items():
            if getattr(self, name, settled) != settled:
                msg = (
                    f"{name}: the facility file decides how soon lost access ends "
                    "(iam.recheck_seconds, iam.grace_seconds). Remove this from the "
                    "hub's configuration."
                )
                raise TraitError(msg)

    # the authenticator below has these two: a class of traitlets cannot be abstract

    def iam(self) -> IAMClient:
        """Return the one client of the IAM."""
        raise NotImplementedError

    def client_credentials(self) -> dict[str, str]:
        """Return what identifies this hub at the IAM, as fields of a form."""
        raise NotImplementedError

    @property
    def hand_outs(self) -> HandOuts:
        """Return who is told of new tokens."""
        if self._hand_outs is None:
            self._hand_outs = HandOuts(self.log, on_end=self._tell_end)
        return self._hand_outs

    def _tell_end(self, user: User, rule: str) -> None:
        """Tell the audit once that somebody may not go on, also if nothing of theirs runs."""
        event = AuditEvent(
            actor=HUB,
            action="login.end",
            target=f"{user.name}/"[:255],
            rule=rule,
            result="done",
        )
        self.audit_writer().add(event)

    @property
    def rechecks(self) -> Rechecks:
        """Return the one engine."""
        if self._rechecks is None:
            questions = IAMQuestions(
                self.iam(),
                self.client_credentials,
                lambda: self.facility().iam.groups_claim,
            )
            line = IAMLine(self.iam().answers, log=self.log, clock=lambda: self.ticks())
            self._rechecks = Rechecks(
                questions,
                line,
                self.hand_outs,
                facility=self.facility,
                log=self.log,
                now=lambda: self.clock(),
            )
        return self._rechecks

    def note_refresh_token(self, tokens: Tokens) -> None:
        """Raise the alarm where a login can be looked at again for a short while only."""
        iam_metrics.lacks_refresh_tokens = tokens.refresh_token is None
        if tokens.refresh_token is None:
            self.log.error(
                "the IAM gave no refresh token at a login: people have to log in again "
                "whenever an access token ends. Have offline_access allowed for this "
                "facility's client at the IAM, and do not take it out of "
                "c.IAMAuthenticator.scope"
            )

    async def refresh_user(
        self, user: User, _handler: BaseHandler | None = None, **_: Any
    ) -> bool:
        """Tell whether somebody may go on; the engine has settled groups and all else."""
        # the hub knows by cookie or token who asks: what is logged from here on, an edit
        # of the file that nobody has looked at before too, is no stranger's
        is_stranger.set(False)
        return (await self.rechecks.look(user)).holds

    async def confirm_for_start(self, user: User) -> Standing:
        """Return how somebody stands, by groups young enough to start a server by."""
        return await self.rechecks.look(user, "start")

    def explain_end(self, user: User) -> Sentence | None:
        """Return why somebody's access ended, or None where it has not."""
        return self.rechecks.explain(user)

    async def fresh_token(self, user: User) -> AccessToken | None:
        """Return a token with at least a fifth of its life left; None: there is none."""
        return await self.rechecks.fresh_token(user)

    async def narrow_token(
        self, user: User, audience: str, scopes: tuple[str, ...]
    ) -> AccessToken:
        """Return a token of one audience and of scopes, or raise; never a wider one."""
        return await self.rechecks.narrow(user, audience, scopes)

    async def note_login(self, user: User) -> None:
        """Hand the new token out, and tell the service; if it is away that is logged."""
        self.rechecks.hand_out(user)
        body = LoginNote(user=user.name).model_dump_json().encode()
        try:
            await self.service_peer().call("POST", "/internal/logins", body=body)
        except (PeerRefusedError, PeerAwayError) as error:
            self.log.error(
                "could not tell the service of the login of %s: %s", user.name, error
            )
