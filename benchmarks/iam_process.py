"""The tests' IAM as a process of its own, until its standard input ends.

It prints its address, and the public key it signs with, as one line of JSON; then it
answers each line of its input with how often each path was asked.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import Any

from cryptography.hazmat.primitives import serialization

from .harness import ROOT

sys.path.insert(0, str(ROOT / "tests" / "hub"))
from fake_iam import FakeAccount, FakeIAM

PATHS = ("/.well-known/openid-configuration", "/token", "/userinfo", "/jwk")


def person(groups: int, number: int = 1) -> FakeAccount:
    """Return somebody with that many groups, the same in ID token and userinfo."""
    names = [
        "experiment",
        *(f"experiment/team-{team:02}" for team in range(groups - 1)),
    ]
    claims = {"preferred_username": f"person{number}", "groups": names}
    return FakeAccount(f"subject-{number}", claims, userinfo=claims)


class ExpiringIAM(FakeIAM):
    """An IAM that knows an access token only as long as it lives."""

    def _tokens(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        tokens: dict[str, Any] = super()._tokens(*arguments, **named)
        forget = self._access_tokens.pop
        loop = asyncio.get_running_loop()
        loop.call_later(self.lives, forget, tokens["access_token"], None)
        return tokens


def obey(iam: FakeIAM, order: str) -> object:
    """Do what a line says; return the answer.

    ``counts``: the calls so far, by path. ``person N``: whoever logs in from now on.
    ``lives S``: access tokens, from now on. ``hang``, ``answer``: no answer to anything, and answers again.
    """
    word, _, rest = order.partition(" ")
    if word == "person":
        iam.person = person(int(sys.argv[1]), int(rest))
    elif word == "lives":
        iam.lives = int(rest)
    elif word == "hang":
        iam.hanging.update({path: asyncio.Event() for path in PATHS})
    elif word == "answer":
        for silence in iam.hanging.values():
            silence.set()
        iam.hanging.clear()
    return Counter(iam.calls)


async def main() -> None:
    iam = ExpiringIAM()
    iam.person = person(int(sys.argv[1]))
    public = (
        iam.keys[iam.kid]
        .public_key()
        .public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    async with iam.running():
        print(json.dumps({"issuer": iam.issuer, "key": public.decode()}), flush=True)
        while order := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(obey(iam, order.strip())), flush=True)
        assert iam.strangers == [], iam.strangers


if __name__ == "__main__":
    asyncio.run(main())
