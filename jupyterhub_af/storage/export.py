"""A person's files as one tar, with numeric owners, ACLs, and links as links.

``tar`` opens each name below the directory before it and follows no link, so what the
person exchanges meanwhile leads nowhere else.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from jupyterhub_af.policy.storage import BACKUPS

from .agent import Agent
from .ensure import Volume
from .errors import AgentError, to_storage_error
from .person_trees import Whose, find_trees

_PART_BYTES = 256 * 1024
# 1: a file changed while it was read, which people's files may
_WHOLE = (0, 1)
_TAR = (
    *("/bin/tar", "--create", "--file=-", "--format=posix", "--numeric-owner"),
    *("--acls", "--xattrs", "--one-file-system", "--warning=no-file-changed"),
)


class ExportError(AgentError):
    """Say why there is no whole export."""

    def __init__(self, message: str) -> None:
        super().__init__(message, rule="export-failed", status=503)


async def export_trees(agent: Agent, whose: Whose) -> AsyncGenerator[bytes, None]:
    """Return the tar of a person's trees, without their backups, part by part.

    Raises
    ------
    AgentError
        If a tree is somebody else's, or it could not be read to its end.
    """
    try:
        root_fd = os.open(agent.volume, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise to_storage_error("of a person", error) from error
    try:
        volume = Volume(root_fd, agent.opener)
        found = await asyncio.to_thread(find_trees, volume, whose)
        trees = [path for path in found if not path.startswith(f"{BACKUPS}/")]
        async with aclosing(_run_tar(root_fd, trees)) as parts:
            async for part in parts:
                yield part
    finally:
        os.close(root_fd)


async def _run_tar(root_fd: int, trees: list[str]) -> AsyncGenerator[bytes, None]:
    # "no file" is an error to tar, and an empty archive is an answer
    names = ["--", *trees] if trees else ["--files-from=/dev/null"]
    tar = await asyncio.create_subprocess_exec(
        *_TAR,
        *names,
        cwd=f"/proc/self/fd/{root_fd}",
        pass_fds=(root_fd,),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    output = cast(asyncio.StreamReader, tar.stdout)
    try:
        while part := await output.read(_PART_BYTES):
            yield part
        if await tar.wait() not in _WHOLE:
            msg = f"tar ended with status {tar.returncode}; ask for the export again."
            raise ExportError(msg)
    finally:
        if tar.returncode is None:
            tar.kill()
            await tar.wait()
