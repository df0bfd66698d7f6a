from __future__ import annotations

import asyncio
import json
import logging
import os
import pty
import subprocess
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from jupyterlab_af.activity import (
    Busy,
    BusyCounter,
    BusyReporter,
    Times,
    count_busy_terminals,
    to_body,
)
from jupyterlab_af.service import FacilityUnavailableError
from jupyterlab_af.tests.worlds import until

LOG = logging.getLogger("activity")
SHORT = Times(settle_seconds=0.05, repeat_seconds=0.4, look_seconds=0.2)


class Told:
    """Keeps what the service was told; is away when told so."""

    def __init__(self):
        self.busy = Busy()
        self.person_at = time.monotonic()
        self.heard = []
        self.quiet = []
        self.is_away = False
        self.refused = 0

    async def send(self, busy, quiet_seconds):
        if self.is_away:
            self.refused += 1
            raise FacilityUnavailableError("unreachable", "away")
        self.heard.append(busy)
        self.quiet.append(quiet_seconds)


@asynccontextmanager
async def reporting(told, times=SHORT):
    reporter = BusyReporter(
        lambda: told.busy, lambda: told.person_at, told.send, log=LOG, times=times
    )
    task = asyncio.create_task(reporter.run())
    await asyncio.sleep(0)
    try:
        yield reporter
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_what_works_is_told_once_it_lasts():
    async def scene():
        told = Told()
        async with reporting(told, Times(0.05, 60, 60)) as reporter:
            told.busy = Busy(kernels=1)
            reporter.poke()
            await until(lambda: told.heard)
            told.busy = Busy()
            reporter.poke()
            await until(lambda: len(told.heard) > 1)
            await asyncio.sleep(0.2)
        return told.heard

    assert asyncio.run(scene()) == [Busy(kernels=1), Busy()]


def test_a_server_tells_at_its_start_that_it_will():
    async def scene():
        told = Told()
        async with reporting(told, Times(0.05, 60, 60)):
            await until(lambda: told.heard)
            await asyncio.sleep(0.2)
        return told.heard

    assert asyncio.run(scene()) == [Busy()]


def test_what_the_person_does_is_told_as_seconds_ago():
    async def scene():
        told = Told()
        async with reporting(told, Times(0.05, 60, 60, person_seconds=5)) as reporter:
            await until(lambda: told.quiet)
            # too soon after the last one to be told
            told.person_at += 2
            reporter.poke()
            await asyncio.sleep(0.2)
            told.person_at = time.monotonic() + 60
            reporter.poke()
            await until(lambda: len(told.quiet) > 1)
            await asyncio.sleep(0.2)
        return told.quiet

    quiet = asyncio.run(scene())
    assert len(quiet) == 2
    assert 0 < quiet[0] < 30
    assert quiet[1] == 0


def test_the_same_is_told_again_to_a_service_that_may_have_forgotten_it():
    async def scene():
        told = Told()
        async with reporting(told, Times(0.05, 60, 60)) as reporter:
            await until(lambda: told.heard)
            reporter.poke()
            await asyncio.sleep(0.2)
            once = len(told.heard)
            reporter.tell_again()
            await until(lambda: len(told.heard) > once)
            await asyncio.sleep(0.2)
        return once, len(told.heard)

    assert asyncio.run(scene()) == (1, 2)


def test_a_look_that_fails_is_not_the_last(caplog):
    async def scene():
        told = Told()
        async with reporting(told, Times(0.02, 60, 0.05)):
            del told.busy
            await until(lambda: "could not look at what works" in caplog.text)
            told.busy = Busy(kernels=1)
            await until(lambda: told.heard)
        return told.heard[-1]

    assert asyncio.run(scene()) == Busy(kernels=1)


def test_what_ends_at_once_is_not_told():
    async def scene():
        told = Told()
        async with reporting(told, Times(0.1, 60, 60)) as reporter:
            for _ in range(5):
                told.busy = Busy(kernels=1)
                reporter.poke()
                told.busy = Busy()
                reporter.poke()
                await asyncio.sleep(0.03)
            await until(lambda: told.heard)
            await asyncio.sleep(0.2)
        return told.heard

    # the word of the start
    assert asyncio.run(scene()) == [Busy()]


def test_what_goes_on_is_told_again_and_quiet_is_not():
    async def scene():
        told = Told()
        async with reporting(told) as reporter:
            told.busy = Busy(kernels=2, terminals=1)
            reporter.poke()
            began = time.monotonic()
            await until(lambda: len(told.heard) >= 3)
            took = time.monotonic() - began
            told.busy = Busy()
            reporter.poke()
            await until(lambda: told.heard[-1] == Busy())
            await asyncio.sleep(3 * SHORT.repeat_seconds)
        return took, told.heard

    took, heard = asyncio.run(scene())
    assert took >= 2 * SHORT.repeat_seconds
    # with a busy machine it may be told once more before it ends
    assert heard == [Busy(2, 1)] * (len(heard) - 1) + [Busy()]


def test_a_service_that_is_away_is_told_later_and_said_once(caplog):
    async def scene():
        told = Told()
        told.is_away = True
        async with reporting(told) as reporter:
            told.busy = Busy(kernels=1)
            reporter.poke()
            await until(lambda: told.refused >= 3)
            told.is_away = False
            await until(lambda: told.heard)
        return told.heard[0]

    assert asyncio.run(scene()) == Busy(kernels=1)
    assert caplog.text.count("could not tell") == 1


def test_the_message_is_what_the_service_reads():
    said = {"kernels": 1, "terminals": 2, "quiet_seconds": 61.4}
    assert to_body(Busy(1, 2), 61.37) == said


@dataclass
class Terminal:
    """A terminal as its manager keeps it."""

    ptyproc: object


@dataclass
class Shell:
    """A shell in a terminal of its own."""

    pid: int
    fd: int


@pytest.fixture
def shell():
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["/bin/bash", "--norc", "-i"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, 0x540E, 0),
    )
    os.close(theirs)
    yield Shell(process.pid, ours)
    process.kill()
    process.wait()
    with suppress(OSError):
        os.close(ours)


def wait_for(is_true):
    end = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_terminal_works_while_a_program_is_in_the_foreground(shell):
    terminals = [Terminal(shell)]
    wait_for(lambda: count_busy_terminals(terminals) == 0)
    os.write(shell.fd, b"cat\n")
    wait_for(lambda: count_busy_terminals(terminals) == 1)
    # the end of its input
    os.write(shell.fd, b"\x04")
    wait_for(lambda: count_busy_terminals(terminals) == 0)


def test_a_terminal_that_just_ended_does_not_work():
    assert count_busy_terminals([Terminal(Shell(1, -1))]) == 0


async def test_a_kernel_says_itself_when_it_works(jp_serverapp, jp_fetch):
    pokes = []
    counter = BusyCounter(jp_serverapp, lambda: pokes.append(1))
    counter.watch()
    response = await jp_fetch(
        "api", "kernels", method="POST", body=json.dumps({"name": "python3"})
    )
    kernel_id = json.loads(response.body)["id"]
    kernel = jp_serverapp.kernel_manager.get_kernel(kernel_id)
    assert pokes
    assert counter.count() == Busy()
    before = len(pokes)
    kernel.execution_state = "busy"
    assert len(pokes) == before + 1
    assert counter.count() == Busy(kernels=1)
    kernel.execution_state = "idle"
    assert counter.count() == Busy()
    counter.close()
    kernel.execution_state = "busy"
    assert len(pokes) == before + 2
    await jp_serverapp.kernel_manager.shutdown_all()
