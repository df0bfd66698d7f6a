"""What the kernel says of a process: enough to know it again after a hub restart."""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc")


def read_boot_id() -> str:
    """Return the id of this boot: a pid means nothing after another one."""
    return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def read_start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it has ended.

    One that has ended and waits for its parent to notice counts as gone.
    """
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf8", errors="replace")
    except OSError:
        return None
    # the name in parentheses may hold spaces and parentheses itself
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def read_children(pid: int) -> tuple[int, ...]:
    """Return the direct children of a process's main thread, oldest first."""
    try:
        text = (PROC / str(pid) / "task" / str(pid) / "children").read_text(
            encoding="ascii"
        )
    except OSError:
        return ()
    return tuple(int(child) for child in text.split())


def is_same_process(pid: int, start_ticks: int, boot_id: str) -> bool:
    """Tell whether a pid is still the process that was noted."""
    return (
        pid > 0 and boot_id == read_boot_id() and read_start_ticks(pid) == start_ticks
    )
