"""What the two ends of a copy can see: the sender the tree, the receiver its generations.

The agent can read everything, and people change their trees while they are copied. So
neither end is the agent: a folder that becomes a link in the middle leads to nothing, as
nothing is there. bwrap makes every mount nosuid and nodev, and no sandbox has a network.

Source: bwrap(1) 0.8, capabilities(7).
"""

from __future__ import annotations

from pathlib import Path

BWRAP = "/usr/bin/bwrap"
BASH = "/usr/bin/bash"
RSYNC = "/usr/bin/rsync"
NEEDED = (BWRAP, BASH, RSYNC)
FROM, TO, RELAY = "/from", "/to", "/relay"
RELAY_FILE = Path(__file__).with_name("relay.sh")
ENVIRONMENT = {"PATH": "/usr/bin", "LC_ALL": "C"}
_SYSTEM = ("bin", "lib", "lib64")
_READS = ("CAP_DAC_READ_SEARCH",)
# gives files away, writes in folders of others, keeps the setgid bit of their folders
_WRITES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID")


def missing_programs() -> tuple[str, ...]:
    """Return which programs that a backup needs are not on this machine."""
    return tuple(path for path in NEEDED if not Path(path).exists())


def make_sender(tree: Path) -> tuple[str, ...]:
    """Return what runs a command that sees a tree, read-only, and nothing to write."""
    binds = ("--ro-bind", str(tree), FROM, "--ro-bind", str(RELAY_FILE), RELAY)
    return _make(_READS, binds)


def make_receiver(generations: Path) -> tuple[str, ...]:
    """Return what runs a command that sees and writes one tree's generations."""
    return _make(_WRITES, ("--bind", str(generations), TO))


def _make(capabilities: tuple[str, ...], binds: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(name for name in _SYSTEM if (Path("/usr") / name).is_dir())
    return (
        *(BWRAP, "--die-with-parent", "--new-session"),
        *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
        *("--unshare-cgroup-try", "--cap-drop", "ALL"),
        *(word for name in capabilities for word in ("--cap-add", name)),
        *(word for name in names for word in _system(name)),
        *binds,
        *("--remount-ro", "/", "--chdir", "/", "--"),
    )


def _system(name: str) -> tuple[str, ...]:
    return (
        "--ro-bind",
        f"/usr/{name}",
        f"/usr/{name}",
        "--symlink",
        f"usr/{name}",
        f"/{name}",
    )
