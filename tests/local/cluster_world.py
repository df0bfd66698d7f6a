"""Clusters as a person's own notebook has them, on a machine with room for a few workers."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

from facility_world import RunningFacility
from kernel_world import Kernel

from jupyterhub_af.local.up import DEMO_FACILITY

TWO_WORKERS = """
from jupyterlab_af.dask import cluster, ClusterError
mine = cluster()
mine.scale(2)
client = mine.get_client()
client.wait_for_workers(2, timeout=150)
"""
# the cluster has work from the start on: nothing of it counts as idle
TWO_WORKERS_AND_WORK = """
from jupyterlab_af.dask import cluster
mine = cluster()
client = mine.get_client()
work = client.submit(sum, range(10))
mine.scale(2)
client.wait_for_workers(2, timeout=150)
print(work.result())
"""
STOP_ALL = """
from dask_gateway import Gateway
import asyncio
async def stop_all():
    async with Gateway(asynchronous=True) as gateway:
        for report in await gateway.list_clusters():
            await gateway.stop_cluster(report.name)
await stop_all()
print("all asked")
"""


def write_facility(folder: Path) -> Path:
    """Return the demo's file with clusters that one small machine can have."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    text = DEMO_FACILITY.read_text()
    assert "user_cores: 16" in text
    file = folder / "facility.yaml"
    file.write_text(text.replace("user_cores: 16", "user_cores: 4"))
    return file


def run(kernel: Kernel, code: str, *, seconds: float = 300) -> list[str]:
    return kernel.run(dedent(code), seconds=seconds).splitlines()


def parts_of(facility: RunningFacility, name: str) -> list[dict[str, Any]]:
    """Return what is kept of the sandboxes of one cluster."""
    parts = facility.cluster_parts().items()
    return [part for at, part in parts if at.startswith(f"{name}/")]
