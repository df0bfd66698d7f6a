"""My Dask cluster: the one of this server, existing or new.

    from jupyterlab_af.dask import cluster

    my_cluster = cluster()
    my_cluster.scale(2)
    client = my_cluster.get_client()

Dask Gateway's own ``GatewayCluster()`` works as well, but may wait for itself for ever:
its destructor blocks, and Python may run it in the very thread that would do the work
(a cluster that was refused, a variable that was lost, ``client.shutdown()``). Here
nothing blocks when an object is forgotten: the cluster goes on, ``cluster()`` finds it
again, also from a kernel that was started anew, and it ends with the server, by
``close()``, or when it was idle for long.
"""

from __future__ import annotations

import asyncio
import html
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

import aiohttp
import distributed
from dask_gateway import Gateway, GatewayCluster
from dask_gateway.client import ClusterReport, GatewayClusterError, GatewayServerError
from distributed.utils import LoopRunner

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping

    from tornado.ioloop import IOLoop

WAIT_SECONDS = 120.0


class ClusterError(RuntimeError):
    """The facility refused something, or a part of it is away; the message says which."""


class _Loop:
    """The one thread that talks to gateway and schedulers, started at first use."""

    _lock = threading.Lock()
    _runner: LoopRunner | None = None

    @classmethod
    def get(cls) -> IOLoop:
        """Return the loop; it runs until the kernel ends."""
        with cls._lock:
            if cls._runner is None:
                cls._runner = LoopRunner()
                cls._runner.start()
            return cls._runner.loop


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns; in the loop's own thread, a task to wait for.

    Raises
    ------
    ClusterError
        If the gateway refuses, fails, or does not answer in time.
    """
    loop = _Loop.get().asyncio_loop
    try:
        if asyncio.get_running_loop() is loop:
            return loop.create_task(in_words(work))
    except RuntimeError:
        # this thread runs no loop: the usual case
        pass
    future = asyncio.run_coroutine_threadsafe(in_words(work), loop)
    try:
        return future.result(WAIT_SECONDS)
    except TimeoutError:
        future.cancel()
        msg = (
            f"The facility's gateway did not answer within {WAIT_SECONDS:.0f} seconds."
        )
        raise ClusterError(msg) from None
    except BaseException:
        future.cancel()
        raise


async def in_words(work: Coroutine[Any, Any, Any]) -> Any:
    """Return what ``work`` returns; its refusal keeps its words and loses the rest."""
    try:
        return await work
    except (ValueError, GatewayClusterError, GatewayServerError) as error:
        raise ClusterError(str(error)) from None
    except aiohttp.ClientResponseError as error:
        raise ClusterError(error.message) from None
    except aiohttp.ClientError:
        msg = "The facility's gateway does not answer. What runs goes on; try again in a minute."
        raise ClusterError(msg) from None


class Cluster:
    """A cluster of this server, as Dask's ``Client`` wants one.

    It is made by ``cluster()``. Its calls wait for the answer; they are safe in any
    thread and never wait for an object's end.
    """

    asynchronous = False

    def __init__(self, inner: GatewayCluster) -> None:
        self._inner = inner
        self._clients: weakref.WeakSet[distributed.Client] = weakref.WeakSet()
        finalizer = weakref.finalize(self, _let_go, inner)
        finalizer.atexit = False

    @property
    def name(self) -> str:
        """Return the gateway's name of the cluster."""
        return str(self._inner.name)

    @property
    def status(self) -> str:
        """Return ``running``, ``closing`` or ``closed``."""
        return str(self._inner.status)

    @property
    def loop(self) -> IOLoop:
        """Return the loop that clients share."""
        return _Loop.get()

    @property
    def scheduler_address(self) -> str:
        """Return where clients find the scheduler."""
        return str(self._inner.scheduler_address)

    @property
    def security(self) -> Any:
        """Return the credentials of clients."""
        return self._inner.security

    @property
    def dashboard_link(self) -> str | None:
        """Return the address of the dashboard, for the owner's browser."""
        link = self._inner.dashboard_link
        return None if link is None else str(link)

    @property
    def workers(self) -> Mapping[str, Any]:
        """Return the workers that have joined, by their address."""
        return dict(self._inner.scheduler_info.get("workers", {}))

    def scale(self, n: int) -> None:
        """Ask for ``n`` workers; they come within seconds."""
        run(self._inner.scale(n))

    def adapt(
        self,
        minimum: int | None = None,
        maximum: int | None = None,
        *,
        active: bool = True,
    ) -> None:
        """Let the number of workers follow the work, between two bounds."""
        run(self._inner.adapt(minimum=minimum, maximum=maximum, active=active))

    def get_client(self, *, set_as_default: bool = True) -> distributed.Client:
        """Return a client of this cluster."""
        client = distributed.Client(
            self, security=self.security, set_as_default=set_as_default, loop=self.loop
        )
        self._clients.add(client)
        return client

    def close(self, *, shutdown: bool = True) -> Any:
        """Stop the cluster; with ``shutdown=False`` only let go of it here."""
        return run(self._close(shutdown))

    def shutdown(self) -> Any:
        """Stop the cluster."""
        return self.close()

    async def _close(self, shutdown: bool) -> None:
        if self.status in ("closing", "closed"):
            return
        clients = list(self._clients)
        await self._inner.close(shutdown=shutdown)
        for client in clients:
            # in the loop's own thread this returns what to wait for
            await client.close()

    def __await__(self) -> Any:
        async def started() -> Cluster:
            return self

        return started().__await__()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Cluster {self.name}, {len(self.workers)} workers, {self.status}>"

    def _repr_html_(self) -> str:
        link = html.escape(self.dashboard_link or "", quote=True)
        shown = f'<a href="{link}" target="_blank">Dashboard</a>' if link else ""
        return (
            f"<b>Dask cluster</b> <code>{html.escape(self.name)}</code><br>"
            f"{len(self.workers)} workers, {html.escape(self.status)}<br>{shown}"
        )


