"""Hubs that look at membership again, each with an IAM of its own that counts.

A second here is a minute: the bounds of the facility file are 5 and 15 seconds in place
of 300 and 900, and JupyterHub's is 5 in place of 300.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from .harness import ROOT
from .login import FACILITY, Hub, ours, running_hub, stock

sys.path.insert(0, str(ROOT / "tests" / "service"))
from service_world import ServiceProcess, running

GROUPS = 10


@dataclass
class CountingIAM:
    """An IAM in a process of its own, which does as it is told."""

    process: subprocess.Popen[bytes]
    facts: dict[str, str]

    def tell(self, order: str) -> dict[str, int]:
        """Say a line; return how often each path was asked until now."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{order}\n".encode())
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def calls(self) -> int:
        return sum(self.tell("counts").values())


@contextmanager
def counting_iam() -> Iterator[CountingIAM]:
    command = [sys.executable, "-m", "benchmarks.iam_process", str(GROUPS)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        yield CountingIAM(process, json.loads(process.stdout.readline()))
        process.stdin.close()
        assert process.wait(20) == 0


@dataclass
class Side:
    """A hub, its IAM, and the people who have logged in."""

    name: str
    hub: Hub
    iam: CountingIAM
    cookies: list[httpx.Cookies]

    def log_in(self, count: int) -> None:
        """Let so many different people log in."""
        for number in range(1, count + 1):
            self.iam.tell(f"person {number}")
            with httpx.Client(timeout=20) as browser:
                away = browser.get(f"{self.hub.url}oauth_login")
                back = httpx.get(away.headers["Location"])
                done = browser.get(back.headers["Location"])
                assert done.status_code == 302, self.hub.log.read_text()
                self.cookies.append(browser.cookies)

    def browsers(self) -> list[httpx.AsyncClient]:
        """Return a browser for each person; they are for one event loop."""
        return [
            httpx.AsyncClient(base_url=self.hub.url, cookies=cookies, timeout=30)
            for cookies in self.cookies
        ]


async def ask(browser: httpx.AsyncClient) -> float:
    """Return how long a page takes that only somebody logged in gets."""
    begin = time.perf_counter()
    answer = await browser.get("home")
    assert answer.status_code == 200, answer.status_code
    return time.perf_counter() - begin


async def close(browsers: list[httpx.AsyncClient]) -> None:
    await asyncio.gather(*(browser.aclose() for browser in browsers))


def start_ours(
    stack: ExitStack,
    folder: Path,
    name: str,
    recheck_seconds: int,
    *,
    iam_timeout_seconds: float = 5.0,
) -> Side:
    """Start our hub with a bound, and with its service."""
    iam = stack.enter_context(counting_iam())
    place = folder / f"{name}-service"
    place.mkdir()
    text = FACILITY.format(**iam.facts).replace(
        f'issuer: "{iam.facts["issuer"]}"',
        f'issuer: "{iam.facts["issuer"]}", recheck_seconds: {recheck_seconds}',
    )
    (place / "facility.yaml").write_text(text)
    service = stack.enter_context(running(ServiceProcess(place)))
    config: dict[str, dict[str, Any]] = ours(folder, service)
    config["IAMAuthenticator"]["iam_timeout_seconds"] = iam_timeout_seconds
    hub = stack.enter_context(running_hub(folder / name, config))
    return Side(name, hub, iam, [])


def start_stock(stack: ExitStack, folder: Path) -> Side:
    """Start the stock hub, which looks again as often as it does by itself."""
    iam = stack.enter_context(counting_iam())
    config = stock(iam.facts)
    config["SignedGenericOAuthenticator"]["auth_refresh_age"] = 5
    hub = stack.enter_context(running_hub(folder / "stock", config))
    return Side("stock", hub, iam, [])
