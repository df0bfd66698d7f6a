"""How the facility's own processes that need no power lose it: a sandbox and a uid.

As root, the service, the demo IAM and the proxy run in a bubblewrap sandbox that shows
them the system, their code and their own folder, under a uid of their own and without
capabilities. As an ordinary user they run as they are. In both cases they end with the
process that started them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from jupyterhub_af.policy.sandbox import parents_of

BWRAP = "/usr/bin/bwrap"
SETPRIV = "/usr/bin/setpriv"
_ETC = (
    "ssl/certs",
    "hosts",
    "nsswitch.conf",
    "resolv.conf",
    "localtime",
    "ld.so.cache",
)
_MADE = frozenset({"/usr", "/etc", "/proc", "/dev", "/tmp"})


def python_folders() -> tuple[Path, ...]:
    """Return the folders that this Python, its packages and our code need."""
    package = Path(__file__).resolve().parents[1]
    places = (Path(sys.prefix), Path(sys.base_prefix), package)
    return tuple(p for p in dict.fromkeys(places) if not p.is_relative_to("/usr"))


def make_confined_command(
    command: Sequence[str], *, uid: int, read_only: Sequence[Path], own: Sequence[Path]
) -> list[str]:
    """Return the command, confined as far as the user of this process can confine it.

    ``own`` are the folders it may write, ``read_only`` the others it must see.
    """
    if os.geteuid() != 0:
        return [SETPRIV, "--pdeathsig", "KILL", "--", *command]
    drop = (
        *(SETPRIV, "--reuid", str(uid), "--regid", str(uid), "--clear-groups"),
        *(
            "--inh-caps=-all",
            "--ambient-caps=-all",
            "--bounding-set=-all",
            "--no-new-privs",
        ),
    )
    return [BWRAP, *_options(read_only, own), "--", *drop, "--", *command]


def _options(read_only: Sequence[Path], own: Sequence[Path]) -> list[str]:
    kept = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
    namespaces = (
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--die-with-parent",
    )
    capabilities = (
        "--cap-drop",
        "ALL",
        *(w for name in kept for w in ("--cap-add", name)),
    )
    folders = ("--ro-bind", "/usr", "/usr", "--perms", "0755", "--dir", "/etc")
    links = (w for name in ("bin", "sbin", "lib", "lib64") for w in _link(name))
    kernel = ("--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp")
    options = [*namespaces, *capabilities, *folders, *links, *kernel]
    etc = [Path("/etc") / name for name in _ETC]
    pairs = [("--ro-bind", path.resolve(), path) for path in etc if path.exists()]
    pairs += [("--ro-bind", path, path) for path in sorted(read_only)]
    pairs += [("--bind", path, path) for path in own]
    return [*options, *_binds(pairs), "--remount-ro", "/", "--chdir", "/"]


def _link(name: str) -> tuple[str, str, str]:
    return ("--symlink", f"usr/{name}", f"/{name}")


def _binds(pairs: Sequence[tuple[str, Path, Path]]) -> list[str]:
    """Bind each path, making its parents first: bwrap's own would be closed to the uid.

    Where a path lies in a folder that is bound already (the facility file beside the
    data), what leads to it is made anew: the real folders may be closed to the uid, and
    hold what is not for this process.
    """
    made = set(_MADE)
    bound: set[str] = set()
    words: list[str] = []
    for option, source, target in pairs:
        for parent in parents_of(str(target)):
            if parent not in made:
                is_inside = not bound.isdisjoint(parents_of(parent))
                words += [
                    "--perms",
                    "0755",
                    "--tmpfs" if is_inside else "--dir",
                    parent,
                ]
                made.add(parent)
        words += [option, str(source), str(target)]
        made.add(str(target))
        bound.add(str(target))
    return words
