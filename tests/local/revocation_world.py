"""Seven ways into a facility, watched while somebody's membership ends at the IAM.

Each way answers with a word: ``open``, ``login`` (the browser is sent to log in) or
``refused``. A way that answers in none of these fails the test with what it said.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from facility_world import Person, RunningFacility, descendants, running_facility

RECHECK_SECONDS = 5
# what a busy machine may add to a bound
SLACK_SECONDS = 25
FACILITY = """version: 1
name: A facility with an end
contact: support@example.org
iam:
  issuer: https://iam-demo.cloud.cnaf.infn.it/
  recheck_seconds: {recheck}
  grace_seconds: {grace}
  courtesy_seconds: {courtesy}
access:
  allowed_groups: [hackathon, cygno]
  admin_groups: [facility/admins]
profiles:
  - slug: dodas-v5
    display_name: DODAS V5
    image: registry.example.org/af/dodas:5
    default: true
    sizes:
      - {{slug: small, cores: 0.5, memory: 1G, default: true}}
    dask: standard
  - slug: cygno
    display_name: Cygno
    allowed_groups: [cygno]
    image: registry.example.org/af/dodas:5
    sizes:
      - {{slug: small, cores: 0.5, memory: 1G, default: true}}
    dask: standard
storage:
  - {{name: private, kind: private, claim: af-areas}}
dask:
  standard:
    max_clusters: 1
    worker_cores: [1, 1]
    worker_memory: [1G, 1G]
    user_cores: 2
    user_memory: 4G
    idle_timeout: 30m
"""
TOO_LARGE = {"cluster_options": {"worker_cores": 99}}


@contextmanager
def facility_with_bounds(
    folder: Path, *, profile: str = "iam", courtesy: int = 6, grace: int = 3600
) -> Iterator[RunningFacility]:
    """Run a facility that looks at membership every few seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    file = folder / "facility.yaml"
    file.write_text(
        FACILITY.format(recheck=RECHECK_SECONDS, courtesy=courtesy, grace=grace)
    )
    arguments = ("--facility", str(file), "--iam-profile", profile)
    with running_facility(folder / "data", *arguments) as running:
        yield running


def set_groups(facility: RunningFacility, name: str, groups: list[str]) -> None:
    change(facility, f"accounts/{name}", groups=groups)


def change(facility: RunningFacility, path: str, **keys: Any) -> None:
    answer = facility.control("PUT", path, keys)
    assert answer.status_code == 200, answer.text


def counts(facility: RunningFacility) -> dict[str, Any]:
    """Return how often the IAM was asked."""
    return dict(facility.control("GET", "counts").json())


def server_environment(facility: RunningFacility, name: str) -> dict[str, str]:
    """Return the environment of a person's server, as root sees it."""
    mark = f"JUPYTERHUB_SERVICE_PREFIX=/user/{name}/".encode()
    for pid in descendants(facility.pids()["hub"]):
        with suppress(OSError):
            pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if mark in pairs:
                found = (pair.decode().partition("=") for pair in pairs if pair)
                return {key: value for key, _, value in found}
    raise AssertionError(f"no server of {name}")


