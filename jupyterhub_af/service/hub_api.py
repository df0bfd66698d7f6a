"""What the service asks of the hub with its own token: which servers run, and to stop one.

Scopes: ``list:users``, ``read:servers`` and ``delete:servers``, each for everybody; for
accounts that end or change their name ``delete:users``. An answer that is not whole is
an error and never "nothing runs": clusters hang on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from .asking import Asker, AskError

NEEDED_SCOPES = frozenset({"list:users", "read:servers", "delete:servers"})
PAGINATION = "application/jupyterhub-pagination+json"
PAGE = 200
MOST_PAGES = 500

Place = tuple[str, str]
Parsed = TypeVar("Parsed", bound=BaseModel)


class _Model(BaseModel):
    """Be frozen; other keys are the hub's."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class HubServer(_Model):
    """A server that runs, starts or stops. ``pending`` names what goes on with it."""

    name: str
    ready: bool
    pending: str | None
    last_activity: AwareDatetime | None

    @property
    def is_settled(self) -> bool:
        """Tell whether it runs, and nothing goes on with it."""
        return self.ready and self.pending is None

    @property
    def person_at(self) -> float | None:
        """Return when its person was last active, in seconds since 1970."""
        return self.last_activity.timestamp() if self.last_activity else None


class _User(_Model):
    name: str
    # required: without the scope to read servers the hub leaves the key out
    servers: dict[str, HubServer]


class _Next(_Model):
    offset: int


class _Pagination(_Model):
    next: _Next | None = None


class _Page(_Model):
    items: tuple[_User, ...]
    pagination: _Pagination = Field(alias="_pagination")


class _Self(_Model):
    scopes: frozenset[str]


class HubApi:
    """The hub, as the service's own token sees it."""

    def __init__(self, api_url: str, token: str) -> None:
        self._asker = Asker("hub", api_url, authorization=f"token {token}")

    async def check_scopes(self) -> None:
        """Refuse a token that sees less than everybody's servers.

        With fewer scopes, or with filtered ones, servers would be missing in silence.
        """
        own = _parse(_Self, await self._get("/user"))
        missing = sorted(NEEDED_SCOPES - own.scopes)
        if missing:
            msg = f"The service's role at the hub lacks {', '.join(missing)}."
            raise AskError(msg)

    async def live_servers(self) -> dict[Place, HubServer]:
        """Return all servers that run, start or stop."""
        found: dict[Place, HubServer] = {}
        offset: int | None = 0
        for _ in range(MOST_PAGES):
            page = await self._page(offset)
            found.update(_servers_of(page))
            offset = page.pagination.next.offset if page.pagination.next else None
            if offset is None:
                return found
        msg = f"The hub's list of servers has more than {MOST_PAGES} pages."
        raise AskError(msg)

    async def find_server(self, user: str, server_name: str) -> HubServer | None:
        """Return one server as it is now, None if it does not run."""
        return (await self.servers_of(user)).get(server_name)

    async def servers_of(self, user: str) -> dict[str, HubServer]:
        """Return the servers of a person that run, start or stop."""
        status, body = await self._asker.ask("GET", _user_path(user))
        if status == 404:
            return {}
        _expect(status, 200)
        return _parse(_User, body).servers

    async def stop_server(self, user: str, server_name: str) -> None:
        """Have the hub stop a server; one that does not run is no error."""
        place = f"/servers/{quote(server_name, safe='')}" if server_name else "/server"
        status, _ = await self._asker.ask("DELETE", _user_path(user) + place)
        _expect(status, 202, 204, 404)

    async def delete_user(self, user: str) -> bool:
        """Have the hub forget a person: sessions, tokens, choices; False if it has.

        It is no renaming: the scope for that would also read everybody's tokens.
        """
        status, _ = await self._asker.ask("DELETE", _user_path(user))
        _expect(status, 204, 404)
        return status == 204

    def close(self) -> None:
        """Let connections go."""
        self._asker.close()

    async def _page(self, offset: int | None) -> _Page:
        query = f"?state=active&limit={PAGE}&offset={offset or 0}"
        body = await self._get(f"/users{query}", accept=PAGINATION)
        return _parse(_Page, body)

    async def _get(self, path: str, *, accept: str = "application/json") -> bytes:
        status, body = await self._asker.ask("GET", path, accept=accept)
        _expect(status, 200)
        return body


def _servers_of(page: _Page) -> Iterator[tuple[Place, HubServer]]:
    for user in page.items:
        for server in user.servers.values():
            yield (user.name, server.name), server


def _user_path(user: str) -> str:
    return f"/users/{quote(user, safe='')}"


def _expect(status: int, *expected: int) -> None:
    if status not in expected:
        msg = f"The hub answered {status}."
        if status in (401, 403):
            msg = f"The hub refuses the service's token or its scopes ({status})."
        raise AskError(msg)


def _parse(model: type[Parsed], body: bytes) -> Parsed:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        msg = "The hub gave an answer that is not whole, or of another version."
        raise AskError(msg) from error
