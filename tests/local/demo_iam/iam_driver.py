"""Drives a demo IAM as a person's browser, a client and an operator do."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import secrets
import ssl
import subprocess
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import jwt
from waiting import wait_until

import jupyterhub_af.local
from jupyterhub_af.local.demo_iam import DEMO_ACCOUNTS, DemoIAM

CALLBACK = "http://127.0.0.1:8000/hub/oauth_callback"
SCOPE = "openid profile email offline_access"
NODE_FOLDER = Path(jupyterhub_af.local.__file__).parent / "node"
STUDENT_GROUPS = ["hackathon", "hackathon/students", "hackathon/gw"]
UNCHANGED: dict[str, Any] = {"suspended": False, "aup_signed": True, "claims": {}}
CLIENT: dict[str, Any] = {
    "suspended": False,
    "rotate_refresh_tokens": True,
    "clear_access_tokens": False,
    "access_token_seconds": 3600,
}
SENDS_FORMS = {"content-type": "application/x-www-form-urlencoded"}


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Made once: a client would read every certificate of the system again."""
    return ssl.create_default_context()


def new_browser() -> httpx.Client:
    return httpx.Client(verify=tls_context(), timeout=30)


class FormReader(HTMLParser):
    """Reads the forms, the links' texts and the problem of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.links: dict[str, str] = {}
        self.problem = ""
        self._href: str | None = None
        self._in_problem = False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "form":
            self.forms.append({**values, "fields": {}})
        elif tag == "input":
            self.forms[-1]["fields"][values["name"]] = values.get("value", "")
        elif tag == "a":
            self._href = values["href"]
        self._in_problem = values.get("role") == "alert"

    def handle_data(self, data):
        if self._href:
            self.links[data] = self._href
            self._href = None
        if self._in_problem:
            self.problem += data


@dataclass
class Tokens:
    """What one login gave: the answer of the token endpoint, and the pages seen."""

    answer: dict[str, Any]
    nonce: str
    headings: list[str]

    @property
    def refresh_token(self) -> str:
        return self.answer["refresh_token"]


@dataclass
class RunningIAM:
    """A demo IAM that runs, and the hands to drive it."""

    iam: DemoIAM
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    changed: list[str] = field(default_factory=list)
    http: httpx.Client = field(default_factory=new_browser)

    def start(self) -> None:
        ready = self.log.read_bytes().count(b"ready")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(lambda: self.log.read_bytes().count(b"ready") > ready, what="ready")

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(60)
        self.process = None
        return code

    @property
    def secret(self) -> str:
        return self.iam.client_secret_file.read_text().strip()

    @property
    def control_token(self) -> str:
        return self.iam.control_token_file.read_text().strip()

    def at(self, path: str) -> str:
        return urljoin(self.iam.url, path)

    def password(self, username: str) -> str:
        return next(a.password for a in self.iam.accounts if a.username == username)

    def sub(self, username: str) -> str:
        accounts = json.loads((self.iam.state_dir / "accounts.json").read_text())
        return next(a["sub"] for a in accounts if a["username"] == username)

    def control(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.control_token}"}
        url = urljoin(self.iam.control_url, path)
        self.changed.append(path)
        return self.http.request(method, url, json=body, headers=headers)

    def change(self, username: str, **keys: Any) -> None:
        answer = self.control("PUT", f"accounts/{username}", keys)
        assert answer.status_code == 200, answer.text

    def restore(self) -> None:
        """Put back what the control API changed since the last time."""
        changed = "".join(self.changed)
        self.changed.clear()
        if "outage" in changed:
            self.control("POST", "outage", {"seconds": 0})
        if "client" in changed:
            self.control("PUT", "client", CLIENT)
        for account in DEMO_ACCOUNTS:
            if account.username in changed:
                groups = list(account.groups)
                self.change(account.username, groups=groups, **UNCHANGED)
        self.changed.clear()

    def token(self, **form: str) -> httpx.Response:
        auth = (self.iam.client_id, self.secret)
        return self.http.post(self.at("token"), data=form, auth=auth)

    def refresh(self, refresh_token: str) -> httpx.Response:
        return self.token(grant_type="refresh_token", refresh_token=refresh_token)

    def userinfo(self, access_token: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {access_token}"}
        return self.http.get(self.at("userinfo"), headers=headers)

    def introspect(self, token: str) -> dict[str, Any]:
        auth = (self.iam.client_id, self.secret)
        url = self.at("introspect")
        return self.http.post(url, data={"token": token}, auth=auth).json()

    def verify(self, token: str, **options: Any) -> dict[str, Any]:
        keys = {key["kid"]: key for key in self.http.get(self.at("jwk")).json()["keys"]}
        header = jwt.get_unverified_header(token)
        key = jwt.PyJWK(keys[header["kid"]])
        return jwt.decode(token, key, algorithms=["RS256", "ES256"], **options)

    def id_claims(self, answer: dict[str, Any]) -> dict[str, Any]:
        return self.verify(
            answer["id_token"], audience=self.iam.client_id, issuer=self.iam.issuer
        )

    def sign_in(
        self,
        username: str,
        *,
        scope: str = SCOPE,
    ) -> Tokens:
        """Go through every page until the code comes back, and exchange it."""
        with new_browser() as client:
            request = AuthorizationRequest(scope)
            answer, headings = self.walk(client, request, username)
        code = parse_qs(urlsplit(answer).query)["code"][0]
        tokens = self.token(
            grant_type="authorization_code",
            code=code,
            redirect_uri=CALLBACK,
            code_verifier=request.verifier,
        )
        assert tokens.status_code == 200, tokens.text
        return Tokens(tokens.json(), request.nonce, headings)

    def walk(
        self, client: httpx.Client, request: AuthorizationRequest, username: str
    ) -> tuple[str, list[str]]:
        """Send the first form of each page; give where it ends and the headings."""
        headings = []
        response = client.get(self.at("authorize"), params=request.params(self.iam))
        for _ in range(12):
            location = response.headers.get("location", "")
            if location.startswith(CALLBACK):
                return location, headings
            if location:
                response = client.get(urljoin(str(response.url), location))
                continue
            assert response.status_code == 200, response.text
            headings.append(response.text.split("<h1>")[1].split("</h1>")[0])
            response = self.send_first_form(client, response, username)
        raise AssertionError(headings)

    def send_first_form(
        self, client: httpx.Client, page: httpx.Response, username: str, **fields: str
    ) -> httpx.Response:
        form = FormReader(page.text).forms[0]
        assert form["method"] == "post"
        values = form["fields"]
        if "login" in values:
            values |= {"login": username, "password": self.password(username)} | fields
        url = urljoin(str(page.url), form["action"])
        return client.post(url, data=values, headers=SENDS_FORMS)


class AuthorizationRequest:
    """One authorization request of a client that uses PKCE."""

    def __init__(self, scope: str = SCOPE) -> None:
        self.scope = scope
        self.verifier = secrets.token_urlsafe(48)
        self.nonce = secrets.token_urlsafe(12)

    def params(self, iam: DemoIAM) -> dict[str, str]:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return {
            "response_type": "code",
            "client_id": iam.client_id,
            "redirect_uri": CALLBACK,
            "scope": self.scope,
            "state": "state-of-the-client",
            "nonce": self.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }


def open_login_page(running: RunningIAM, client: httpx.Client) -> httpx.Response:
    params = AuthorizationRequest().params(running.iam)
    response = client.get(running.at("authorize"), params=params)
    return client.get(urljoin(str(response.url), response.headers["location"]))
