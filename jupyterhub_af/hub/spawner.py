"""Servers on one machine: each plan becomes a bubblewrap sandbox. No decisions here.

``policy.sandbox`` says what the sandbox sees and ``PlannedStart`` makes the plan; this
class starts the process, waits for it, stops it and knows it again after a restart.
As root the person's uid and gids are real; as an ordinary user the mounts are the only
wall, which is said when the first server starts.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyterhub.spawner import LocalProcessSpawner
from tornado.web import HTTPError
from traitlets import Dict, Unicode, default

from jupyterhub_af.policy.access import Access, Place, limit_access
from jupyterhub_af.policy.facility import Gpu, Profile
from jupyterhub_af.policy.names import make_slug
from jupyterhub_af.policy.plan import ServerPlan
from jupyterhub_af.policy.sandbox import (
    Bind,
    SandboxHost,
    group_text,
    make_bwrap_arguments,
    make_person_command,
    passwd_text,
)
from jupyterhub_af.policy.sentence import Sentence, say
from jupyterhub_af.policy.storage import AREAS_ROOT

from . import cgroup, process
from .refusal import make_spawn_refusal
from .start import PlannedStart

BWRAP = "/usr/bin/bwrap"
INFO_SECONDS = 10.0
STOP_SECONDS = 10.0
LISTEN_SECONDS = 50.0
_ETC = (
    *("alternatives", "ca-certificates", "ssl/certs", "fonts", "localtime", "timezone"),
    *(
        "hosts",
        "nsswitch.conf",
        "resolv.conf",
        "ld.so.cache",
        "ld.so.conf",
        "ld.so.conf.d",
    ),
    *(
        "mime.types",
        "protocols",
        "services",
        "profile",
        "bash.bashrc",
        "inputrc",
        "debian_version",
    ),
)
_SERVER_ARGUMENTS = (
    f"--ServerApp.root_dir={AREAS_ROOT}",
    # on a shared loopback another uid could read a kernel's output over TCP
    "--KernelManager.transport=ipc",
    # "you may not write here" instead of an internal error; every image of ours has it
    "--ServerApp.contents_manager_class=jupyterlab_af.contents.FacilityContentsManager",
    # a database that locks has no place on an area
    "--NotebookNotary.db_file=/tmp/jupyter-signatures.db",
)


def _no_gpu(gpu: Gpu) -> Sentence | None:
    """Return why a choice of GPUs cannot start on this machine, or None."""
    return say("This machine shares out no GPUs.") if gpu.count else None


class LocalSpawner(PlannedStart, LocalProcessSpawner):
    """Start servers as sandboxes on the hub's own machine."""

    environments = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help="""
        Image reference to the folder of the Python environment that stands for it on
        this machine. A profile whose image is not here is refused with the reason.
        """,
    )
    volume = Unicode(config=True, help="The folder that the storage areas lie in.")
    run_dir = Unicode(
        config=True, help="Folder for what each running server needs; the hub's alone."
    )

    plan: ServerPlan | None = None
    _groups: tuple[Path, ...] = ()
    _init_pid = 0
    _start_ticks = 0
    _boot_id = ""

    @default("env_keep")
    def _default_env_keep(self) -> list[str]:
        """Keep nothing of the hub's environment."""
        return []

    @default("default_url")
    def _default_url(self) -> str:
        return "/lab/tree/private"

    @default("ip")
    def _default_ip(self) -> str:
        return "127.0.0.1"

    def access_here(self) -> Access:
        """Return the access without what one machine cannot start: its reasons are said."""
        return limit_access(super().access_here(), Place(self._missing, _no_gpu))

    def _missing(self, profile: Profile) -> Sentence | None:
        """Return why a profile cannot start on this machine, or None."""
        if profile.image_pattern is not None:
            return say(
                "{title} runs an image of your own, which needs the facility's "
                "cluster; one machine runs only the images it was built with.",
                title=profile.title,
            )
        if profile.image not in self.environments:
            return say(
                "{title} is not on this machine: its image was not built here.",
                title=profile.title,
            )
        return None

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Return the environment with the plan's; nobody needs an account on the machine."""
        if self.plan is None:
            return env
        environment = self.environments[self.plan.image]
        paths = (f"{environment}/bin", "/usr/local/bin", "/usr/bin", "/bin")
        own = {"PATH": ":".join(paths), "VIRTUAL_ENV": environment}
        return {**env, **own, **self.plan.environment}

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        """Return what runs between fork and exec: enter the limits, let groups write."""
        groups = self._groups

        def enter_limits() -> None:
            cgroup.enter(groups)
            os.umask(0o002)

        return enter_limits

    def get_args(self) -> list[str]:
        """Return the server's arguments, with ours."""
        return [*super().get_args(), *_SERVER_ARGUMENTS]

    async def start(self) -> tuple[str, int]:
        """Start the planned server; refuse in words what cannot be."""
        self.plan = await self.prepare_plan()
        folder = await asyncio.to_thread(self._write_files, self.plan)
        try:
            address = await self._start_sandbox(self.plan, folder)
        except Exception:
            await asyncio.to_thread(self._end_at_once)
            raise
        await self.record("server.start")
        return address

    async def _start_sandbox(self, plan: ServerPlan, folder: Path) -> tuple[str, int]:
        """Run bwrap with its arguments on a descriptor: paths do not show in ``ps``."""
        host = self._host(plan, folder)
        environment = self.environments[plan.image]
        arguments = _to_descriptor(make_bwrap_arguments(plan, host))
        info_read, info_write = os.pipe()
        log = os.open(
            folder / "server.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
        )
        self.cmd = [
            *(BWRAP, "--args", str(arguments), "--info-fd", str(info_write), "--"),
            *make_person_command(plan, host),
            *(f"{environment}/bin/python", "-m", "jupyterhub.singleuser"),
        ]
        self.popen_kwargs = {
            "pass_fds": [arguments, info_write],
            "stdin": subprocess.DEVNULL,
            "stdout": log,
            "stderr": log,
            "cwd": "/",
        }
        try:
            address: tuple[str, int] = await super().start()
        except (OSError, subprocess.SubprocessError) as error:
            os.close(info_read)
            self.log.exception("could not run the sandbox of %s", plan.user)
            raise self._sandbox_failed() from error
        finally:
            for descriptor in (arguments, info_write, log):
                os.close(descriptor)
        try:
            self._init_pid = await asyncio.to_thread(_read_init_pid, info_read)
        finally:
            os.close(info_read)
        if not self._init_pid:
            self.log.error(
                "the sandbox of %s did not start: %s", plan.user, _tail(folder)
            )
            raise self._sandbox_failed()
        self._start_ticks = process.read_start_ticks(self.pid) or 0
        self._boot_id = process.read_boot_id()
        await self._wait_until_listening(plan, folder)
        return address

    def _sandbox_failed(self) -> HTTPError:
        msg = (
            "Your server's sandbox could not be made on this machine. Nothing is lost; "
            f"tell {self.facility().contact}."
        )
        return make_spawn_refusal(msg, rule="sandbox-failed", status=500)

    async def _wait_until_listening(self, plan: ServerPlan, folder: Path) -> None:
        """Return once the server listens; a server that ends at once is said at once.

        The hub would wait for its time-out and then know no reason.
        """
        deadline = time.monotonic() + LISTEN_SECONDS
        while time.monotonic() < deadline and not await _is_listening(self.port):
            if await self.poll() is not None:
                self.log.error("the server of %s ended: %s", plan.user, _tail(folder))
                msg = (
                    f"Your server ended while it was starting. Your files are as they were; "
                    f"tell {self.facility().contact}."
                )
                raise make_spawn_refusal(msg, rule="server-ended", status=500)
            await asyncio.sleep(0.1)

    async def poll(self) -> int | None:
        """Return None while the server runs; a pid that is somebody else's now is not it."""
        is_resumed = self.proc is None and self.pid
        if is_resumed and not process.is_same_process(
            self.pid, self._start_ticks, self._boot_id
        ):
            self.clear_state()
            return 0
        status: int | None = await super().poll()
        return status

    async def stop(self, now: bool = False) -> None:
        """Stop the server: its first process by SIGTERM, then the whole sandbox.

        The outer bwrap would pass no signal on, so the person's first process gets it.
        """
        if not now and self._init_pid and await self.poll() is None:
            for pid in process.read_children(self._init_pid)[:1]:
                _kill(pid, signal.SIGTERM)
            await self.wait_for_death(STOP_SECONDS)
        self._end_sandbox()
        await super().stop(now=True)
        await asyncio.to_thread(self._forget)
        await self.record("server.stop")

    def get_state(self) -> dict[str, Any]:
        """Return what finds the server again after a hub restart."""
        state: dict[str, Any] = super().get_state()
        if self.pid:
            state["init_pid"] = self._init_pid
            state["start_ticks"] = self._start_ticks
            state["boot_id"] = self._boot_id
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what ``get_state`` kept."""
        super().load_state(state)
        self._init_pid = state.get("init_pid", 0)
        self._start_ticks = state.get("start_ticks", 0)
        self._boot_id = state.get("boot_id", "")

    def clear_state(self) -> None:
        """Forget the process."""
        super().clear_state()
        self._init_pid = self._start_ticks = 0
        self._boot_id = ""

    def _folder(self) -> Path:
        # a slug holds no "--" but before its hash, so no two servers share a folder
        names = (self.user.name, self.name) if self.name else (self.user.name,)
        return Path(self.run_dir) / "--".join(make_slug(name) for name in names)

    def _write_files(self, plan: ServerPlan) -> Path:
        """Write the passwd and group that the sandbox will have, and make its limits."""
        folder = self._folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in (("passwd", passwd_text(plan)), ("group", group_text(plan))):
            (folder / name).write_text(text, encoding="utf8")
            (folder / name).chmod(0o644)
        controller = cgroup.find_controller() if os.geteuid() == 0 else None
        if controller is None:
            self.log.warning("this machine holds no server to its memory and cores")
        else:
            limits = cgroup.Limits(plan.cores, plan.memory_bytes)
            # two facilities on one machine may have a person of the same name
            facility = hashlib.sha256(self.run_dir.encode()).hexdigest()[:8]
            self._groups = controller.make(f"{facility}-{folder.name}", limits)
        return folder

    def _host(self, plan: ServerPlan, folder: Path) -> SandboxHost:
        etc = (Path("/etc") / name for name in _ETC)
        environment = self.environments[plan.image]
        return SandboxHost(
            volume=self.volume,
            read_only=(
                *(
                    Bind(str(path.resolve()), str(path))
                    for path in etc
                    if path.exists()
                ),
                Bind(str(folder / "passwd"), "/etc/passwd"),
                Bind(str(folder / "group"), "/etc/group"),
                Bind(environment, environment),
            ),
            cvmfs="/cvmfs" if Path("/cvmfs").is_dir() else None,
            is_root=os.geteuid() == 0,
        )

    def _end_sandbox(self) -> None:
        if self._init_pid:
            _kill(self._init_pid, signal.SIGKILL)

    def _end_at_once(self) -> None:
        """End whatever of a failed start runs, and its limits."""
        self._end_sandbox()
        if self.proc is not None and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        self._forget()

    def _forget(self) -> None:
        if not cgroup.remove(self._groups):
            self.log.warning("a control group of %s is still in use", self.user.name)
        self._groups = ()


async def _is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _to_descriptor(words: tuple[str, ...]) -> int:
    """Return a descriptor in memory that holds the words, each ended by NUL."""
    descriptor = os.memfd_create("bwrap-arguments")
    os.write(descriptor, b"".join(word.encode() + b"\0" for word in words))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _read_init_pid(descriptor: int) -> int:
    """Return the pid of the sandbox's first process; bwrap writes its JSON in pieces."""
    text = b""
    while b"}" not in text:
        ready, _, _ = select.select([descriptor], [], [], INFO_SECONDS)
        piece = os.read(descriptor, 4096) if ready else b""
        if not piece:
            return 0
        text += piece
    return int(json.loads(text)["child-pid"])


def _tail(folder: Path) -> str:
    return (folder / "server.log").read_text(encoding="utf8", errors="replace")[-2000:]


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
