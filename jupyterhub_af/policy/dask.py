"""What Dask clusters a person may have: ceilings, what is used, what is left, and words.

Words: a cluster *uses* the cores and memory of the workers it may grow to; its scheduler
is not counted, since ``max_clusters`` bounds schedulers. All clusters of a person count
together, whichever server they belong to. Memory is in bytes.

Pure: who asks, and what runs, is handed in by the gateway.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .access import Access
from .coverage import refuse_running
from .facility import DaskRule
from .plan import ServerPlan
from .sentence import Sentence, say
from .units import format_cores, format_memory


@dataclass(frozen=True, slots=True)
class WorkerSize:
    """The cores and memory of each worker of a cluster."""

    cores: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class ClusterUse:
    """A cluster and the number of workers it may grow to."""

    name: str
    size: WorkerSize
    workers: int

    @property
    def cores(self) -> float:
        """Return the cores of all its workers."""
        return self.workers * self.size.cores

    @property
    def memory_bytes(self) -> int:
        """Return the memory of all its workers."""
        return self.workers * self.size.memory_bytes


@dataclass(frozen=True, slots=True)
class Grant:
    """The entry of the facility file whose ceilings hold for a server's clusters."""

    entry: str
    rule: DaskRule


def grant_clusters(access: Access, plan: ServerPlan) -> Grant | Sentence:
    """Return what a server may have of clusters today, or why nothing.

    The plan says which entry; today's access must still cover it, and all that the
    server was started with, since the workers are made of the same plan.
    """
    if access.reason is not None:
        return access.reason
    title = plan.profile_display_name
    if plan.dask is None:
        return say(
            "{title} has no Dask clusters. Stop the server and choose a profile that has "
            "them.",
            title=title,
        )
    profile = access.profile(plan.profile)
    if profile is not None and profile.reason is not None:
        return profile.reason
    entry = next((found for found in access.dask if found.name == plan.dask), None)
    if profile is None or entry is None:
        return say(
            "{title} is not offered any more as your server was started. Save your work, "
            "then stop the server and start it again.",
            title=title,
        )
    refusal = entry.reason or refuse_running(access, plan)
    return refusal or Grant(entry.name, entry.rule)


def least_size(rule: DaskRule) -> WorkerSize:
    """Return the workers of who asks for nothing in particular."""
    return WorkerSize(rule.worker_cores[0], rule.worker_memory[0])


def refuse_size(rule: DaskRule, size: WorkerSize) -> Sentence | None:
    """Return why workers of this size are not to be had, or None."""
    least, most = rule.worker_cores
    if not least <= size.cores <= most:
        return say(
            "worker_cores is {value}; here it goes from {least} to {most}.",
            value=format_cores(size.cores),
            least=format_cores(least),
            most=format_cores(most),
        )
    low, high = rule.worker_memory
    if not low <= size.memory_bytes <= high:
        return say(
            "worker_memory is {value}; here it goes from {least} to {most}.",
            value=format_memory(size.memory_bytes),
            least=format_memory(low),
            most=format_memory(high),
        )
    return None


def refuse_cluster(
    rule: DaskRule, size: WorkerSize, others: Iterable[ClusterUse]
) -> Sentence | None:
    """Return why a person with these clusters gets no further one, or None."""
    running = tuple(others)
    if len(running) >= rule.max_clusters:
        return say(
            "You have {count} Dask clusters and may have {most}. Use the one you have, "
            "or stop one first.",
            count=len(running),
            most=rule.max_clusters,
        )
    return refuse_size(rule, size) or refuse_workers(
        rule, size, count=1, others=running
    )


def refuse_workers(
    rule: DaskRule, size: WorkerSize, *, count: int, others: Iterable[ClusterUse]
) -> Sentence | None:
    """Return why a cluster gets no ``count`` workers beside the person's others, or None."""
    running = tuple(others)
    most = most_workers(rule, size, running)
    if count <= most:
        return None
    used_cores = sum(cluster.cores for cluster in running)
    used_memory = sum(cluster.memory_bytes for cluster in running)
    if not most:
        return say(
            "No worker of {cores} and {memory} fits any more: your other clusters may "
            "use {used_cores} of {all_cores} and {used_memory} of {all_memory}. Scale "
            "one of them down, or stop it.",
            cores=format_cores(size.cores),
            memory=format_memory(size.memory_bytes),
            used_cores=f"{used_cores:g}",
            all_cores=format_cores(rule.user_cores),
            used_memory=format_memory(used_memory),
            all_memory=format_memory(rule.user_memory),
        )
    if used_cores or used_memory:
        return say(
            "{count} workers of {cores} and {memory} are more than is left to you: "
            "your other clusters may use {used_cores} of {all_cores} and {used_memory} "
            "of {all_memory}. At most {most} fit.",
            count=count,
            cores=format_cores(size.cores),
            memory=format_memory(size.memory_bytes),
            used_cores=f"{used_cores:g}",
            all_cores=format_cores(rule.user_cores),
            used_memory=format_memory(used_memory),
            all_memory=format_memory(rule.user_memory),
            most=most,
        )
    return say(
        "{count} workers of {cores} and {memory} are more than the {all_cores} and "
        "{all_memory} that you may use. At most {most} fit.",
        count=count,
        cores=format_cores(size.cores),
        memory=format_memory(size.memory_bytes),
        all_cores=format_cores(rule.user_cores),
        all_memory=format_memory(rule.user_memory),
        most=most,
    )


def most_workers(rule: DaskRule, size: WorkerSize, others: Iterable[ClusterUse]) -> int:
    """Return how many workers of a size fit beside the person's other clusters."""
    running = tuple(others)
    cores = rule.user_cores - sum(cluster.cores for cluster in running)
    memory = rule.user_memory - sum(cluster.memory_bytes for cluster in running)
    # 0.3 // 0.1 is 2: cores are counted in thousandths, as Kubernetes counts them
    by_cores = round(cores * 1000) // max(1, round(size.cores * 1000))
    return max(0, min(by_cores, memory // size.memory_bytes))
