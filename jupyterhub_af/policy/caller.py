"""Whom a JupyterHub token speaks for, and for which server: read from the hub's answer.

Service and gateway ask the hub about each token and read the answer alike.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

_SERVER_SCOPE = "access:servers!server="


class Caller(BaseModel):
    """Who the hub says a token belongs to; its other keys are not ours to judge."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    kind: str = "user"
    name: str
    groups: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()


def server_of(caller: Caller) -> str | None:
    """Return the name of the server a token belongs to.

    It is the one server its scopes name, and only if the server is the caller's own: a
    guest of a shared server is not its owner.
    """
    servers = {
        scope.removeprefix(_SERVER_SCOPE)
        for scope in caller.scopes
        if scope.startswith(_SERVER_SCOPE)
    }
    if len(servers) != 1:
        return None
    owner, slash, name = servers.pop().partition("/")
    return name if slash and owner == caller.name else None


def scope_of(user: str, server_name: str) -> str:
    """Return the scope that a server's own token has for that server."""
    return f"{_SERVER_SCOPE}{user}/{server_name}"
