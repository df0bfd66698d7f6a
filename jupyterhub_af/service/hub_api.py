"""What the service asks of the hub with its own token: who runs what, to stop, to re-check.

Scopes: ``list:users``, ``read:servers``, ``read:users:groups`` and ``delete:servers``,
each for everybody; for accounts that end or change their name ``delete:users``. An
answer that is not whole is an error and never "nothing runs": clusters hang on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from jupyterhub_af.policy.recheck import RecheckReply, RecheckRequest

from .asking import Asker, AskError

NEEDED_SCOPES = frozenset(
    {"list:users", "read:servers", "read:users:groups", "delete:servers"}
)
# questions about membership wait for the IAM; they keep no other question waiting
MOST_RECHECKS = 16
# nor do stops, which the hub answers when a server is gone or after ten seconds
MOST_STOPS = 32
PAGINATION = "application/jupyterhub-pagination+json"
PAGE = 200
# people whom each page shows again of the one before
OVERLAP = 20
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


class HubPerson(_Model):
    """A person: the groups that the hub knows, and the servers that run, start or stop."""

    name: str
    # both required: without the scope to read it the hub leaves a key out
    servers: dict[str, HubServer]
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Live:
    """All servers that run, start or stop, and the groups of their people."""

    servers: dict[Place, HubServer]
    groups: dict[str, frozenset[str]]


class _Next(_Model):
    offset: int


class _Pagination(_Model):
    next: _Next | None = None


class _Page(_Model):
    items: tuple[HubPerson, ...]
    pagination: _Pagination = Field(alias="_pagination")


class _Self(_Model):
    scopes: frozenset[str]


class HubApi:
    """The hub, as the service's own token sees it."""

    def __init__(self, api_url: str, token: str) -> None:
        word = f"token {token}"
        self._asker = Asker("hub", api_url, authorization=word)
        self._rechecks = Asker("hub", api_url, authorization=word, most=MOST_RECHECKS)
        self._stops = Asker("hub", api_url, authorization=word, most=MOST_STOPS)

    async def check_scopes(self) -> None:
        """Refuse a token that sees less than everybody's servers.

        With fewer scopes, or with filtered ones, servers would be missing in silence.
        """
        own = _parse(_Self, await self._get("/user"))
        missing = sorted(NEEDED_SCOPES - own.scopes)
        if missing:
            msg = f"The service's role at the hub lacks {', '.join(missing)}."
            raise AskError(msg)

    async def live(self) -> Live:
        """Return all servers that run, start or stop, and the groups of their people."""
        found = Live({}, {})
        offset = 0
        for _ in range(MOST_PAGES):
            page = await self._page(offset)
            for person in page.items:
                _add(found, person)
            if page.pagination.next is None:
                return found
            # whoever stops meanwhile moves the rest up: without it somebody were in neither
            offset = max(page.pagination.next.offset - OVERLAP, offset + 1)
        msg = f"The hub's list of servers has more than {MOST_PAGES} pages."
        raise AskError(msg)

    async def find_server(self, user: str, server_name: str) -> HubServer | None:
        """Return one server as it is now, None if it does not run."""
        return (await self.servers_of(user)).get(server_name)

    async def servers_of(self, user: str) -> dict[str, HubServer]:
        """Return the servers of a person that run, start or stop."""
        person = await self.find_person(user)
        return person.servers if person else {}

    async def find_person(self, user: str) -> HubPerson | None:
        """Return a person as they are now; None if the hub knows nobody of that name."""
        status, body = await self._asker.ask("GET", _user_path(user))
        if status == 404:
            return None
        _expect(status, 200)
        return _parse(HubPerson, body)

    async def recheck(self, user: str, *, is_ending: bool = False) -> RecheckReply:
        """Have the hub look at a person's membership again."""
        request = RecheckRequest(user=user, is_ending=is_ending).model_dump_json()
        status, body = await self._rechecks.ask("POST", "/af/recheck", body=request)
        _expect(status, 200)
        return _parse(RecheckReply, body)

    async def stop_server(self, user: str, server_name: str) -> None:
        """Have the hub stop a server; one that does not run is no error."""
        place = f"/servers/{quote(server_name, safe='')}" if server_name else "/server"
        status, _ = await self._stops.ask("DELETE", _user_path(user) + place)
        _expect(status, 202, 204, 404)

    async def delete_user(self, user: str) -> bool:
        """Have the hub forget a person: sessions, tokens, choices; False if it has.

        It is no renaming: the scope for that would also read everybody's tokens.
        """
        status, _ = await self._asker.ask("DELETE", _user_path(user))
        _expect(status, 204, 404)
        return status == 204

    async def close(self) -> None:
        """Let connections go."""
        await self._asker.close()
        await self._rechecks.close()
        await self._stops.close()

    async def _page(self, offset: int) -> _Page:
        query = f"?state=active&limit={PAGE}&offset={offset}"
        body = await self._get(f"/users{query}", accept=PAGINATION)
        return _parse(_Page, body)

    async def _get(self, path: str, *, accept: str = "application/json") -> bytes:
        status, body = await self._asker.ask("GET", path, accept=accept)
        _expect(status, 200)
        return body


def _add(found: Live, person: HubPerson) -> None:
    found.groups[person.name] = person.groups
    for server in person.servers.values():
        found.servers[person.name, server.name] = server


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
