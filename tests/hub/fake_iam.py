"""An IAM that speaks at the wire, and can misbehave on request.

It refuses what it does not know, and remembers it: a test ends with ``strangers == []``.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CLIENT_ID = "the-hub"
CLIENT_SECRET = "the-hubs-secret-0123456789"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
Json = dict[str, Any]
DEAD_TOKEN = {
    "error": "invalid_token",
    "error_description": "Invalid refresh token: token not found",
}


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
        # how refresh grants are answered: what is asked for, and what goes wrong
        self.grants: list[Json] = []
        self.rotates = True
        self.clears_tokens = False
        self.brings_id_token = True
        self.lives = 3599
        self.refuse_grant: tuple[int, Json] | None = None
        self.hanging: dict[str, asyncio.Event] = {}
        self.is_hanging = asyncio.Event()
        self.may_exchange = False
        self._codes: dict[str, Json] = {}
        self._access_tokens: dict[str, FakeAccount] = {}
        self._refresh_tokens: dict[str, tuple[FakeAccount, str]] = {}

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
        if request.path in self.hanging:
            self.is_hanging.set()
            await self.hanging[request.path].wait()
        if request.path in self.status:
            status, text = self.status[request.path]
            return web.Response(
                status=status, text=text, headers={"Location": "/elsewhere"}
            )
        answer = {
            "/.well-known/openid-configuration": self._discovery,
            "/authorize": self._authorize,
            "/token": self._token,
            "/introspect": self._introspect,
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
            "grant_types_supported": ["authorization_code", "refresh_token", EXCHANGE],
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
        if form["grant_type"] != "authorization_code":
            return self._renew({key: str(value) for key, value in form.items()})
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
        return web.json_response(self.change_answer(self._tokens(query, self.person)))

    def _renew(self, form: dict[str, str]) -> web.Response:
        """Answer a refresh grant, or a token exchange."""
        self.grants.append(form)
        if form["grant_type"] == EXCHANGE:
            return self._exchange(form)
        assert form["grant_type"] == "refresh_token"
        if self.refuse_grant:
            return web.json_response(self.refuse_grant[1], status=self.refuse_grant[0])
        found = self._refresh_tokens.get(form["refresh_token"])
        if found is None:
            # as INDIGO IAM does, and not by the standard
            return web.json_response(DEAD_TOKEN, status=401)
        person, scope = found
        if self.clears_tokens:
            self._access_tokens.clear()
        if self.rotates:
            del self._refresh_tokens[form["refresh_token"]]
        tokens = self._tokens({"scope": scope, **form}, person, scope)
        if not self.rotates:
            self._refresh_tokens.pop(tokens["refresh_token"])
            tokens["refresh_token"] = form["refresh_token"]
        if not self.brings_id_token:
            del tokens["id_token"]
        return web.json_response(self.change_answer(tokens))

    def _exchange(self, form: dict[str, str]) -> web.Response:
        person = self._access_tokens.get(form["subject_token"])
        if not self.may_exchange or person is None:
            return web.json_response({"error": "unauthorized_client"}, status=401)
        access = self._access_token(form.get("audience"))
        self._access_tokens[access] = person
        self.secrets.append(access)
        narrow = {"access_token": access, "token_type": "Bearer", "expires_in": 600}
        return web.json_response(self.change_answer({**narrow, "scope": form["scope"]}))

    async def _introspect(self, request: web.Request) -> web.Response:
        form = await request.post()
        if (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        person = self._access_tokens.get(str(form["token"]))
        if person is None:
            return web.json_response({"active": False})
        return web.json_response({"active": True, "sub": person.sub, **person.claims})

    def forget_access_tokens(self) -> None:
        self._access_tokens.clear()

    def revoke(self) -> None:
        """Forget every refresh token."""
        self._refresh_tokens.clear()

    def refreshes(self) -> int:
        """Return how many refresh grants were asked for."""
        return sum(form["grant_type"] == "refresh_token" for form in self.grants)

    def _access_token(self, audience: str | None) -> str:
        """Return a new token; it can be read where it is for one audience."""
        if not audience:
            return secrets.token_urlsafe(24)
        claims = {"aud": audience, "jti": secrets.token_urlsafe(24)}
        header = {"alg": "RS256", "kid": self.kid}
        return sign(claims, self.keys[self.kid], header)

    def _tokens(
        self, query: dict[str, str], person: FakeAccount, scope: str = ""
    ) -> Json:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": person.sub,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 600,
            **({"nonce": query["nonce"]} if "nonce" in query else {}),
            **person.claims,
        }
        header = {"alg": "RS256", "kid": self.kid}
        id_token = sign(self.change_claims(claims), self.keys[self.kid], header)
        access = self._access_token(query.get("audience"))
        refresh = secrets.token_urlsafe(24)
        self._access_tokens[access] = person
        self._refresh_tokens[refresh] = (person, scope or query["scope"])
        self.secrets += [access, refresh, id_token, id_token.split(".")[1][:60]]
        return {
            "access_token": access,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": self.lives,
            "scope": query["scope"],
            "id_token": self.change_token(id_token),
        }

    async def _userinfo(self, request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._access_tokens:
            return web.Response(status=401)
        person = self._access_tokens[token]
        return web.json_response({"sub": person.sub, **person.userinfo})
