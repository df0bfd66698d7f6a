from __future__ import annotations

import asyncio
import json

import pytest

from jupyterlab_af import token_watch
from jupyterlab_af.tests.worlds import until
from jupyterlab_af.token_watch import NO_FOLDER, TokenWatch

TOKEN = "a-token-that-nobody-may-see"  # noqa: S105


class World:
    def __init__(self, folder, *, has_token=True):
        self.folder = folder
        self.told = []
        environ = {"BEARER_TOKEN_FILE": str(folder / "token")} if has_token else {}
        self.watch = TokenWatch(self.told.append, environ, folder)

    def put(self, **files):
        self.folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (self.folder / name).write_text(text)

    def look(self):
        """Return what is told by a look."""
        before = len(self.told)
        self.watch.look()
        assert all(event.kind == "token" for event in self.told)
        return [json.loads(event.data)["token"] for event in self.told[before:]]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "token")


def of(expires_at=None, lifetime_seconds=None, problem=""):
    return {
        "expires_at": expires_at,
        "lifetime_seconds": lifetime_seconds,
        "problem": problem,
    }


def test_what_changes_is_told_once(world):
    world.put(token=TOKEN, expires_at="2000\n", lifetime="1000\n")
    assert world.look() == [of(2000.0, 1000.0)]
    assert world.look() == []
    world.put(expires_at="3000\n")
    assert world.look() == [of(3000.0, 1000.0)]
    world.put(problem="Ask support.\n")
    assert world.look() == [of(3000.0, 1000.0, "Ask support.")]
    (world.folder / "problem").unlink()
    assert world.look() == [of(3000.0, 1000.0)]


def test_a_server_without_its_token_is_told_why(world):
    world.put(problem="Log out and in again.\n")
    assert world.look() == [of(problem="Log out and in again.")]


def test_a_folder_that_is_not_there_is_a_problem(world):
    assert world.look() == [of(problem=NO_FOLDER)]


def test_the_token_itself_is_neither_told_nor_opened(world):
    world.put(token=TOKEN, expires_at="2000", lifetime="1000")
    (world.folder / "token").chmod(0)
    world.look()
    assert TOKEN not in str(world.told)


@pytest.mark.parametrize("text", ["", "soon", "-1", "1e400", "\u0664", "9" * 400])
def test_times_that_are_none_are_not_told(world, text):
    world.put(expires_at=text)
    told = json.loads(json.dumps(world.look(), allow_nan=False))
    assert told[0]["expires_at"] is None or told[0]["expires_at"] > 0


def test_where_the_facility_gives_none_that_is_said_once_and_nobody_looks(tmp_path):
    world = World(tmp_path / "token", has_token=False)
    asyncio.run(asyncio.wait_for(world.watch.run(), 20))
    assert [json.loads(event.data) for event in world.told] == [
        {"kind": "token", "token": None}
    ]


def test_it_goes_on_looking_until_it_is_stopped(world, monkeypatch):
    monkeypatch.setattr(token_watch, "LOOK_SECONDS", 0.001)

    async def story():
        task = asyncio.create_task(world.watch.run())
        await until(lambda: world.told)
        world.put(lifetime="1000", expires_at="2000")
        await until(lambda: "2000" in world.told[-1].data)
        task.cancel()

    asyncio.run(asyncio.wait_for(story(), 20))
    assert json.loads(world.told[-1].data)["token"] == of(2000.0, 1000.0)
