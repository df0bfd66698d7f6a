"""Make one generation of a tree: copy, copy again what changed, look, and publish.

Until the last step nothing of it is seen, and the generations before are only linked to:
wherever this is killed, they are whole, and the next run removes what is left.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jupyterhub_af.policy.backup_messages import MOST_PATHS, GenerationRecord
from jupyterhub_af.policy.generations import choose_time
from jupyterhub_af.policy.storage_messages import TreeName

from .errors import BackupError, RacedError
from .place import NEW, WORK, Place, run_tool
from .rsync import Pass, run_pass
from .times import to_name

MOST_PASSES = 3
MOST_NOTEBOOK_BYTES = 32 * 1024**2
_INTO = f"{WORK}/{NEW}"
_BLOCK = 4096
# the disk of the backups says so, and then no part of the copy can be relied on
_NOT_WRITTEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
# people removed or exchanged it meanwhile, which is theirs to do
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Made:
    """The generation that shows how a tree is now, and what space it took anew."""

    record: GenerationRecord
    is_new: bool
    space_bytes: int


def make_generation(
    place: Place, clock: Callable[[], float], *, step: Step = lambda _name: None
) -> Made:
    """Copy a tree as it is now; a tree that did not change has its newest one confirmed.

    ``step`` is told the name of each step once it is done.

    Raises
    ------
    BackupError, OSError
        If there is no new generation; nothing is left of the attempt.
    """
    try:
        return _make(place, clock, step)
    finally:
        # after a kill it is the next run that does this
        place.clean()


def _make(place: Place, clock: Callable[[], float], step: Step) -> Made:
    started_at = clock()
    times = place.times()
    newest = times[-1] if times else None
    passes, unstable = _copy(place, None if newest is None else to_name(newest), step)
    known = None if newest is None else place.load_record(newest)
    if known is not None and _is_unchanged(passes, known):
        return Made(_confirm(place, known, clock()), is_new=False, space_bytes=0)
    name = to_name(choose_time(started_at, newest))
    record = _to_record(place, passes, unstable, name=name, started_at=started_at)
    _sync(place.generations)
    step("synced")
    record = record.model_copy(update={"finished_at": (now := clock()), "seen_at": now})
    place.publish(record)
    step("published")
    return Made(record, is_new=True, space_bytes=_space_of(place, record, passes))


def _copy(
    place: Place, link_to: str | None, step: Step
) -> tuple[list[Pass], tuple[str, ...]]:
    """Copy all, then what was read while it may have been written, some times.

    Return the passes, and the paths that had changed again before the last of them.
    """
    passes = [_copy_all(place, link_to, step)]
    step("copied")
    while passes[-1].copied:
        if len(passes) == MOST_PASSES:
            return passes, passes[-1].copied
        only = passes[-1].copied
        try:
            again = run_pass(place.source, place.generations, _INTO, only=only)
        except RacedError:
            return passes, only
        passes.append(_checked(again))
        step(f"copied again {len(passes)}")
    return passes, ()


def _copy_all(place: Place, link_to: str | None, step: Step) -> Pass:
    """Copy the whole tree, and begin anew where folders were exchanged meanwhile."""
    for _ in range(MOST_PASSES - 1):
        with suppress(RacedError):
            return _copy_once(place, link_to, step)
    return _copy_once(place, link_to, step)


def _copy_once(place: Place, link_to: str | None, step: Step) -> Pass:
    place.begin()
    step("begun")
    source, into = place.source, place.generations
    return _checked(run_pass(source, into, _INTO, link_to=link_to))


def _checked(found: Pass) -> Pass:
    """Return a pass, or refuse one that the disk of the backups did not hold."""
    for _, code in found.errors:
        if code in _NOT_WRITTEN:
            raise BackupError(
                f"The disk of the backups said {os.strerror(code)!r}; the earlier "
                "generations are whole."
            )
    return found


def _is_unchanged(passes: Sequence[Pass], known: GenerationRecord) -> bool:
    """Tell whether a tree is as its newest generation.

    rsync tells each thing that differs or is new; what is gone shows in the number.
    """
    only = passes[0]
    is_whole = not (only.errors or known.unread_count or known.unstable_count)
    return is_whole and only.is_same and only.count("Number of files") == known.files


def _confirm(place: Place, known: GenerationRecord, now: float) -> GenerationRecord:
    confirmed = known.model_copy(update={"seen_at": max(now, known.seen_at)})
    place.keep_record(confirmed)
    return confirmed


def _to_record(
    place: Place,
    passes: Sequence[Pass],
    unstable: Sequence[str],
    *,
    name: str,
    started_at: float,
) -> GenerationRecord:
    first = passes[0]
    unread = [path for path, code in first.errors if code not in _GONE]
    notebooks = _unparsable(place.work / NEW, first.copied)
    tree = place.tree
    return GenerationRecord(
        name=name,
        tree=TreeName(area=tree.area, kind=tree.kind, owner=tree.owner),
        started_at=started_at,
        finished_at=started_at,
        seen_at=started_at,
        files=first.count("Number of files"),
        bytes=first.count("Total file size"),
        new_files=len(first.copied),
        new_bytes=sum(one.count("Total transferred file size") for one in passes),
        passes=len(passes),
        unstable=_shown(unstable),
        unstable_count=len(unstable),
        unparsable=_shown(notebooks),
        unparsable_count=len(notebooks),
        unread=_shown(unread),
        unread_count=len(unread),
    )


def _shown(paths: Sequence[str]) -> tuple[str, ...]:
    """Return the first paths as text: what is no UTF-8 in a name is shown as such."""
    return tuple(
        os.fsencode(path).decode("utf8", "backslashreplace")[:4096]
        for path in paths[:MOST_PATHS]
    )


def _unparsable(folder: Path, paths: Iterable[str]) -> list[str]:
    """Return the notebooks that are no JSON; very large ones are not looked at."""
    notebooks = (path for path in paths if path.endswith(".ipynb"))
    return [path for path in notebooks if not _is_json(folder / path)]


def _is_json(path: Path) -> bool:
    """Tell whether a file of the closed folder, which nobody exchanges, is JSON."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            if os.fstat(fd).st_size > MOST_NOTEBOOK_BYTES:
                return True
            json.loads(file.read())
    except (ValueError, RecursionError):
        return False
    except OSError:
        # gone again in a later pass, or deeper than a path can say
        return True
    return True


def _sync(folder: Path) -> None:
    """Have the file system write down what it was given before people see it."""
    run_tool("/usr/bin/sync", "--file-system", str(folder))


def _space_of(place: Place, record: GenerationRecord, passes: Sequence[Pass]) -> int:
    """Return the space that a new generation took: its copies, and all its folders."""
    folder = place.generations / record.name
    blocks: dict[int, int] = {}
    for path in passes[0].copied:
        with suppress(OSError):
            status = (folder / path).lstat()
            blocks[status.st_ino] = status.st_blocks
    return 512 * sum(blocks.values()) + _BLOCK * passes[0].folders