def _let_go(inner: GatewayCluster) -> None:
    """Close a forgotten cluster's connections some time; the collector waits for nothing."""
    loop = _Loop.get().asyncio_loop
    if loop.is_running():
        loop.call_soon_threadsafe(lambda: loop.create_task(inner.close(shutdown=False)))


_held: weakref.WeakValueDictionary[str, Cluster] = weakref.WeakValueDictionary()


def cluster(
    *, worker_cores: float | None = None, worker_memory: float | str | None = None
) -> Cluster:
    """Return my cluster: the newest of this server that runs, else a new one.

    Parameters
    ----------
    worker_cores
        Cores of each worker. Absent: whatever my cluster has, or the least of the
        profile. Where it is given, only a cluster with such workers counts as mine.
    worker_memory
        Memory of each worker in GiB, or a size such as ``"2G"``.

    Raises
    ------
    ClusterError
        In words, where the facility refuses: no such profile, a ceiling, no server.
    """
    chosen = {"worker_cores": worker_cores, "worker_memory": worker_memory}
    options = {key: value for key, value in chosen.items() if value is not None}
    name, inner = run(_open(options))
    if inner is None:
        return _held[name]
    _held[name] = made = Cluster(inner)
    return made


async def _open(options: dict[str, Any]) -> tuple[str, GatewayCluster | None]:
    """Return my cluster's name and, unless this kernel holds it already, a new hold of it."""
    async with Gateway(asynchronous=True) as gateway:
        reports = await gateway.list_clusters(status=["pending", "running"])
    name = newest(reports, options, server=server_name())
    if name is None:
        inner = await GatewayCluster(asynchronous=True, **options)
        return str(inner.name), inner
    held = _held.get(name)
    if held is not None and held.status == "running":
        return name, None
    return name, await GatewayCluster.from_name(
        name, asynchronous=True, shutdown_on_close=False
    )


def newest(
    reports: Iterable[ClusterReport], options: Mapping[str, Any], *, server: str
) -> str | None:
    """Return the name of the newest cluster of a server whose workers are as asked."""
    mine = [
        report
        for report in reports
        if report.options.get("server") == server
        and all(
            report.options.get(key) == in_gib(value) for key, value in options.items()
        )
    ]
    mine.sort(key=lambda report: report.start_time)
    return str(mine[-1].name) if mine else None


def in_gib(value: float | str) -> float | None:
    """Return a size as the gateway keeps it: GiB where it has a unit."""
    if not isinstance(value, str):
        return float(value)
    factors = {"K": 1 / 1024**2, "M": 1 / 1024, "G": 1.0, "T": 1024.0}
    try:
        return float(value[:-1]) * factors[value[-1:]]
    except (ValueError, KeyError):
        # no size: the gateway says so in its words
        return None


def server_name() -> str:
    """Return the name of the server this kernel runs in; empty for the first one."""
    return os.environ.get("JUPYTERHUB_SERVER_NAME", "")
