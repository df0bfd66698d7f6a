"""From a choice to a recorded plan: what every spawner of ours does before it starts.

``PlannedStart`` is a mixin, first in the bases of a spawner. The order is: resolve,
select, numbers from the register, plan, record it in the service, directories by the
agent. Whatever is missing refuses the start in words; nothing is half started.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal

from jupyterhub.utils import maybe_future
from tornado import web
from traitlets import default

from jupyterhub_af.line.audit import telling_of_stop
from jupyterhub_af.line.peer import PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.access import Access
from jupyterhub_af.policy.errors import SelectionError
from jupyterhub_af.policy.messages import (
    AuditEvent,
    EnsureReply,
    IdsReply,
    IdsRequest,
    Message,
    ServerEvent,
    plan_to_json,
)
from jupyterhub_af.policy.plan import Ids, ServerPlan, groups_of, make_plan, mounts_of
from jupyterhub_af.policy.selection import Selection, select, unknown_option
from jupyterhub_af.policy.sentence import say

from .acts import HUB, note_told
from .asking import asking
from .compat import SpawnException, options_of_query
from .disk import FORM_PATIENCE_SECONDS, PATIENCE_SECONDS, explain_disk
from .facility_aware import FacilityAware
from .form import parse_options, read_fields, render_form
from .live_access import LiveAccess
from .refusal import make_spawn_refusal, refuse_unconfirmed

if TYPE_CHECKING:
    from jupyterhub.user import User

# what the form ignores, because JupyterHub uses it
_FIELDS_OF_THE_HUB = frozenset({"_xsrf", "next", "display_name"})


class ProfileLinkError(web.HTTPError):
    """Answer a link with ``?profile=``: show the form with it chosen, start nothing.

    JupyterHub shows the form when a query string raises; an empty message keeps the
    page free of an error.
    """

    jupyterhub_message = ""

    def __init__(self) -> None:
        super().__init__(200)


class _QuietReports(logging.Filter):
    """Keep the hub's reports of what is no fault short: JupyterHub adds a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop the report of a link that was opened, and shorten that of a refusal."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, SpawnException):
            words = getattr(error, "jupyterhub_message", "")
            record.msg, record.args = "%s: %s", (record.getMessage(), words)
            record.exc_info = record.exc_text = None
        return not isinstance(error, ProfileLinkError)


_quiet_reports = _QuietReports()


def _refuse_fields(names: Collection[str]) -> None:
    """Refuse fields that are none of the form's."""
    if names:
        raise make_spawn_refusal(unknown_option(min(names)), rule="option-unknown")


def _leave_to_start(_spawner: Any, _user_options: Mapping[str, Any]) -> None:
    """Do nothing: a plan is made of the options, with everything else, in ``start``."""


