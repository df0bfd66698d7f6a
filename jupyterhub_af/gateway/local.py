"""Clusters on one machine: scheduler and workers as sandboxes of the server's own plan.

Sandboxes outlive a restart of the gateway. What finds them again (pid, start time, boot)
is written beside their files the moment they run, before the database knows: so a
gateway that was killed in between leaves nothing that nobody ends, and ``up`` can end
all of them without the database.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from dask_gateway_server.backends.db_base import (
    Cluster,
    DBBackendBase,
    JobStatus,
    Worker,
)
from traitlets import Dict, Unicode

from jupyterhub_af.machine import cgroup
from jupyterhub_af.machine.bubblewrap import (
    Launch,
    bound_log,
    environment_variables,
    make_host,
    read_tail,
    write_names,
)
from jupyterhub_af.machine.sandboxes import (
    Sandbox,
    end_sandbox,
    find_sandboxes,
    forget_sandbox,
    keep_sandbox,
)
from jupyterhub_af.policy.dask import ClusterUse
from jupyterhub_af.policy.messages import parse_plan
from jupyterhub_af.policy.plan import ServerPlan
from jupyterhub_af.policy.sandbox import Bind
from jupyterhub_af.policy.token import INSIDE as TOKEN_INSIDE
from jupyterhub_af.policy.token import token_folder

from .backend import FacilityBackend, size_of

HOST = "127.0.0.1"
INSIDE = "/run/af/dask"
PRELOAD = Path(__file__).parent / "inside" / "dashboards.py"
SCHEDULER = "scheduler"
# a worker has a nanny beside it, and is told its memory without it
NANNY_BYTES = 256 * 1024**2
SCHEDULER_BYTES = 2 * 1024**3
STOP_SECONDS = 5.0
LOG_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Part:
    """One process of a cluster to start: its name there, its command, its limits."""

    name: str
    command: list[str]
    variables: dict[str, str]
    limits: cgroup.Limits


class SandboxBackend(FacilityBackend, DBBackendBase):
    """Start the parts of clusters as sandboxes on the gateway's own machine."""

    environments = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help="Image reference to the folder of the Python environment that stands for it.",
    )
    volume = Unicode(config=True, help="The folder that the storage areas lie in.")
    clusters_dir = Unicode(
        config=True, help="Folder for what each cluster needs; the gateway's alone."
    )
    tokens_dir = Unicode(
        config=True,
        help="""
        The folder of the access tokens of running servers, the hub's `tokens_dir`: the
        clusters of a server see its token. Empty (the default): they see none.
        """,
    )
    default_host = HOST

    async def setup(self, app: web.Application) -> None:
        """Find the limits of this machine, then start as every backend."""
        self.dashboard_host = HOST
        self._controller = cgroup.find_controller() if os.geteuid() == 0 else None
        if self._controller is None:
            self.log.warning("This machine holds no cluster to its memory and cores")
        await super().setup(app)
        self._log_keeper = asyncio.create_task(self._bound_logs())

    async def cleanup(self) -> None:
        """Stop looking at logs, then stop."""
        if hasattr(self, "_log_keeper"):
            self._log_keeper.cancel()
            await asyncio.gather(self._log_keeper, return_exceptions=True)
        await super().cleanup()

    async def _bound_logs(self) -> None:
        """Keep what people print in their tasks from filling the disk."""
        while True:
            await asyncio.sleep(LOG_SECONDS)
            for log in await asyncio.to_thread(_logs_of, Path(self.clusters_dir)):
                if bound_log(log):
                    self.log.warning(
                        "Emptied %s of cluster %s", log.name, log.parent.name
                    )

    async def do_setup(self) -> None:
        """End what an earlier gateway left, and fail clusters whose scheduler is gone."""
        known = {
            name
            for name, cluster in self.db.name_to_cluster.items()
            if cluster.status < JobStatus.STOPPED
        }
        for folder in await asyncio.to_thread(_folders_of, Path(self.clusters_dir)):
            if folder.name not in known:
                self.log.warning(
                    "Ending the sandboxes of %s, which is unknown", folder.name
                )
                await self._end_all(folder)
        for cluster in list(self.db.active_clusters()):
            if cluster.status >= JobStatus.SUBMITTED and not self._runs(
                cluster, SCHEDULER
            ):
                self.log.warning("Cluster %s lost its scheduler", cluster.name)
                await self.stop_cluster(cluster.name, failed=True)

    # what the ceilings ask

    def uses_of(self, username: str) -> tuple[ClusterUse, ...]:
        """Return the person's active clusters with the workers each may grow to."""
        return tuple(
            ClusterUse(c.name, size_of(c), self.grown_to(c.name, c.count))
            for c in self.db.list_clusters(username=username)
        )

    def wanted_workers(self, cluster_name: str) -> int:
        """Return how many workers a cluster wants now."""
        return int(self.db.get_cluster(cluster_name).count)

    def ready_workers(self, cluster_name: str) -> int:
        """Return how many workers have joined a cluster."""
        workers = self.db.get_cluster(cluster_name).workers.values()
        return sum(
            w.status == JobStatus.RUNNING and w.target == JobStatus.RUNNING
            for w in workers
        )

    # starting and stopping

    async def do_start_cluster(self, cluster: Cluster) -> AsyncIterator[dict[str, Any]]:
        """Start the scheduler."""
        plan = parse_plan(cluster.config.plan)
        folder = self._folder(cluster)
        await asyncio.to_thread(_write_files, folder, plan, cluster)
        yield {"folder": str(folder)}
        limits = cgroup.Limits(1.0, SCHEDULER_BYTES)
        command = [
            *self.get_scheduler_command(cluster),
            *("--preload", f"{INSIDE}/{PRELOAD.name}"),
        ]
        variables = self.get_scheduler_env(cluster)
        await self._start(cluster, plan, Part(SCHEDULER, command, variables, limits))

    async def do_stop_cluster(self, cluster: Cluster) -> None:
        """End every sandbox of a cluster and remove its files."""
        if cluster.target == JobStatus.FAILED:
            self.ledger.note_stop(cluster, "cluster-failed")
        await self._end_all(self._folder(cluster))

    async def do_check_clusters(self, clusters: Iterable[Cluster]) -> list[bool]:
        """Tell which clusters' schedulers run."""
        return [self._runs(cluster, SCHEDULER) for cluster in clusters]

    async def do_start_worker(self, worker: Worker) -> AsyncIterator[dict[str, Any]]:
        """Start a worker."""
        cluster = worker.cluster
        size = size_of(cluster)
        limits = cgroup.Limits(size.cores, size.memory_bytes + NANNY_BYTES)
        command = [
            *self.get_worker_command(cluster, worker.name),
            *("--host", HOST, "--preload", f"{INSIDE}/{PRELOAD.name}"),
        ]
        variables = self.get_worker_env(cluster)
        plan = parse_plan(cluster.config.plan)
        await self._start(cluster, plan, Part(worker.name, command, variables, limits))
        yield {"folder": str(self._folder(cluster))}

    async def do_stop_worker(self, worker: Worker) -> None:
        """End a worker's sandbox."""
        folder = self._folder(worker.cluster)
        for name, sandbox in await asyncio.to_thread(find_sandboxes, folder):
            if name == worker.name:
                await self._end(folder, name, sandbox)

    async def do_check_workers(self, workers: Iterable[Worker]) -> list[bool]:
        """Tell which workers run."""
        return [self._runs(worker.cluster, worker.name) for worker in workers]

    # what goes into the sandbox

    def get_tls_paths(self, cluster: Cluster) -> tuple[str, str]:
        """Return where the cluster's certificate and key are inside."""
        return f"{INSIDE}/dask.crt", f"{INSIDE}/dask.pem"

    def get_env(self, cluster: Cluster) -> dict[str, str]:
        """Return the variables: the server's, then what Dask Gateway needs."""
        plan = parse_plan(cluster.config.plan)
        own = environment_variables(plan, self.environments[plan.image])
        needed: dict[str, str] = super().get_env(cluster)
        return {**own, **needed}

    def get_scheduler_command(self, cluster: Cluster) -> list[str]:
        """Return the scheduler's command in the environment of the plan's image."""
        return self._in_environment(cluster, super().get_scheduler_command(cluster))

    def get_worker_command(
        self, cluster: Cluster, worker_name: str, scheduler_address: str | None = None
    ) -> list[str]:
        """Return a worker's command in the environment of the plan's image."""
        command = super().get_worker_command(cluster, worker_name, scheduler_address)
        return self._in_environment(cluster, command)

    def _in_environment(self, cluster: Cluster, command: list[str]) -> list[str]:
        """Put Dask's own program in the place of the names that it dropped."""
        plan = parse_plan(cluster.config.plan)
        program, *arguments = command
        part = program.removeprefix("dask-")
        return [f"{self.environments[plan.image]}/bin/dask", part, *arguments]

    async def _start(self, cluster: Cluster, plan: ServerPlan, part: Part) -> None:
        folder = self._folder(cluster)
        groups = self._make_limits(cluster.name, part)
        host = make_host(
            volume=self.volume,
            environment=self.environments[plan.image],
            folder=folder,
            more=(
                Bind(str(folder / "inside"), INSIDE),
                *_token_of(plan, self.tokens_dir),
            ),
            dies_with_parent=False,
        )
        log = folder / f"{part.name}.log"
        with Launch(plan, host, part.command, log) as launch:
            process = await asyncio.create_subprocess_exec(
                *launch.command,
                pass_fds=launch.descriptors,
                stdin=subprocess.DEVNULL,
                stdout=launch.log,
                stderr=launch.log,
                cwd="/",
                env=part.variables,
                start_new_session=True,
                preexec_fn=_make_preexec(groups),
            )
            init_pid = await asyncio.to_thread(launch.read_init_pid)
        sandbox = Sandbox.of(process.pid, init_pid, groups)
        await asyncio.to_thread(keep_sandbox, folder, part.name, sandbox)
        if not init_pid:
            self.log.error(
                "The sandbox of %s did not start: %s", part.name, read_tail(log)
            )
            msg = f"the sandbox of {part.name} did not start"
            raise RuntimeError(msg)

    def _make_limits(self, cluster_name: str, part: Part) -> tuple[Path, ...]:
        if self._controller is None:
            return ()
        return self._controller.make(f"dask-{cluster_name}-{part.name}", part.limits)

    def _folder(self, cluster: Cluster) -> Path:
        return Path(self.clusters_dir) / cluster.name

    def _runs(self, cluster: Cluster, name: str) -> bool:
        found = dict(find_sandboxes(self._folder(cluster)))
        return name in found and found[name].is_running()

    async def _end_all(self, folder: Path) -> None:
        found = await asyncio.to_thread(find_sandboxes, folder)
        await asyncio.gather(*(self._end(folder, *named) for named in found))
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _end(self, folder: Path, name: str, sandbox: Sandbox) -> None:
        await asyncio.to_thread(end_sandbox, sandbox, within_seconds=STOP_SECONDS)
        if not await asyncio.to_thread(cgroup.remove, sandbox.groups):
            self.log.warning("A control group of %s is still in use", name)
        await asyncio.to_thread(forget_sandbox, folder, name)


