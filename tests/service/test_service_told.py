"""A telling that comes twice is one line."""

from __future__ import annotations

import asyncio

import pytest

from jupyterhub_af.service import told as told_module
from jupyterhub_af.service.told import Told


class Work:
    """Work that waits for its time, and may fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.times = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> None:
        self.times += 1
        await self.may_end.wait()
        if self.error is not None:
            raise self.error


async def test_who_tells_again_meanwhile_waits_for_the_first():
    told, work = Told(), Work()
    first = asyncio.create_task(told.once("a", work))
    second = asyncio.create_task(told.once("a", work))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    assert not second.done()
    work.may_end.set()
    await second
    assert work.times == 1


async def test_what_failed_is_done_again_when_it_is_told_again():
    told, work = Told(), Work(OSError("no room"))
    work.may_end.set()
    for _ in range(2):
        with pytest.raises(OSError, match="no room"):
            await told.once("a", work)
    assert work.times == 2


async def test_only_the_newest_are_remembered(monkeypatch):
    monkeypatch.setattr(told_module, "MOST_REMEMBERED", 3)
    told, work = Told(), Work()
    work.may_end.set()
    for name in "abcde":
        await told.once(name, work)
    assert len(told._tasks) == 3