class PlannedStart(FacilityAware):
    """Make the form, and the plan of a start."""

    # which start of the server this is; it outlives `clear_state`, which comes before the
    # service hears of the end
    start_id: str = ""
    # who asked for the stop that goes on; empty: nobody did
    stopped_by: str = ""
    # whether the process was ended by `stop`, and not found ended
    is_ended_by_hub: bool = False
    # whether this start is told as done, and whether it is told at all
    _is_up: bool = False
    _is_start_told: bool = False

    if TYPE_CHECKING:
        user: User
        name: str
        user_options: Mapping[str, Any]
        orm_spawner: Any
        handler: web.RequestHandler | None
        authenticator: Any

    @default("options_form")
    def _default_options_form(self) -> Any:
        return type(self).render_options_form

    @default("options_from_form")
    def _default_options_from_form(self) -> Any:
        return self.parse_options_form

    @default("apply_user_options")
    def _default_apply_user_options(self) -> Any:
        """Tell JupyterHub that the options are not left unread: ``start`` applies them."""
        return _leave_to_start

    async def render_options_form(self) -> str:
        """Return the form for this person, with the choice posted or of last time."""
        stored = self.orm_spawner.user_options if self.orm_spawner else None
        # the hub keeps what was asked for, also where it was refused
        last = stored if isinstance(stored, Mapping) else {}
        if posted := asking.get().posted:
            last = read_fields(posted)
        access = self.access_here()
        return render_form(
            access,
            last,
            self._linked_profile(),
            asking.get().translate,
            rescue=await explain_disk(
                self.agent_peer(), access, patience_seconds=FORM_PATIENCE_SECONDS
            ),
        )

    def _linked_profile(self) -> str | None:
        """Return the profile that the link to the form asks for."""
        if not self.handler:
            return None
        plain = self.handler.get_query_argument("profile", None)
        return self.handler.get_query_argument("opt-profile", plain)

    def parse_options_form(self, data: Mapping[str, Any]) -> dict[str, str]:
        """Return the choice in a posted form, refused here if it cannot start."""
        # adding it again does nothing
        self.log.addFilter(_quiet_reports)
        # the prefix belongs to query strings, once, and is off by now
        _refuse_fields({key for key in data if key.startswith("opt-")})
        try:
            options = parse_options(data)
            select(self.access_here(), options)
        except SelectionError as error:
            raise make_spawn_refusal(error.sentence, rule=error.rule) from None
        return options

    def options_from_query(self, query_data: Mapping[str, Any]) -> dict[str, str]:
        """Return the choice in a query string: ``opt-profile`` starts, ``profile`` shows.

        A link with plain ``?profile=`` opens the form with that profile chosen, so that
        a link in a mail never starts anything by itself; nor does a page of another
        site, with either.
        """
        arguments = self.handler.request.query_arguments if self.handler else {}
        is_start = any(key.startswith("opt-") for key in arguments)
        fields = options_of_query(query_data)
        self.log.addFilter(_quiet_reports)
        if is_start:
            _refuse_fields(set(fields) & _FIELDS_OF_THE_HUB)
        options = self.parse_options_form(fields)
        if not is_start or self._is_from_another_site():
            raise ProfileLinkError
        return options

    def _is_from_another_site(self) -> bool:
        """Tell whether the browser says that a page of another site made the request."""
        headers = self.handler.request.headers if self.handler else {}
        return headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")

    def access_here(self) -> Access:
        """Return what the person may use, without what this kind of spawner cannot start."""
        return self.access_of(self.user)

    async def prepare_plan(self) -> ServerPlan:
        """Return the plan of this start, recorded, with its directories made.

        Raises
        ------
        SpawnException
            In words, if anything is withheld, missing or does not answer.
        """
        self._is_up = self._is_start_told = self.is_ended_by_hub = False
        await self.confirm_groups()
        access = self.access_here()
        try:
            selection = select(access, self.user_options)
            rescue = await explain_disk(
                self.agent_peer(), access, patience_seconds=PATIENCE_SECONDS
            )
            plan = await self._record_plan(
                access, selection, is_rescue=rescue is not None
            )
            answer = await self.agent_peer().call(
                "POST", "/ensure", body=plan_to_json(plan)
            )
        except SelectionError as error:
            await self.record("server.start", rule=error.rule, result="refused")
            raise make_spawn_refusal(error.sentence, rule=error.rule) from None
        except PeerRefusedError as error:
            rule = error.refusal.rule
            result = "refused" if error.status < 500 else "failed"
            await self.record("server.start", rule=rule, result=result)
            raise make_spawn_refusal(
                str(error), rule=rule, status=error.status
            ) from None
        except PeerAwayError as error:
            self.log.error("refused a start of %s: %s", self.user.name, error)
            await self.record("server.start", rule="facility-away", result="failed")
            raise self._away(error) from None
        reply = EnsureReply.model_validate_json(answer)
        self.log.info(
            "planned %s%s for %s, start %s (%d directories made, %d mended)",
            plan.profile,
            " as a rescue" if plan.is_rescue else "",
            plan.user,
            plan.start_id,
            len(reply.made),
            len(reply.mended),
        )
        return plan

    async def confirm_groups(self) -> None:
        """Refuse a start by groups that the IAM has not confirmed for too long."""
        if not isinstance(self.authenticator, LiveAccess):
            return
        standing = await self.authenticator.confirm_for_start(self.user)
        if standing.status == "allowed":
            return
        await self.record("server.start", rule=standing.status, result="refused")
        access = self.access_of(self.user)
        raise refuse_unconfirmed(standing.status, access)

    async def _record_plan(
        self, access: Access, selection: Selection, *, is_rescue: bool
    ) -> ServerPlan:
        facility = self.facility()
        groups = groups_of(mounts_of(facility, access, selection.profile))
        service = self.service_peer()
        request = IdsRequest(user=self.user.name, groups=groups)
        reply = await service.ask("/internal/ids", request, IdsReply)
        plan = make_plan(
            facility,
            access,
            selection,
            start_id=uuid.uuid4().hex,
            server_name=self.name,
            ids=Ids(reply.uid, reply.gid, reply.gids),
            is_rescue=is_rescue,
        )
        await service.call("PUT", "/internal/plans", body=plan_to_json(plan))
        self.start_id = plan.start_id
        return plan

    def get_state(self) -> dict[str, Any]:
        """Return what knows the server again after a hub restart."""
        state: dict[str, Any] = super().get_state()  # type: ignore[misc] # of the spawner
        return {**state, "start_id": self.start_id} if self.start_id else state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what ``get_state`` kept."""
        super().load_state(state)  # type: ignore[misc] # of the spawner
        self.start_id = state.get("start_id", "")
        self._is_up = bool(self.start_id)

    async def run_post_stop_hook(self) -> Any:
        """Tell the service that the server ended, however it did, then go on as configured."""
        await self._record_end()
        await self.tell_server("stopped")
        return await maybe_future(super().run_post_stop_hook())  # type: ignore[misc]

    async def _record_end(self) -> None:
        """Tell the audit who stopped the server, or that its start came to nothing."""
        if self._is_up:
            rule = "" if self.is_ended_by_hub else "server-ended"
            if self.is_ended_by_hub and not self.stopped_by:
                rule = "hub-stops"
            event = self._event(self.stopped_by or HUB, "server.stop", rule, "done")
            telling = telling_of_stop(self.start_id)
            await self.audit_writer().write(event, telling=telling)
        elif not self._is_start_told:
            await self.record("server.start", rule="start-failed", result="failed")
        self._is_up = False
        self.stopped_by = ""

    async def tell_server(self, state: Literal["running", "stopped"]) -> None:
        """Tell the service that this start runs, or ended; its sweep finds what it missed."""
        if not self.start_id:
            return
        event = ServerEvent(
            user=self.user.name,
            server_name=self.name,
            start_id=self.start_id,
            state=state,
        )
        await self._tell("/internal/servers", event)

    def _away(self, error: PeerAwayError) -> web.HTTPError:
        sentence = say(
            "{error} Nothing was started and nothing is lost. Try again in a minute; "
            "if it stays so, tell {contact}.",
            error=error,
            contact=self.facility().contact,
        )
        return make_spawn_refusal(sentence, rule="facility-away", status=503)

    def _actor(self) -> str:
        """Return who asks: an administrator may start somebody else's server."""
        asks = self.handler.current_user if self.handler else None
        return str(asks.name) if asks else self.user.name

    async def record(
        self, action: str, *, rule: str = "", result: str = "done"
    ) -> None:
        """Tell the service's audit what became of a start; one that is away, later."""
        self._is_start_told = True
        self._is_up = result == "done"
        note_told(self.handler)
        event = self._event(self._actor(), action, rule, result)
        await self.audit_writer().write(event)

    def _event(self, actor: str, action: str, rule: str, result: str) -> AuditEvent:
        return AuditEvent.model_validate(
            {
                "actor": actor,
                "action": action,
                "target": f"{self.user.name}/{self.name}",
                "rule": rule,
                "result": result,
            }
        )

    async def _tell(self, path: str, message: Message) -> None:
        body = message.model_dump_json().encode()
        try:
            await self.service_peer().call("POST", path, body=body)
        except (PeerRefusedError, PeerAwayError) as error:
            self.log.error(
                "could not tell the service of %s at %s: %s",
                self.user.name,
                path,
                error,
            )
