"""The doors of a start: JupyterHub's own routes, with the request read strictly first.

And the doors beside: what an administrator could change in the hub to open a profile.

What a request means is decided by ``policy.selection`` alone. Here is only refused, in
words, what could be read in two ways or not at all: JupyterHub would answer some of it
with an error of its own, and keep some of it for later starts. Put before JupyterHub's
own routes by ``Authenticator.get_handlers``, on both majors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jupyterhub.apihandlers.groups import (
    GroupAPIHandler,
    GroupListAPIHandler,
    GroupPropertiesAPIHandler,
    GroupUsersAPIHandler,
)
from jupyterhub.apihandlers.users import UserAPIHandler, UserServerAPIHandler
from tornado import web

from jupyterhub_af.policy.errors import SelectionError
from jupyterhub_af.policy.sentence import Sentence, say

from .acts import stop_by
from .compat import options_of_body
from .flood import KnownCaller
from .refusal import make_spawn_refusal
from .strict_json import parse_object

if TYPE_CHECKING:
    from jupyterhub.handlers import BaseHandler
    from jupyterhub.user import User
else:
    BaseHandler = object

MAX_REQUEST_BYTES = 64 * 1024
MAX_SERVER_NAME = 30
# JupyterHub 6's rule, on 5 too: such a name is the same in a path, a label and a host
_SERVER_NAME = re.compile(r"[a-z](?:-?[a-z0-9])*")
_START_KEYS = frozenset({"user_options", "display_name"})
_CHANGE_KEYS = frozenset({"name", *_START_KEYS})
_CREATING = frozenset({"POST", "PUT"})


def _unreadable(sentence: Sentence) -> SelectionError:
    return SelectionError(sentence, rule="request-form")


def is_server_name(name: str) -> bool:
    """Tell whether a named server may be called so."""
    return len(name) <= MAX_SERVER_NAME and _SERVER_NAME.fullmatch(name) is not None


def read_body(body: bytes, keys: frozenset[str] | None) -> dict[str, object]:
    """Return the object in a body; empty for none. ``keys``: the only ones there may be.

    Raises
    ------
    SelectionError
        With the sentence for who sent it.
    """
    if not body.strip():
        return {}
    try:
        found = parse_object(body)
        # half of a surrogate pair is no text: no page and no database would take it
        json.dumps(found, ensure_ascii=False).encode("utf8")
    except (ValueError, RecursionError):
        sentence = say(
            "The body must be one JSON object in UTF-8, with each key once, such as "
            "{example}.",
            example='{"user_options": {"profile": "name"}}',
        )
        raise _unreadable(sentence) from None
    unknown = sorted(set(found) - keys) if keys is not None else []
    if unknown:
        sentence = say(
            "{key} is not a key of this request; the keys are {keys}.",
            key=repr(unknown[0][:80]),
            keys=", ".join(sorted(keys or ())),
        )
        raise _unreadable(sentence)
    _check_types(found)
    if keys is not None and "name" in found:
        _check_name(found["name"])
    return found


def _check_types(found: Mapping[str, object]) -> None:
    if not isinstance(found.get("user_options"), dict | None):
        sentence = say("user_options must be an object with the choice, or left out.")
        raise _unreadable(sentence)
    if not isinstance(found.get("display_name", ""), str):
        raise _unreadable(say("display_name must be a text."))


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not is_server_name(name):
        sentence = say(
            "A server's name has 1 to {most} characters: small letters, digits and "
            "single hyphens, a letter first and a letter or digit last.",
            most=MAX_SERVER_NAME,
        )
        raise _unreadable(sentence)


class PlainNext(BaseHandler):
    """Overlook a ``next`` that no header can carry; where others lead, JupyterHub checks.

    JupyterHub too goes on as if there were none where it does not like an address.
    """

    async def prepare(self) -> None:
        """Drop it before anybody reads it."""
        request = self.request
        if not all(_is_plain(value) for value in request.arguments.get("next", ())):
            for found in (
                request.arguments,
                request.query_arguments,
                request.body_arguments,
            ):
                found.pop("next", None)
        await super().prepare()


def _is_plain(value: bytes) -> bool:
    try:
        text = value.decode("utf8")
    except UnicodeDecodeError:
        return False
    return all(ord(letter) >= 0x20 and letter != "\x7f" for letter in text)


class StrictDoor(KnownCaller):
    """Refuse what cannot be read in one way, before JupyterHub reads it."""

    async def prepare(self) -> None:
        """Look at the request of whoever is logged in; JupyterHub turns others away."""
        await super().prepare()
        if self.current_user is None:
            return
        try:
            self.check_size()
            self.check_request()
            await self.check_server_name(*self.path_args)
        except SelectionError as error:
            raise make_spawn_refusal(
                error.sentence, rule=error.rule, status=400
            ) from None

    def check_size(self) -> None:
        """Refuse a request that is far larger than any choice."""
        if len(self.request.body) > MAX_REQUEST_BYTES:
            sentence = say(
                "The request is larger than {most} bytes; a choice is not.",
                most=MAX_REQUEST_BYTES,
            )
            raise make_spawn_refusal(sentence, rule="request-size", status=413)

    def check_request(self) -> None:
        """Raise a ``SelectionError`` with the sentence for what cannot be read.

        Each door reads another kind of request, and overrides this.
        """
        raise NotImplementedError

    async def check_server_name(
        self, user_name: str | None = None, server_name: str | None = None
    ) -> None:
        """Refuse a new server whose name may not be, or that is one too many.

        JupyterHub 5 does not count at its form, and takes any name.
        """
        if not server_name or not self.is_creating():
            return
        _check_name(server_name)
        if not self.has_scope(f"servers!user={user_name}"):
            return
        user = self.find_user(user_name)
        if not self.allow_named_servers:
            sentence = say(
                "This facility gives each person one server, without a name."
            )
            raise _unreadable(sentence)
        limit = await self.get_current_user_named_server_limit()
        if user is None or server_name in user.orm_spawners or not limit:
            return
        if sum(1 for name in user.orm_spawners if name) >= limit:
            sentence = say(
                "{user} has {limit} named servers already, and may have no more; "
                "delete one first.",
                user=user_name,
                limit=limit,
            )
            raise _unreadable(sentence)

    def is_creating(self) -> bool:
        """Tell whether the request could make a server."""
        return self.request.method in _CREATING


class StrictForm(StrictDoor):
    """Read the form, and the query strings that stand for it."""

    def is_creating(self) -> bool:
        """Tell that every request here could: a query string starts too."""
        return True

    def check_request(self) -> None:
        """Refuse fields that are not text, and what is no form."""
        is_read = self.request.body_arguments or self.request.files
        if self.request.body.strip() and not is_read:
            sentence = say(
                "The choice must be sent as a form; a script can use the API."
            )
            raise _unreadable(sentence)
        for key, values in self.request.arguments.items():
            if key == "opt-" or not key:
                sentence = say("A field without a name is not a field of the form.")
                raise _unreadable(sentence)
            try:
                for text in (key.encode("latin1"), *values):
                    text.decode("utf8")
            except UnicodeDecodeError:
                sentence = say("The fields of the form must be text in UTF-8.")
                raise _unreadable(sentence) from None


class ServerDoor(StrictDoor, UserServerAPIHandler):
    """The API that starts, changes and stops servers."""

    def check_request(self) -> None:
        """Refuse a body that is not an object of the known keys."""
        method = self.request.method
        if method not in ("POST", "PUT", "PATCH", "DELETE"):
            return
        body = read_body(self.request.body, None)
        if method == "PATCH":
            read_body(self.request.body, _CHANGE_KEYS)
        elif method in _CREATING and _START_KEYS.intersection(body):
            # without them the whole body is the choice, as JupyterHub takes it
            read_body(self.request.body, _START_KEYS)

    def get_json_body(self) -> Any:
        """Return what this major's own handler expects of the body."""
        found = read_body(self.request.body, None)
        return options_of_body(found) if self.request.method == "POST" else found

    async def delete(self, user_name: str, server_name: str = "") -> None:
        """Stop a server; it tells the audit who asked for that."""
        with stop_by(self, self.find_user(user_name), server_name):
            await super().delete(user_name, server_name=server_name)


