"""What runs in the hubs that ``login`` measures, beside JupyterHub itself."""

from __future__ import annotations

from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jupyterhub.proxy import Proxy
from oauthenticator.generic import GenericOAuthenticator
from traitlets import Unicode


class NoProxy(Proxy):
    """Route nothing: the benchmark talks to the hub itself."""

    should_start = False

    async def add_route(
        self, routespec: str, target: str, data: dict[str, Any]
    ) -> None:
        """Do nothing."""

    async def delete_route(self, routespec: str) -> None:
        """Do nothing."""

    async def get_all_routes(self) -> dict[str, Any]:
        return {}


@cache
def load_key(pem: str) -> Any:
    """Return the key, read once, as ours is."""
    return load_pem_public_key(pem.encode())


class SignedGenericOAuthenticator(GenericOAuthenticator):
    """GenericOAuthenticator, with one check of the ID token's signature."""

    public_key = Unicode(config=True, help="The IAM's key, as PEM.")
    issuer = Unicode(config=True, help="The IAM's address.")

    def build_access_tokens_request_params(
        self, handler: Any, data: Any = None
    ) -> dict[str, Any]:
        params: dict[str, Any] = super().build_access_tokens_request_params(
            handler, data
        )
        # "None" as a text; the tests' IAM refuses a parameter it does not know
        del params["data"]
        return params

    async def get_token_info(
        self, handler: Any, params: dict[str, Any]
    ) -> dict[str, Any]:
        found: dict[str, Any] = await super().get_token_info(handler, params)
        jwt.decode(
            found["id_token"],
            load_key(self.public_key),
            algorithms=["RS256"],
            audience=self.client_id,
            issuer=self.issuer,
        )
        return found
