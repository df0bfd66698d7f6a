"""An IAM and a service register that speak at the wire, and can misbehave on request.

Both refuse what they do not know, and remember it: a test ends with ``strangers == []``.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CLIENT_ID = "the-hub"
CLIENT_SECRET = "the-hubs-secret-0123456789"
Json = dict[str, Any]


@functools.cache
def rsa_key(name: str = "rsa1", bits: int = 2048) -> rsa.RSAPrivateKey:
    """Made once for each name: they cost a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@functools.cache
def ec_key(name: str = "ec1") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def to_jwk(key: Any, kid: str | None, **more: Any) -> Json:
    public = key.public_key()
    algorithm: Any = (
        jwt.algorithms.RSAAlgorithm
        if isinstance(public, rsa.RSAPublicKey)
        else jwt.algorithms.ECAlgorithm
    )
    jwk = json.loads(algorithm.to_jwk(public))
    jwk.pop("key_ops", None)
    return {**jwk, **({} if kid is None else {"kid": kid}), **more}


def pack(value: Any) -> str:
    """Return JSON, or bytes as they are, as one part of a token."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def sign(claims: Any, key: Any, header: Json) -> str:
    """Sign by hand, so that a token may be wrong in any way."""
    body = f"{pack(header)}.{pack(claims)}"
    name = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
    algorithm = jwt.algorithms.get_default_algorithms()[name]
    return f"{body}.{pack(algorithm.sign(body.encode(), key))}"


@dataclass
class FakeAccount:
    sub: str
    claims: Json
    userinfo: Json = field(default_factory=dict)


class FakeIAM:
    """One IAM with one client; who logs in is ``person``."""

    def __init__(self) -> None:
        self.url = ""
        self.person = FakeAccount("sub-1", {})
        self.keys = {"rsa1": rsa_key("rsa1")}
        self.kid = "rsa1"
        self.change_claims: Callable[[Json], Any] = lambda claims: claims
        self.change_token: Callable[[str], Any] = lambda token: token
        self.change_answer: Callable[[Json], Any] = lambda answer: answer
        self.change_discovery: Callable[[Json], Any] = lambda document: document
        self.status: dict[str, tuple[int, str]] = {}
        self.calls: list[str] = []
        self.authorize_queries: list[dict[str, str]] = []
        self.strangers: list[str] = []
        self.secrets: list[str] = [CLIENT_SECRET]
        self._codes: dict[str, Json] = {}
        self._access_tokens: set[str] = set()

    def forget_codes(self) -> None:
        self._codes.clear()

    @property
    def issuer(self) -> str:
        return f"{self.url}/"

    @asynccontextmanager
    async def running(self, port: int = 0):
        app = web.Application(client_max_size=1024**2)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.calls.append(request.path)
        if request.path in self.status:
            status, text = self.status[request.path]
            return web.Response(
                status=status, text=text, headers={"Location": "/elsewhere"}
            )
        answer = {
            "/.well-known/openid-configuration": self._discovery,
            "/authorize": self._authorize,
            "/token": self._token,
            "/userinfo": self._userinfo,
            "/jwk": self._jwk,
        }.get(request.path)
        if answer is None:
            self.strangers.append(request.path)
            return web.Response(status=404)
        return await answer(request)

    async def _discovery(self, request: web.Request) -> web.Response:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwk",
            "introspection_endpoint": f"{self.url}/introspect",
            "id_token_signing_alg_values_supported": ["none", "HS256", "RS256"],
        }
        return web.json_response(self.change_discovery(document))

    async def _jwk(self, request: web.Request) -> web.Response:
        keys = [to_jwk(key, kid) for kid, key in self.keys.items()]
        return web.json_response({"keys": keys})

    async def _authorize(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.authorize_queries.append(query)
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert len(query["code_challenge"]) == 43
        assert query["state"]
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        self.secrets += [code]
        back = urlencode({"code": code, "state": query["state"]})
        raise web.HTTPFound(f"{query['redirect_uri']}?{back}")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.secrets.append(str(form.get("code_verifier")))
        if (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        query = self._codes.pop(str(form["code"]), None)
        verifier = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        if query is None or pack(verifier) != query["code_challenge"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        assert set(form) == {
            "code",
            "grant_type",
            "redirect_uri",
            "code_verifier",
            "client_id",
            "client_secret",
        }
        assert form["redirect_uri"] == query["redirect_uri"]
        return web.json_response(self.change_answer(self._tokens(query)))

    def _tokens(self, query: dict[str, str]) -> Json:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.person.sub,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 600,
            **({"nonce": query["nonce"]} if "nonce" in query else {}),
            **self.person.claims,
        }
        header = {"alg": "RS256", "kid": self.kid}
        id_token = sign(self.change_claims(claims), self.keys[self.kid], header)
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._access_tokens.add(access)
        self.secrets += [access, refresh, id_token, id_token.split(".")[1][:60]]
        return {
            "access_token": access,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": 3599,
            "scope": query["scope"],
            "id_token": self.change_token(id_token),
        }

    async def _userinfo(self, request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._access_tokens:
            return web.Response(status=401)
        return web.json_response({"sub": self.person.sub, **self.person.userinfo})


class FakeService:
    """The register of accounts on a Unix socket; ``refuse`` makes it say no."""

    def __init__(self, folder: Path) -> None:
        self.url = f"unix:{folder}/service.sock"
        self.secret_file = folder / "service.secret"
        self.secret_file.write_text("between-hub-and-service\n")
        self.secret_file.chmod(0o600)
        self.accounts: dict[tuple[str, str], Json] = {}
        self.requests: list[Json] = []
        self.events: list[Json] = []
        self.refuse: tuple[int, Json] | None = None
        # paths that do not answer for a while, and what the agent's part says
        self.away: set[str] = set()
        self.refuse_ensure: tuple[int, Json] | None = None
        self.rename: Callable[[str], str] = str.lower
        self.strangers: list[str] = []

    @asynccontextmanager
    async def running(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.UnixSite(runner, self.url.removeprefix("unix:")).start()
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        secret = self.secret_file.read_text().strip()
        if request.headers.get("Authorization") != f"Bearer {secret}":
            refusal = {"message": "Wrong secret.", "rule": "secret"}
            return web.json_response(refusal, status=401)
        body = await request.json()
        if request.path in self.away:
            return web.Response(status=503)
        if (request.method, request.path) == ("POST", "/internal/audit"):
            self.events.append(body)
            return web.Response(status=204)
        if request.path in ("/internal/ids", "/internal/plans", "/internal/servers"):
            return self._start(request.path, body)
        if request.path in ("/ensure", "/usage"):
            return self._agent(request.path)
        if (request.method, request.path) == ("POST", "/internal/accounts"):
            return self._account(body)
        self.strangers.append(request.path)
        return web.json_response({"message": "?", "rule": "path"}, status=404)

    def _start(self, path: str, body: Json) -> web.Response:
        """Answer the hub about a start."""
        if path != "/internal/ids":
            return web.Response(status=204)
        gids = {group: 2000001 + n for n, group in enumerate(body["groups"])}
        return web.json_response({"uid": 1000001, "gid": 1000001, "gids": gids})

    def _agent(self, path: str) -> web.Response:
        """Answer as the storage agent does."""
        if path == "/ensure" and self.refuse_ensure:
            return web.json_response(
                self.refuse_ensure[1], status=self.refuse_ensure[0]
            )
        if path == "/ensure":
            return web.json_response({"made": [], "mended": []})
        return web.json_response({"usages": [], "free_bytes": 10**12})

    def _account(self, body: Json) -> web.Response:
        self.requests.append(body)
        if self.refuse:
            return web.json_response(self.refuse[1], status=self.refuse[0])
        number = 1000001 + len(self.accounts)
        name = self.rename(body["preferred_username"])
        account = self.accounts.setdefault(
            (body["issuer"], body["subject"]),
            {"name": name, "uid": number, "gid": number},
        )
        return web.json_response(account)
