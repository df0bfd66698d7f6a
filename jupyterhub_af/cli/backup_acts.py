"""What ``jupyterhub-af backup`` does with generations: through the service, or offline."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import ValidationError

from jupyterhub_af.line.places import AREAS
from jupyterhub_af.policy.backup_messages import (
    BackupListReply,
    BackupPurgeReply,
    BackupRunReply,
    TreeBackups,
)
from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.restore_messages import (
    AdminCopy,
    AdminList,
    AdminPurge,
    AdminRestore,
    AdminRun,
    AdminVerify,
    CopyReply,
    RestoreReply,
    VerifyReply,
)
from jupyterhub_af.policy.units import format_memory

from .asking import complain
from .offline import Offline, UsageError
from .service_line import ServiceLine, find_actor

_PATH = "/internal/admin/backups"
_PAUSE_SECONDS = 0.5
NOT_AUDITED = "Without the facility: no audit has this."


def run_run(parsed: argparse.Namespace) -> int:
    """Back up now, and wait until it is done."""
    return _said(_run, parsed)


def run_list(parsed: argparse.Namespace) -> int:
    """Print the backups there are."""
    return _said(_list, parsed)


def run_verify(parsed: argparse.Namespace) -> int:
    """Print differences."""
    return _said(_verify, parsed)


def run_restore(parsed: argparse.Namespace) -> int:
    """Bring something back."""
    return _said(_restore, parsed)


def run_purge(parsed: argparse.Namespace) -> int:
    """Take a path out of all backups."""
    return _said(_purge, parsed)


def _said(act: Callable[[argparse.Namespace], int], parsed: argparse.Namespace) -> int:
    """Run an act, and say in words why it was not done."""
    try:
        return act(parsed)
    except AFError as error:
        complain(error)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        complain(
            f"{first['loc'][0]}: {first['msg']}; `backup list` shows what there is."
        )
    return 1


def _run(parsed: argparse.Namespace) -> int:
    line = ServiceLine(parsed.data)
    if parsed.facility:
        _copy_databases(parsed.data)
    area, owner = parsed.tree or (parsed.area, "")
    actor = find_actor()
    asked = AdminRun(actor=actor, area=area, owner=owner)
    begun = time.time()
    trees = line.ask(f"{_PATH}/run", BackupRunReply, asked).trees
    wanted = {tree.model_dump_json() for tree in trees}
    return _wait(line, AdminList(**asked.model_dump(), count=0), wanted, begun)


def _wait(line: ServiceLine, asked: AdminList, wanted: set[str], begun: float) -> int:
    """Wait until trees are backed up; say each that failed."""
    while True:
        found = line.ask(f"{_PATH}/list", BackupListReply, asked).trees
        mine = [t for t in found if t.tree.model_dump_json() in wanted]
        if all(t.state == "idle" for t in mine):
            break
        time.sleep(_PAUSE_SECONDS)
    failed = [t for t in mine if t.failure is not None and t.failure.at >= begun]
    for tree in failed:
        complain(f"{_name(tree)}: {tree.failure.message if tree.failure else ''}")
    print(f"{len(mine) - len(failed)} of {len(mine)} trees are backed up.")
    return 1 if failed else 0


def _copy_databases(data: Path) -> None:
    from jupyterhub_af.storage.databases import copy_facility

    made = copy_facility(data, data / AREAS, at=time.time())
    print(f"The databases and keys are in {data / AREAS / made}.")


def _list(parsed: argparse.Namespace) -> int:
    area, owner = parsed.tree or (parsed.area, "")
    asked = AdminList(actor=find_actor(), area=area, owner=owner)
    found = ServiceLine(parsed.data).ask(f"{_PATH}/list", BackupListReply, asked)
    if parsed.json:
        print(json.dumps(found.model_dump(), indent=2))
        return 0
    for tree in found.trees:
        failure = f", failed: {tree.failure.message}" if tree.failure else ""
        print(f"{_name(tree)}: {len(tree.generations)} backups, {tree.state}{failure}")
        for made in tree.generations:
            size, new = format_memory(made.bytes), format_memory(made.new_bytes)
            print(f"  {made.name}  {made.files} files, {size}, {new} of it new")
    return 0


def _name(tree: TreeBackups) -> str:
    return f"{tree.tree.area}/{tree.tree.owner}"


def _verify(parsed: argparse.Namespace) -> int:
    if parsed.manifest is not None:
        volume = parsed.volume or parsed.data / AREAS
        lines = Offline(volume).compare_manifest(parsed.manifest)
        return _print_differences(lines)
    area, owner, generation = _generation_of(parsed)
    if parsed.volume is not None:
        complain(NOT_AUDITED)
        return _print_differences(
            Offline(parsed.volume).compare(area, owner, generation)
        )
    asked = AdminVerify(
        actor=find_actor(), area=area, owner=owner, generation=generation
    )
    line = ServiceLine(parsed.data)
    while not (reply := line.ask(f"{_PATH}/verify", VerifyReply, asked)).is_done:
        time.sleep(_PAUSE_SECONDS)
    status = _print_differences(iter(reply.differences))
    if reply.count > len(reply.differences):
        complain(f"... {reply.count} differences in all.")
    return status


def _print_differences(lines: Iterable[str]) -> int:
    count = 0
    for line in lines:
        print(line)
        count += 1
    complain(f"{count or 'No'} difference{'' if count == 1 else 's'}.")
    return 1 if count else 0


def _restore(parsed: argparse.Namespace) -> int:
    area, owner, generation = _generation_of(parsed)
    asked = AdminRestore(
        actor=find_actor(),
        area=area,
        owner=owner,
        generation=generation,
        path=parsed.path,
    )
    if parsed.to != "live":
        return _copy_out(parsed, asked)
    if parsed.volume is not None:
        complain(NOT_AUDITED)
        return _print_restored(Offline(parsed.volume).restore(asked))
    line = ServiceLine(parsed.data)
    while not (reply := line.ask(f"{_PATH}/restore", RestoreReply, asked)).is_done:
        time.sleep(_PAUSE_SECONDS)
    return _print_restored(reply)


def _copy_out(parsed: argparse.Namespace, asked: AdminRestore) -> int:
    """Copy into a folder of this machine: as root, and first said to the audit."""
    if parsed.volume is not None:
        complain(NOT_AUDITED)
        volume = parsed.volume
        owner = asked.owner
    else:
        copy = AdminCopy(**asked.model_dump())
        reply = ServiceLine(parsed.data).ask(f"{_PATH}/copy", CopyReply, copy)
        volume, owner = parsed.data / AREAS, reply.tree.owner
    wanted = asked.model_copy(update={"owner": owner})
    to = Path(parsed.to)
    for name in Offline(volume).copy_out(wanted, to):
        print(to / name)
    return 0


def _print_restored(reply: RestoreReply) -> int:
    for path in reply.restored:
        print(f"{path}: brought back")
    for path in reply.kept:
        print(f"{path}: what was there before")
    return 0


def _purge(parsed: argparse.Namespace) -> int:
    area, owner = parsed.tree
    asked = AdminPurge(actor=find_actor(), area=area, owner=owner, path=parsed.path)
    reply = ServiceLine(parsed.data).ask(f"{_PATH}/purge", BackupPurgeReply, asked)
    print(f"{area}/{owner}: {reply.generations} backups had it; none has it now.")
    return 0


def _generation_of(parsed: argparse.Namespace) -> tuple[str, str, str]:
    if parsed.tree is None or parsed.generation is None:
        msg = "Say which backup of what: --tree AREA/OWNER --from TIME."
        raise UsageError(msg)
    area, owner = parsed.tree
    return area, owner, parsed.generation
