"""Servers on one machine: each plan becomes a bubblewrap sandbox. No decisions here.

``policy.sandbox`` says what the sandbox sees and ``PlannedStart`` makes the plan; this
class starts the process, waits for it, stops it and knows it again after a restart.
As root the person's uid and gids are real; as an ordinary user the mounts are the only
wall, which is said when the first server starts.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyterhub.spawner import LocalProcessSpawner
from tornado.web import HTTPError
from traitlets import Dict, Unicode, default

from jupyterhub_af.machine import cgroup, process
from jupyterhub_af.machine.bubblewrap import (
    Launch,
    bound_log,
    environment_variables,
    make_host,
    read_tail,
    send,
    write_names,
)
from jupyterhub_af.policy.access import Access, Place, limit_access
from jupyterhub_af.policy.facility import Gpu, Profile
from jupyterhub_af.policy.names import make_slug
from jupyterhub_af.policy.plan import ServerPlan
from jupyterhub_af.policy.sandbox import Bind
from jupyterhub_af.policy.sentence import Sentence, say
from jupyterhub_af.policy.storage import AREAS_ROOT
from jupyterhub_af.policy.token import INSIDE, token_folder

from .holds_token import HoldsToken
from .refusal import make_spawn_refusal
from .token_sink import FileTokenSink

SERVER_LOG = "server.log"
STOP_SECONDS = 10.0
LISTEN_SECONDS = 50.0
_SERVER_ARGUMENTS = (
    f"--ServerApp.root_dir={AREAS_ROOT}",
    # on a shared loopback another uid could read a kernel's output over TCP
    "--KernelManager.transport=ipc",
    # "you may not write here" instead of an internal error; every image of ours has it
    "--ServerApp.contents_manager_class=jupyterlab_af.contents.FacilityContentsManager",
    # work can be saved after access ended; the server's own token stays in its process
    "--ServerApp.identity_provider_class=jupyterlab_af.hub_auth.FacilityIdentityProvider",
    # a database that locks has no place on an area
    "--NotebookNotary.db_file=/tmp/jupyter-signatures.db",
)
# the trash is on the full area: what is moved there makes no room
_RESCUE_ARGUMENTS = ("--FileContentsManager.delete_to_trash=False",)


def _no_gpu(gpu: Gpu) -> Sentence | None:
    """Return why a choice of GPUs cannot start on this machine, or None."""
    return say("This machine shares out no GPUs.") if gpu.count else None


class LocalSpawner(HoldsToken, LocalProcessSpawner):
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
    tokens_dir = Unicode(
        config=True,
        help="""
        Folder for the access tokens of running servers, which the hub alone may enter.
        Empty (the default): no server gets one.
        """,
    )

    plan: ServerPlan | None = None
    _binds: tuple[Bind, ...] = ()
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

    def make_token_sink(self) -> FileTokenSink | None:
        """Return the files that tokens are put into."""
        return FileTokenSink(Path(self.tokens_dir)) if self.tokens_dir else None

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
        return {**env, **environment_variables(self.plan, environment)}

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        """Return what runs between fork and exec: enter the limits, let groups write."""
        groups = self._groups

        def enter_limits() -> None:
            cgroup.enter(groups)
            os.umask(0o002)

        return enter_limits

    def get_args(self) -> list[str]:
        """Return the server's arguments, with ours."""
        is_rescue = self.plan is not None and self.plan.is_rescue
        more = _RESCUE_ARGUMENTS if is_rescue else ()
        return [*super().get_args(), *_SERVER_ARGUMENTS, *more]

    async def start(self) -> tuple[str, int]:
        """Start the planned server; refuse in words what cannot be."""
        self.plan = await self.prepare_plan()
        folder = await asyncio.to_thread(self._write_files, self.plan)
        try:
            self._binds = await self._bind_token(self.plan)
            address = await self._start_sandbox(self.plan, folder)
        except Exception:
            await asyncio.to_thread(self._end_at_once)
            await self.withdraw_token()
            raise
        self.keep_token()
        rule = "rescue" if self.plan.is_rescue else ""
        await self.record("server.start", rule=rule)
        await self.tell_server("running")
        return address

    async def _bind_token(self, plan: ServerPlan) -> tuple[Bind, ...]:
        """Put the server's token down; return how the server sees its folder."""
        if not await self.begin_token(plan):
            return ()
        folder = token_folder(plan.user, plan.server_name)
        return (Bind(str(Path(self.tokens_dir) / folder), INSIDE),)

    async def _start_sandbox(self, plan: ServerPlan, folder: Path) -> tuple[str, int]:
        """Run the sandbox and wait until the server in it listens."""
        environment = self.environments[plan.image]
        host = make_host(
            volume=self.volume,
            environment=environment,
            folder=folder,
            more=self._binds,
        )
        command = (f"{environment}/bin/python", "-m", "jupyterhub.singleuser")
        log = folder / SERVER_LOG
        with Launch(plan, host, command, log) as launch:
            address = await self._run(plan, launch)
            self._init_pid = await asyncio.to_thread(launch.read_init_pid)
        if not self._init_pid:
            self.log.error(
                "the sandbox of %s did not start: %s", plan.user, read_tail(log)
            )
            raise self._sandbox_failed()
        self._start_ticks = process.read_start_ticks(self.pid) or 0
        self._boot_id = process.read_boot_id()
        await self._wait_until_listening(plan, log)
        return address

    async def _run(self, plan: ServerPlan, launch: Launch) -> tuple[str, int]:
        self.cmd = launch.command
        self.popen_kwargs = {
            "pass_fds": launch.descriptors,
            "stdin": subprocess.DEVNULL,
            "stdout": launch.log,
            "stderr": launch.log,
            "cwd": "/",
        }
        try:
            address: tuple[str, int] = await super().start()
        except (OSError, subprocess.SubprocessError) as error:
            self.log.exception("could not run the sandbox of %s", plan.user)
            raise self._sandbox_failed() from error
        return address

    def _sandbox_failed(self) -> HTTPError:
        msg = (
            "Your server's sandbox could not be made on this machine. Nothing is lost; "
            f"tell {self.facility().contact}."
        )
        return make_spawn_refusal(msg, rule="sandbox-failed", status=500)

    async def _wait_until_listening(self, plan: ServerPlan, log: Path) -> None:
        """Return once the server listens; a server that ends at once is said at once.

        The hub would wait for its time-out and then know no reason.
        """
        deadline = time.monotonic() + LISTEN_SECONDS
        while time.monotonic() < deadline and not await _is_listening(self.port):
            if await self.poll() is not None:
                self.log.error("the server of %s ended: %s", plan.user, read_tail(log))
                msg = (
                    f"Your server ended while it was starting. Your files are as they were; "
                    f"tell {self.facility().contact}."
                )
                raise make_spawn_refusal(msg, rule="server-ended", status=500)
            await asyncio.sleep(0.1)

    async def poll(self) -> int | None:
        """Return None while the server runs; a pid that is somebody else's now is not it."""
        bound_log(self._folder() / SERVER_LOG)
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
                send(pid, signal.SIGTERM)
            await self.wait_for_death(STOP_SECONDS)
        self._end_sandbox()
        await super().stop(now=True)
        await asyncio.to_thread(self._forget)
        self.is_ended_by_hub = True

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
        write_names(plan, folder)
        controller = cgroup.find_controller() if os.geteuid() == 0 else None
        if controller is None:
            self.log.warning("this machine holds no server to its memory and cores")
        else:
            limits = cgroup.Limits(plan.cores, plan.memory_bytes)
            # two facilities on one machine may have a person of the same name
            facility = hashlib.sha256(self.run_dir.encode()).hexdigest()[:8]
            self._groups = controller.make(f"{facility}-{folder.name}", limits)
        return folder

    def _end_sandbox(self) -> None:
        if self._init_pid:
            send(self._init_pid, signal.SIGKILL)

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
