"""What people do at the hub to what is another's, for the audit: one line for each act.

A table names the requests; each is looked at when it was answered. What a spawner or an
authenticator tells itself (a start, a stop, a login) is not told again from here: only
that it was refused before it came there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote
from weakref import WeakSet

from jupyterhub import orm
from jupyterhub.log import log_request
from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError, RequestHandler

from jupyterhub_af.line.audit import AuditWriter
from jupyterhub_af.policy.messages import AuditEvent

if TYPE_CHECKING:
    from jupyterhub.app import JupyterHub
    from jupyterhub.handlers import BaseHandler
    from jupyterhub.user import User

SERVICE = "af"
# who does what nobody asked for
HUB = "hub"
Result = Literal["done", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Act:
    """A request of the hub's, and how it is called in the audit.

    ``is_told_elsewhere``: what was done is told by who did it. ``of_others``: only what
    is done to somebody else's is an act.
    """

    methods: str
    path: str
    action: str
    is_told_elsewhere: bool = False
    of_others: bool = False

    def match(self, method: str, path: str) -> re.Match[str] | None:
        """Return the match of a request with this act."""
        is_method = method in self.methods.split()
        return re.fullmatch(self.path, path) if is_method else None


_USER = r"api/users/(?P<user>[^/]+)"
_SERVER = rf"{_USER}/(?:server|servers/(?P<server>[^/]*))"
ACTS = (
    Act("POST", r"api/users", "user.create"),
    Act("POST", _USER, "user.create"),
    Act("PATCH PUT", _USER, "user.change"),
    Act("DELETE", _USER, "user.delete"),
    Act("POST", rf"{_USER}/tokens", "token.create", of_others=True),
    Act("DELETE", rf"{_USER}/tokens/[^/]*", "token.delete", of_others=True),
    Act("POST PUT", _SERVER, "server.start", is_told_elsewhere=True),
    Act("PATCH", _SERVER, "server.change", of_others=True),
    Act("DELETE", _SERVER, "server.stop", is_told_elsewhere=True),
    Act("POST PUT PATCH DELETE", r"api/groups(?:/.*)?", "group.change"),
    Act("GET POST", r"api/oauth2/authorize", "server.enter", of_others=True),
    Act("POST PATCH", r"api/proxy", "proxy.change"),
    Act("POST", r"api/shutdown", "hub.shutdown"),
)
# who asks for a server in a loop is told no by the spawner, which tells the audit
_told: WeakSet[HTTPServerRequest] = WeakSet()


def note_told(handler: RequestHandler | None) -> None:
    """Note that the audit has the line of a request already."""
    if handler is not None:
        _told.add(handler.request)


@contextmanager
def stop_by(handler: BaseHandler, user: User | None, *names: str) -> Iterator[None]:
    """Let servers know who asks for their stop; without names, all of a person's."""
    spawners: list[Any] = [] if user is None else list(user.spawners.values())
    mine = [one for one in spawners if not names or one.name in names]
    for spawner in mine:
        spawner.stopped_by = str(handler.current_user.name)
    try:
        yield
    finally:
        for spawner in mine:
            if spawner.pending != "stop":
                spawner.stopped_by = ""


def watch_acts(app: JupyterHub, writer: Callable[[], AuditWriter]) -> None:
    """Have every answer of the hub looked at."""
    settings = app.tornado_settings
    write = settings.get("log_function", log_request)

    def log_and_tell(handler: RequestHandler) -> None:
        write(handler)
        event = find_event(handler, str(app.hub_prefix))
        if event is not None:
            writer().add(event)

    settings["log_function"] = log_and_tell


def find_event(handler: Any, prefix: str) -> AuditEvent | None:
    """Return the line of a request that was answered, if it is an act."""
    path = handler.request.path.removeprefix(prefix)
    for act in ACTS:
        found = act.match(handler.request.method, path)
        if found is not None:
            return _make_event(act, handler, found.groupdict())
    return None


def _make_event(act: Act, handler: Any, parts: dict[str, str]) -> AuditEvent | None:
    result, actor = _result_of(handler.get_status()), _name_of(handler)
    if not actor or handler.request in _told or _is_own_step(act, actor, result):
        return None
    place = _place_of(act, handler, parts)
    if place is None or (act.of_others and place[0] in ("", actor)):
        return None
    return AuditEvent(
        actor=actor,
        action=act.action,
        target="/".join(place)[:255] if place[0] else "",
        rule=_rule_of(handler.get_status()),
        result=result,
    )


def _is_own_step(act: Act, actor: str, result: Result) -> bool:
    """Tell whether whoever does it tells it: a spawner, or our service of its own acts."""
    return result == "done" and (act.is_told_elsewhere or actor == SERVICE)


def _name_of(handler: Any) -> str:
    """Return who asked; empty for strangers, whose requests are nobody's acts."""
    try:
        user = handler.current_user
    except (HTTPError, RuntimeError):
        # the hub's handlers raise where nobody has looked yet
        return ""
    return str(user.name) if user is not None else ""


def _place_of(act: Act, handler: Any, parts: dict[str, str]) -> tuple[str, str] | None:
    """Return whose, and which, server an act is about; None where it is about nothing."""
    if act.action == "server.enter":
        return _entered(handler)
    user = unquote(parts.get("user") or "")
    is_made = act.action == "user.create" and handler.get_status() < 400
    if user and not is_made and not _is_known(handler, user):
        # no line for whatever somebody invents; one who was just deleted was known
        return (
            (user, "")
            if act.action == "user.delete" and _is_done(handler)
            else ("", "")
        )
    return user, unquote(parts.get("server") or "")


def _entered(handler: Any) -> tuple[str, str] | None:
    """Return the server that a browser is let into, or was refused; None for others."""
    if handler.get_status() == 200:
        # the question whether they want to
        return None
    wanted = handler.get_query_argument("client_id", "")
    client = handler.db.query(orm.OAuthClient).filter_by(identifier=wanted).first()
    spawner = getattr(client, "spawner", None)
    return None if spawner is None else (str(spawner.user.name), str(spawner.name))


def _is_known(handler: Any, name: str) -> bool:
    return handler.db.query(orm.User.id).filter_by(name=name).first() is not None


def _is_done(handler: Any) -> bool:
    return int(handler.get_status()) < 400


def _result_of(status: int) -> Result:
    if status < 400:
        return "done"
    return "refused" if status < 500 else "failed"


def _rule_of(status: int) -> str:
    if status < 400:
        return ""
    # the hub says 404 of what somebody may not see
    return "not-allowed" if status in (401, 403, 404) else "request-form"
