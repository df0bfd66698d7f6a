"""A facility with something to withhold of everything, and every way to ask for a start."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import httpx
from facility_world import Person, RunningFacility
from mutations import Mutation

FACILITY = r"""version: 1
name: A facility with doors
contact: support@example.org
iam:
  issuer: https://iam-demo.cloud.cnaf.infn.it/
access:
  allowed_groups: [hackathon, cygno, ml-infn]
  admin_groups: [facility/admins]
profiles:
  - slug: dodas-v5
    display_name: DODAS V5
    image: registry.example.org/af/dodas:5
    default: true
    sizes:
      - {slug: small, cores: 1, memory: 2G, default: true}
      - {slug: large, cores: 2, memory: 4G, allowed_groups: [cygno]}
  - slug: lab
    display_name: Laboratory
    image: registry.example.org/af/dodas:5
    sizes:
      - {slug: tiny, cores: 0.5, memory: 1G, default: true}
      - {slug: wide, cores: 2, memory: 1G}
    gpus:
      - {slug: none, default: true}
      - {slug: slice, resource: nvidia.com/mig-1g.5gb, count: 1}
      - {slug: whole, resource: nvidia.com/gpu, count: 1, allowed_groups: [ml-infn]}
  - slug: gw
    display_name: Gravitational waves
    allowed_groups: [hackathon/gw]
    image: registry.example.org/af/dodas:5
    sizes:
      - {slug: small, cores: 1, memory: 1G, default: true}
      - {slug: large, cores: 1, memory: 2G}
  - slug: cygno
    allowed_groups: [cygno]
    hidden: true
    image: registry.example.org/af/dodas:5
  - slug: ml-infn
    allowed_groups: [ml-infn]
    image: registry.example.org/af/dodas:5
  - slug: own-image
    allowed_groups: [cygno]
    image_pattern: 'registry\.example\.org/users/[a-z0-9._/-]+:[A-Za-z0-9._-]+'
storage:
  - {name: private, kind: private, claim: af-areas, quota: 20G}
"""
CLOSED = {"profile": "ml-infn"}
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
_PYTHON = re.compile(
    r"Traceback|\b\w+Error\b|<class |<function |object at 0x|\bb'|\bdict\(|NoneType"
)


def words_of(answer: httpx.Response) -> str:
    """Return the sentence of a refusal, from the page or from the API."""
    if "json" in answer.headers.get("content-type", ""):
        return str(answer.json()["message"])
    found = re.search(r'<p\b[^>]*role="alert"[^>]*>(.*?)</p>', answer.text, re.DOTALL)
    assert found, f"no words on the page: {answer.text[:3000]}"
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", found[1])).split())


def assert_refused(answer: httpx.Response) -> str:
    """Assert that an answer refuses in a sentence; return it."""
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text[-2000:])
    words = words_of(answer)
    assert words.endswith("."), words
    assert " " in words, words
    assert not _PYTHON.search(words), words
    assert "Traceback" not in answer.text
    return words


@dataclass
class DoorWorld:
    """A student, an administrator, and what both have at hand."""

    facility: RunningFacility
    _trace: tuple[Any, ...] | None = None

    @cached_property
    def student(self) -> Person:
        """Return somebody of the group hackathon."""
        person = self.facility.person("student2")
        person.log_in()
        return person

    @cached_property
    def admin(self) -> Person:
        """Return an administrator, who is in no group that opens a profile."""
        person = self.facility.person("admin1")
        person.log_in()
        return person

    @cached_property
    def token(self) -> str:
        """Return a token of the student's."""
        return self.student.make_token()

    @cached_property
    def has_patch(self) -> bool:
        """Tell whether this hub lets people change stored options."""
        path = self.student.server_path()
        return self.student.api("PATCH", path, json={}).status_code != 405

    def trace(self) -> tuple[Any, ...]:
        """Return everything that a start would change."""
        model = self.student.api("GET", "users/student2").json()
        plans = {at: plan["start_id"] for at, plan in self.facility.plans().items()}
        self._trace = (sorted(model["servers"]), plans, self.facility.sandboxes())
        return self._trace

    def last_trace(self) -> tuple[Any, ...]:
        """Return the trace of before: the last one, unless something started since."""
        return self._trace or self.trace()

    def forget_trace(self) -> None:
        """Let the next trace be a new one: something was started on purpose."""
        self._trace = None

    def keep(self, options: Any) -> None:
        """Make the hub keep options as those of last time, by asking for them in vain."""
        path = self.student.server_path()
        answer = self.student.api("POST", path, json={"user_options": options})
        assert 400 <= answer.status_code < 500, answer.text


