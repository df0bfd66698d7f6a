"""What the hub makes of a full disk, and of an agent that does not say."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from worlds import access_of

from jupyterhub_af.hub import disk
from jupyterhub_af.hub.disk import explain_disk
from jupyterhub_af.hub.form import render_form
from jupyterhub_af.line.peer import Peer
from jupyterhub_af.line.sessions import close_sessions
from jupyterhub_af.policy.sentence import say

MIB = 1024**2
MINE = {"area": "private", "kind": "private", "owner": "student1"}


def usage(used: int) -> dict:
    return {
        "tree": MINE,
        "used_bytes": used,
        "files": 1,
        "counted_at": 1.0,
        "quota_bytes": 10 * MIB,
        "enforced_by": "accounting",
    }


@asynccontextmanager
async def agent_that(answers):
    """Give the line to an agent that answers so, and what it was asked."""
    folder = Path(tempfile.mkdtemp())
    (folder / "secret").write_text("s" * 32)
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.json())
        return await answers(request)

    app = web.Application()
    app.router.add_post("/usage", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(folder / "agent.sock")).start()
    try:
        peer = Peer("agent", f"unix:{folder}/agent.sock", str(folder / "secret"))
        yield peer, asked
    finally:
        await close_sessions()
        await runner.cleanup()
        shutil.rmtree(folder)


def saying(status: int = 200, **body):
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    return answer


async def hang(_: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


async def test_a_full_area_is_a_rescue_and_its_words_say_how_full():
    said = saying(usages=[usage(12 * MIB)], free_bytes=10**9)
    async with agent_that(said) as (agent, asked):
        found = await explain_disk(agent, access_of("student1"), patience_seconds=2)
    assert "Your area private is full: 12 MiB of 10 MiB." in str(found)
    # only what a home needs is asked about, whatever else the person writes in
    assert asked == [{"trees": [MINE], "patience_seconds": 2.0}]


@pytest.mark.parametrize(
    ("said", "is_rescue"),
    [
        pytest.param(saying(usages=[usage(0)], free_bytes=0), True, id="a full disk"),
        pytest.param(saying(usages=[usage(0)], free_bytes=10**9), False, id="room"),
        pytest.param(saying(503, message="Slow.", rule="x"), False, id="a refusal"),
        pytest.param(saying(what="is this"), False, id="another version"),
        pytest.param(hang, False, id="silence"),
    ],
)
async def test_every_doubt_means_a_usual_start(said, is_rescue, monkeypatch):
    monkeypatch.setattr(disk, "_ANSWER_SECONDS", 0.5)
    async with agent_that(said) as (agent, _):
        found = await explain_disk(agent, access_of("student1"))
    assert (found is not None) == is_rescue


async def test_an_agent_that_is_not_there_means_a_usual_start(tmp_path):
    (tmp_path / "secret").write_text("s" * 32)
    agent = Peer("agent", f"unix:{tmp_path}/no.sock", str(tmp_path / "secret"))
    assert await explain_disk(agent, access_of("student1")) is None
    await close_sessions()


def test_the_form_says_before_start_that_the_server_is_to_clean_up_with():
    access = access_of("student1")
    assert "af-rescue" not in render_form(access, {}, None)
    words = say("It is full: {used}.", used="<b>12</b>")
    page = render_form(access, {}, None, rescue=words)
    assert "It is full: &lt;b&gt;12&lt;/b&gt;." in page
    assert page.index("af-rescue") < page.index("af-cards")
