"""The process that copies: one job, a line of JSON, after the other, at low priority.

It ends when the agent does: by the end of its input, or killed with it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from jupyterhub_af.policy.backup_messages import GenerationRecord
from jupyterhub_af.policy.errors import AFError, UnsafeNameError
from jupyterhub_af.policy.generations import Keeping
from jupyterhub_af.policy.messages import Message
from jupyterhub_af.policy.storage import make_tree
from jupyterhub_af.policy.storage_messages import TreeName
from jupyterhub_af.storage.accept import IdRanges

from .copy import Step, make_generation
from .errors import to_backup_error
from .place import Place, ensure_place
from .space import Space
from .thin import thin_area, thin_tree


class Job(Message):
    """agent → worker: make a generation of a tree, then let old ones go."""

    volume: str
    tree: TreeName
    keeping: Keeping
    budget_bytes: int | None
    ranges: IdRanges


class Done(Message):
    """worker → agent: the generation that shows the tree as it is, or why there is none."""

    record: GenerationRecord | None = None
    is_new: bool = False
    failure: str | None = None


def do_job(
    job: Job,
    *,
    clock: Callable[[], float] = time.time,
    step: Step = lambda _name: None,
) -> Done:
    """Make a generation and thin; what cannot be done is said in words."""
    try:
        tree = make_tree(job.tree.kind, job.tree.area, job.tree.owner)
        return _do(Place(Path(job.volume), tree), job, clock, step)
    except (AFError, UnsafeNameError) as error:
        return Done(failure=str(error)[:500])
    except OSError as error:
        return Done(failure=str(to_backup_error(error))[:500])


def _do(place: Place, job: Job, clock: Callable[[], float], step: Step) -> Done:
    ensure_place(place, job.ranges)
    step("placed")
    with Space(place.volume, place.tree.area) as space:
        made = make_generation(place, clock, step=step)
        space.bytes += made.space_bytes
        thin_tree(place, job.keeping, space, step=step)
        if job.budget_bytes is not None:
            thin_area(place, job.budget_bytes, space, step=step)
    step("thinned")
    return Done(record=made.record, is_new=made.is_new)


def main() -> None:
    """Do jobs from standard input until it ends."""
    os.umask(0o077)
    for line in sys.stdin.buffer:
        done = do_job(Job.model_validate_json(line))
        sys.stdout.buffer.write(done.model_dump_json().encode() + b"\n")
        sys.stdout.buffer.flush()