@dataclass(frozen=True)
class Door:
    """One way to ask for a start."""

    says: str
    send: Callable[[DoorWorld, Mutation], httpx.Response]
    is_form: bool = False
    server: str = ""


def _post_form(person: Person, path: str, mutation: Mutation) -> httpx.Response:
    url, params = person.at(path), {"_xsrf": person.xsrf()}
    if mutation.files:
        return person.http.post(
            url, params=params, files=mutation.files, follow_redirects=False
        )
    return person.http.post(
        url,
        params=params,
        content=_encode(mutation),
        headers=FORM_TYPE,
        follow_redirects=False,
    )


def _encode(mutation: Mutation, prefix: str = "") -> str:
    pairs = [(f"{prefix}{key}", value) for key, value in mutation.pairs()]
    return urlencode(pairs, errors="surrogateescape")


def _get(prefix: str) -> Callable[[DoorWorld, Mutation], httpx.Response]:
    def send(world: DoorWorld, mutation: Mutation) -> httpx.Response:
        query = _encode(mutation, prefix)
        url = world.student.at(f"hub/spawn?{query}")
        return world.student.http.get(url, follow_redirects=False)

    return send


def _body(mutation: Mutation, *, wrapped: bool) -> bytes:
    if mutation.body is not None:
        return mutation.body
    options = mutation.options
    return json.dumps({"user_options": options} if wrapped else options).encode()


def _call(
    person: Person, method: str, path: str, mutation: Mutation, *, wrapped: bool = True
) -> httpx.Response:
    headers = {
        "X-XSRFToken": person.xsrf(),
        "Content-Type": "application/json",
        **mutation.headers,
    }
    return person.http.request(
        method,
        person.at(f"hub/api/{path}"),
        content=_body(mutation, wrapped=wrapped),
        headers=headers,
    )


def _with_token(world: DoorWorld, mutation: Mutation) -> httpx.Response:
    headers = {"Authorization": f"token {world.token}", **mutation.headers}
    with httpx.Client(timeout=30) as client:
        return client.post(
            world.student.at("hub/api/users/student2/server"),
            content=_body(mutation, wrapped=True),
            headers=headers,
        )


def _stored(world: DoorWorld, mutation: Mutation) -> httpx.Response:
    """Let the hub keep the choice if it will, then start with the choice of last time."""
    path = "users/student2/server"
    method = "PATCH" if world.has_patch else "POST"
    kept = _call(world.student, method, path, mutation)
    assert kept.status_code < 500, kept.text
    if kept.status_code >= 400:
        assert_refused(kept)
    return world.student.api("POST", path)


DOORS = (
    Door(
        "the form",
        lambda w, m: _post_form(w.student, "hub/spawn", m),
        is_form=True,
    ),
    Door("a query string", _get("")),
    Door("a query string that starts", _get("opt-"), is_form=True),
    Door(
        "the API",
        lambda w, m: _call(w.student, "POST", "users/student2/server", m),
    ),
    Door(
        "the API with a bare choice",
        lambda w, m: _call(
            w.student, "POST", "users/student2/server", m, wrapped=False
        ),
    ),
    Door("the API with a token", _with_token),
    Door("the choice of last time", _stored),
    Door(
        "the form of a named server",
        lambda w, m: _post_form(w.student, "hub/spawn/student2/second", m),
        is_form=True,
        server="second",
    ),
    Door(
        "the API of a named server",
        lambda w, m: _call(w.student, "POST", "users/student2/servers/second", m),
        server="second",
    ),
    Door(
        "an administrator's form",
        lambda w, m: _post_form(w.admin, "hub/spawn/student2/third", m),
        is_form=True,
        server="third",
    ),
    Door(
        "an administrator's API",
        lambda w, m: _call(w.admin, "POST", "users/student2/server", m),
    ),
)