class ClosedDoor(BaseHandler):
    """Refuse the changes that would decide beside the IAM and the facility file."""

    closed_methods: frozenset[str] = frozenset({"POST", "PUT", "PATCH", "DELETE"})

    async def prepare(self) -> None:
        """Refuse whoever is logged in; JupyterHub turns others away."""
        await super().prepare()
        if self.current_user is not None and self.request.method in self.closed_methods:
            sentence = say(
                "Names, groups and administrators come from the login service; this hub "
                "does not change them."
            )
            raise make_spawn_refusal(sentence, rule="managed-elsewhere")


class GroupsDoor(ClosedDoor, GroupListAPIHandler):
    """The list of groups."""


class GroupDoor(ClosedDoor, GroupAPIHandler):
    """A group. JupyterHub lets administrators change its members."""


class GroupUsersDoor(ClosedDoor, GroupUsersAPIHandler):
    """The members of a group."""


class GroupPropertiesDoor(ClosedDoor, GroupPropertiesAPIHandler):
    """The properties of a group, which JupyterHub lays over spawners."""


class UserDoor(ClosedDoor, UserAPIHandler):
    """A person. JupyterHub lets administrators rename them and change their login."""

    closed_methods = frozenset({"PATCH"})

    async def delete(self, user_name: str) -> None:
        """Forget a person; a server that runs is stopped by who asked for that."""
        with stop_by(self, self.find_user(user_name)):
            await super().delete(user_name)

    def user_model(self, user: User) -> dict[str, Any]:
        """Return what is shown of a person: never tokens, to nobody."""
        model: dict[str, Any] = super().user_model(user)
        model.pop("auth_state", None)
        return model


def make_door_handlers() -> list[tuple[str, type[web.RequestHandler]]]:
    """Return our routes of the API; the form's are the page's."""
    return [
        (r"/api/users/([^/]+)", UserDoor),
        (r"/api/users/([^/]+)/server", ServerDoor),
        (r"/api/users/([^/]+)/servers/([^/]*)", ServerDoor),
        (r"/api/groups", GroupsDoor),
        (r"/api/groups/([^/]+)", GroupDoor),
        (r"/api/groups/([^/]+)/users", GroupUsersDoor),
        (r"/api/groups/([^/]+)/properties", GroupPropertiesDoor),
    ]
