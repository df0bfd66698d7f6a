"""The tests' IAM as a process of its own, until its standard input ends.

It prints its address, and the public key it signs with, as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from cryptography.hazmat.primitives import serialization

from .harness import ROOT

sys.path.insert(0, str(ROOT / "tests" / "hub"))
from fake_iam import FakeAccount, FakeIAM


def person(groups: int) -> FakeAccount:
    """Return somebody with that many groups, the same in ID token and userinfo."""
    names = [
        "experiment",
        *(f"experiment/team-{number:02}" for number in range(groups - 1)),
    ]
    claims = {"preferred_username": "person1", "groups": names}
    return FakeAccount("subject-1", claims, userinfo=claims)


async def main() -> None:
    iam = FakeIAM()
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
        await asyncio.to_thread(sys.stdin.read)
        assert iam.strangers == [], iam.strangers


if __name__ == "__main__":
    asyncio.run(main())