@dataclass
class Watched:
    """Somebody with a server, and everything that opened a door before."""

    person: Person
    environment: dict[str, str]
    token: str = field(repr=False)
    unseen_token: str = field(repr=False)
    oauth_token: str = field(repr=False)

    @property
    def name(self) -> str:
        return self.person.username

    def ask(self, url: str, token: str) -> httpx.Response:
        headers = {"Authorization": f"token {token}"}
        return httpx.get(url, headers=headers, timeout=30)

    # the columns

    def page(self) -> str:
        answer = self.person.http.get(
            self.person.at("hub/home"), follow_redirects=False
        )
        return word_of(answer, self)

    def page_api(self) -> str:
        # no page is asked for a new token against forged requests
        headers = {"X-XSRFToken": self.person.xsrf(), "Referer": self.person.at("hub/")}
        url = self.person.at(f"hub/api/users/{self.name}")
        return word_of(self.person.http.get(url, headers=headers), self)

    def user_token(self) -> str:
        return word_of(self.ask(self.person.at("hub/api/user"), self.token), self)

    def lab_token(self) -> str:
        return word_of(self.ask(self.person.at("hub/api/user"), self.oauth_token), self)

    def server_with_old_credential(self) -> str:
        url = self.person.at(f"user/{self.name}/api/status")
        return word_of(self.ask(url, self.token), self)

    def server_with_new_credential(self) -> str:
        url = self.person.at(f"user/{self.name}/api/status")
        return word_of(self.ask(url, self.unseen_token), self)

    def gateway(self) -> str:
        """Ask for a cluster that is too large: who hears that is let in."""
        token = self.environment["JUPYTERHUB_API_TOKEN"]
        answer = httpx.post(
            f"{self.environment['DASK_GATEWAY__ADDRESS']}/api/v1/clusters/",
            headers={"Authorization": f"jupyterhub {token}"},
            json=TOO_LARGE,
            timeout=30,
        )
        words = str(answer.json()["error"])
        assert words.endswith("."), words
        assert "Traceback" not in words
        return "open" if words.startswith("worker_cores is 99") else "refused"

    def look(self) -> dict[str, str]:
        return {name: ask(self) for name, ask in COLUMNS.items()}

    def has_server(self) -> bool:
        """Tell whether the server's processes still run."""
        try:
            server_environment(self.person.facility, self.name)
        except AssertionError:
            return False
        return True


COLUMNS: dict[str, Callable[[Watched], str]] = {
    "page": Watched.page,
    "page API": Watched.page_api,
    "user token": Watched.user_token,
    "OAuth token": Watched.lab_token,
    "server": Watched.server_with_old_credential,
    "server, new": Watched.server_with_new_credential,
    "gateway": Watched.gateway,
}


def word_of(answer: httpx.Response, watched: Watched) -> str:
    """Return what an answer comes down to; never is it an error of the facility's."""
    assert "Traceback" not in answer.text
    if answer.status_code == 302:
        location = answer.headers["Location"]
        is_login = "/hub/login" in location or "/oauth2/authorize" in location
        assert is_login, location
        return "login"
    assert answer.status_code in (200, 401, 403), (answer.status_code, answer.text)
    return "open" if answer.status_code == 200 else "refused"


def watch(facility: RunningFacility, name: str, **options: str) -> Watched:
    """Log somebody in, start their server, and open every door once."""
    person = facility.person(name)
    person.log_in()
    person.start(**options)
    environment = server_environment(facility, name)
    # the browser's own session in the server
    person.http.get(person.at(f"user/{name}/api/status"))
    watched = Watched(
        person,
        environment,
        person.make_token(),
        person.make_token(),
        oauth_token_of(person, environment),
    )
    # the server has seen one token, and the gateway the server's
    assert watched.server_with_old_credential() == watched.gateway() == "open"
    return watched


def oauth_token_of(person: Person, environment: dict[str, str]) -> str:
    """Return a token as the Lab's: from the hub, by the browser's login, for its server."""
    client = environment["JUPYTERHUB_CLIENT_ID"]
    callback = environment["JUPYTERHUB_OAUTH_CALLBACK_URL"]
    answer = person.http.get(
        person.at("hub/api/oauth2/authorize"),
        params={
            "client_id": client,
            "redirect_uri": callback,
            "response_type": "code",
            "state": "of-the-test",
        },
        follow_redirects=False,
    )
    assert answer.status_code == 302, answer.text
    code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    given = httpx.post(
        f"{environment['JUPYTERHUB_API_URL']}/oauth2/token",
        data={
            "client_id": client,
            "client_secret": environment["JUPYTERHUB_API_TOKEN"],
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback,
        },
        timeout=30,
    )
    assert given.status_code == 200, given.text
    return str(json.loads(given.text)["access_token"])
