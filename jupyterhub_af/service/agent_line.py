"""How the service asks the storage agent: a "no" of the agent's is ours too."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel

from jupyterhub_af.line.peer import Peer, PeerAwayError, PeerRefusedError
from jupyterhub_af.policy.messages import Message

from .desk import Desk
from .refusal import RefusedError

_M = TypeVar("_M", bound=BaseModel)


def agent_of(desk: Desk) -> Peer:
    """Return the line to the agent, or refuse where there is none."""
    if desk.agent is None:
        message = "This service has no line to a storage agent (ServiceApp.agent_url)."
        raise RefusedError(503, "agent-away", message)
    return desk.agent


async def ask_agent(desk: Desk, path: str, wanted: Message, reply: type[_M]) -> _M:
    """Ask the agent; its refusal is handed on with its words and its rule.

    Raises
    ------
    RefusedError
        If it refuses or does not answer.
    """
    try:
        return await agent_of(desk).ask(path, wanted, reply)
    except (PeerRefusedError, PeerAwayError) as error:
        raise to_refused(error) from error


def to_refused(error: PeerRefusedError | PeerAwayError) -> RefusedError:
    """Return the refusal that an answer of the agent's, or none, comes to."""
    if isinstance(error, PeerRefusedError):
        return RefusedError(error.status, error.refusal.rule, str(error))
    return RefusedError(503, "agent-away", str(error))