def _token_of(plan: ServerPlan, tokens_dir: str) -> tuple[Bind, ...]:
    """Return how a cluster sees the token of its server, which has one or not."""
    if plan.token is None or not tokens_dir:
        return ()
    folder = Path(tokens_dir) / token_folder(plan.user, plan.server_name)
    # a server whose token could not be put down has no folder
    return (Bind(str(folder), TOKEN_INSIDE),) if folder.is_dir() else ()


def _logs_of(root: Path) -> list[Path]:
    return list(root.glob("*/*.log"))


def _folders_of(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()]


def _make_preexec(groups: tuple[Path, ...]) -> Any:
    """Return what runs between fork and exec: enter the limits, let groups write."""

    def enter_limits() -> None:
        cgroup.enter(groups)
        os.umask(0o002)

    return enter_limits


def _write_files(folder: Path, plan: ServerPlan, cluster: Cluster) -> None:
    """Write the names, the certificate and key for the person alone, and the preload."""
    inside = folder / "inside"
    folder.mkdir(mode=0o700)
    inside.mkdir(mode=0o755)
    write_names(plan, folder)
    files = (
        ("dask.crt", cluster.tls_cert, 0o400),
        ("dask.pem", cluster.tls_key, 0o400),
        (PRELOAD.name, PRELOAD.read_bytes(), 0o444),
    )
    for name, content, mode in files:
        descriptor = os.open(inside / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        if os.geteuid() == 0 and plan.uid and plan.gid:
            os.chown(inside / name, plan.uid, plan.gid)
    inside.chmod(0o755)
