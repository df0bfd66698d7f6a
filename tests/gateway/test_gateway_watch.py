"""The proxy's watch for routes: it comes anew each minute, and nothing is left of the last."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import httpx
import pytest
from gateway_world import running_gateway

from jupyterhub_af.gateway import routes

HEADERS = {"Authorization": "token proxys-token"}


@pytest.fixture
def own_gateway(tmp_path):
    with running_gateway(tmp_path) as gateway:
        yield gateway


def watching(gateway):
    return httpx.stream(
        "GET",
        f"{gateway.url}/api/v1/routes",
        params={"watch": "1", "last_id": "1"},
        headers=HEADERS,
        timeout=20,
    )


def test_a_watch_that_went_leaves_no_traceback(own_gateway, name):
    for _ in range(3):
        with watching(own_gateway) as answer:
            assert answer.status_code == 200
    with watching(own_gateway) as answer:
        cluster = own_gateway.make(own_gateway.neighbours.add_server(name))
        line = next(answer.iter_lines())
    assert cluster in line
    time.sleep(0.5)
    assert "Traceback" not in own_gateway.log()


async def test_a_watch_ends_with_its_line_though_there_is_no_news(monkeypatch):
    monkeypatch.setattr(routes, "LINE_SECONDS", 0.05)
    left = asyncio.Event()
    request = SimpleNamespace(query={"watch": "1"}, transport=object())

    async def handler(_):
        try:
            await asyncio.sleep(60)
        finally:
            left.set()

    watch = asyncio.ensure_future(routes.end_with_the_line(request, handler))
    await asyncio.sleep(0.2)
    assert not watch.done()
    request.transport = None
    assert (await asyncio.wait_for(watch, 5)).status == 200
    await asyncio.wait_for(left.wait(), 5)


async def test_other_requests_pass_through():
    request = SimpleNamespace(query={}, transport=None)

    async def handler(_):
        return "answer"

    assert await routes.end_with_the_line(request, handler) == "answer"


async def test_a_watch_that_is_over_answers_what_it_has():
    request = SimpleNamespace(query={"watch": "1"}, transport=object())

    async def handler(_):
        return "the end"

    assert await routes.end_with_the_line(request, handler) == "the end"
