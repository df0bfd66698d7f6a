"""What the Lab asks: who am I, what is new, keep my server, this works in it, I did this.

Events are about the server whose token asks; keeping and working are only for such one.
"""

from __future__ import annotations

import asyncio

from tornado.iostream import StreamClosedError

from jupyterhub_af.policy.messages import AuditEvent
from jupyterhub_af.policy.panel import Busy, Restored

from .gate import PublicRoute
from .panel import View, find_start_of, make_access, make_me, make_view
from .plans import Start
from .refusal import RefusedError
from .stream import COMMENT, Listener, Streams

# the proxy between does not pass on that this process ended: silence is how it is noticed
KEEP_ALIVE_SECONDS = 10
WRITE_SECONDS = 30
# as long as the audit keeps of what something was done to
TARGET_LENGTH = 255


class LabRoute(PublicRoute):
    """Be asked for a person."""

    async def view(self) -> View:
        """Return who looks, and from which server."""
        return make_view(await self.admit())

    async def start_that_asks(self) -> Start:
        """Return the last start of the server that asks, or refuse."""
        view = await self.view()
        if view.server_name is None:
            raise _not_a_server()
        start = await find_start_of(self.desk, view)
        if start is None:
            message = "No start of this server is recorded."
            raise RefusedError(404, "plan-unknown", message)
        return start


def _not_a_server() -> RefusedError:
    message = "This address is for a server of yours, and the token has none."
    return RefusedError(403, "not-a-server", message)


class Myself(LabRoute):
    """Tell programs whom they run for."""

    route = "me"

    async def get(self) -> None:
        """Answer with the person, what they are here, and the server that asks."""
        self.write_message(await make_me(self.desk, await self.view()))


class Keep(LabRoute):
    """Have a server that idles go on."""

    route = "keep"

    async def post(self) -> None:
        """Answer with when it stops now."""
        self.write_message(self.desk.keep(await self.start_that_asks()))


class BusyWord(LabRoute):
    """Hear from a server what works in it."""

    route = "busy"
    has_courtesy = True

    async def post(self) -> None:
        """Count it as activity, if the server's plan does."""
        start = await self.start_that_asks()
        self.desk.take_busy(start, self.read_body(Busy.model_validate_json))
        self.set_status(204)


class AccessWord(LabRoute):
    """Tell a server whether it has to end, and until when its work can be saved."""

    route = "access"
    has_courtesy = True

    async def get(self) -> None:
        """Answer with the end; null where there is none."""
        view = await self.view()
        if view.server_name is None:
            raise _not_a_server()
        event = make_access(self.desk, view)
        self.write_json(event.model_dump_json(exclude={"kind"}))


class RestoredWord(LabRoute):
    """Hear from a server that its person brought an earlier version back."""

    route = "restored"

    async def post(self) -> None:
        """Write it down, for the person to read again."""
        start = await self.start_that_asks()
        done = self.read_body(Restored.model_validate_json)
        self.desk.restores.count(start.plan.user)
        event = to_event(start.plan.user, done)
        # two people's servers never mean the same telling
        telling = done.telling and f"{start.plan.start_id} {done.telling}"
        await self.desk.told.once(
            telling, lambda: self.desk.record(event, telling=telling)
        )
        self.set_status(204)


def to_target(user: str, path: str) -> str:
    """Return what the audit says of a person's path, cut from the left to fit."""
    path = "".join(c if c.isprintable() else "?" for c in path)
    room = TARGET_LENGTH - len(user) - 1
    shown = path if len(path) <= room else "…" + path[1 - room :]
    return f"{user}/{shown}"


def to_event(user: str, done: Restored) -> AuditEvent:
    """Return the audit's line about a restore."""
    return AuditEvent(
        actor=user,
        action="storage.restore",
        target=to_target(user, done.path),
        rule=done.how,
        result="done",
        detail=done.generation,
    )


class Events(LabRoute):
    """Stream what is new, for as long as the token is good and the server runs."""

    route = "events"
    has_courtesy = True
    is_timed = False
    _listener: Listener | None = None

    async def get(self) -> None:
        """Send events until one of the two sides ends it."""
        view = await self.view()
        streams: Streams = self.settings["streams"]
        last_id = self.request.headers.get("Last-Event-ID", "")
        self._listener = await streams.open(view, self.token, last_id)
        try:
            self.set_header("Content-Type", "text/event-stream; charset=utf-8")
            # proxies such as nginx would collect events before they pass them on
            self.set_header("X-Accel-Buffering", "no")
            await self._send(self._listener)
        finally:
            streams.close(self._listener)

    def on_connection_close(self) -> None:
        """Stop sending to who went away."""
        if self._listener is not None:
            self._listener.end("left")

    async def _send(self, listener: Listener) -> None:
        while not listener.ended:
            text = await listener.next(within_seconds=KEEP_ALIVE_SECONDS)
            if listener.ended:
                return
            self.write(text or COMMENT)
            try:
                async with asyncio.timeout(WRITE_SECONDS):
                    await self.flush()
            except (StreamClosedError, TimeoutError):
                # it left, or reads so slowly that nothing fits into the pipe
                listener.end("slow")
                self.detach().close()
