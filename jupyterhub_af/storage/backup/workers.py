"""The agent's end of a worker process: start it, ask it, and end one that is late."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress

from pydantic import ValidationError

from jupyterhub_af.policy.units import format_duration

from .worker import Done, Job

_HOLES = "A file with holes takes as long as its size says, not its room."
_MOST_ANSWER_BYTES = 16 * 1024**2
# ends with the agent, yields the disk and the cores to people
_COMMAND = (
    *("/usr/bin/setpriv", "--pdeathsig", "KILL", "--"),
    *("/usr/bin/ionice", "--class", "idle"),
    *("/usr/bin/nice", "--adjustment", "10"),
    *(sys.executable, "-m", "jupyterhub_af.storage.backup"),
)
# the agent's own has secrets in it
_ENVIRONMENT = ("PATH", "PYTHONPATH")


class Worker:
    """One worker process, asked for one job at a time."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.is_alive = True

    @classmethod
    async def start(cls) -> Worker:
        """Start a process; it ends when this one does."""
        kept = {key: os.environ[key] for key in _ENVIRONMENT if key in os.environ}
        process = await asyncio.create_subprocess_exec(
            *_COMMAND, stdin=PIPE, stdout=PIPE, env=kept, limit=_MOST_ANSWER_BYTES
        )
        return cls(process)

    async def do(self, job: Job, *, within_seconds: float) -> Done:
        """Return what came of a job; a worker that is late or dies is ended for good."""
        try:
            async with asyncio.timeout(within_seconds):
                return await self._ask(job)
        except TimeoutError:
            self.kill()
            within = format_duration(max(1, round(within_seconds)))
            why = f"It was not done within {within} and was ended."
            return Done(failure=f"{why} {_HOLES}")
        except (OSError, ValidationError, ValueError):
            self.kill()
            return Done(failure="The process that copies ended in the middle of it.")

    async def _ask(self, job: Job) -> Done:
        to, answers = self._process.stdin, self._process.stdout
        if to is None or answers is None:
            raise BrokenPipeError
        to.write(job.model_dump_json().encode() + b"\n")
        await to.drain()
        return Done.model_validate_json(await answers.readline())

    def kill(self) -> None:
        """End it now; its sandboxes die with it, and the next run removes what is left."""
        self.is_alive = False
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)

    async def gone(self) -> None:
        """Return once it has ended: one that waits for a disk that hangs may not yet."""
        await self._process.wait()
