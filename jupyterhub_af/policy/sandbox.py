"""A plan as a bubblewrap sandbox: pure, so that spawner and Dask backend agree.

The sandbox sees ``/usr``, a few files of ``/etc``, its Python environment, the areas
of the plan and nothing else; ``/tmp`` and the process table are its own. Who may
change what is decided twice: by these mounts, and by uid and gids.

With the hub as root there is no user namespace, so that every gid is a real one; bwrap
keeps just enough capabilities for ``setpriv`` to become the person and drop them all.
As an ordinary user everybody has the hub's own uid and the mounts are the only wall.

Source: bwrap(1) 0.8, setpriv(1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import UnsafeNameError
from .groups import is_group
from .names import check_relative, make_slug
from .plan import ServerPlan
from .storage import AREAS_ROOT, CVMFS_PATH, Mount

SETPRIV = "/usr/bin/setpriv"
ENV = "/usr/bin/env"
_KEPT_CAPABILITIES = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
_LOGIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]{0,31}")
_SYSTEM_NAMES = frozenset({"root", "nobody", "nogroup"})
_STANDARD_PARENTS = frozenset({"/usr", "/etc", "/tmp", "/var", "/run", "/dev", "/proc"})


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or folder of the machine and where the sandbox sees it, read-only."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class SandboxHost:
    """What the machine gives a sandbox; every path is absolute and resolved.

    ``volume`` is the folder the areas lie in, ``read_only`` the environment and the
    files of ``/etc``, ``cvmfs`` None where the machine has none. ``dies_with_parent``
    is off for what must outlive a restart of the process that started it.
    """

    volume: str
    read_only: tuple[Bind, ...]
    cvmfs: str | None
    is_root: bool
    host_name: str = "af"
    dies_with_parent: bool = True


def make_bwrap_arguments(plan: ServerPlan, host: SandboxHost) -> tuple[str, ...]:
    """Return the options of bwrap for a plan, outer mounts first.

    Everything is an option of its own, never a shell string. The roots are made
    read-only last, after the mount points were made in them.

    Raises
    ------
    UnsafeNameError
        If a mount would show anything but a path of the volume, below ``/af``.
    """
    return (
        *_namespaces(host),
        *_privileges(plan, host),
        *_system(),
        *_binds(host.read_only),
        *_areas(plan.mounts, host),
        *("--remount-ro", AREAS_ROOT, "--remount-ro", "/"),
    )


def make_person_command(plan: ServerPlan, host: SandboxHost) -> tuple[str, ...]:
    """Return what runs first inside: become the person, go home, then the command."""
    go_home = (ENV, f"--chdir={plan.home}", "--")
    if not host.is_root:
        return go_home
    uid, gid = _own_ids(plan)
    gids = ",".join(str(gid) for gid in plan.supplemental_gids)
    groups = ("--groups", gids) if gids else ("--clear-groups",)
    return (
        *(SETPRIV, "--reuid", str(uid), "--regid", str(gid), *groups),
        *(
            "--inh-caps=-all",
            "--ambient-caps=-all",
            "--bounding-set=-all",
            "--no-new-privs",
        ),
        "--",
        *go_home,
    )


def _own_ids(plan: ServerPlan) -> tuple[int, int]:
    if not plan.uid or not plan.gid:
        msg = "a plan without uid and gid cannot start"
        raise ValueError(msg)
    return plan.uid, plan.gid


def login_name(plan: ServerPlan) -> str:
    """Return the name that passwd and group show: the hub name where it fits there.

    Any other hub name, with a ``:`` or a line's end in it say, shows as its slug.
    """
    if plan.user in _SYSTEM_NAMES:
        return f"person-{plan.person}"
    return plan.user if _LOGIN_NAME.fullmatch(plan.user) else make_slug(plan.user)


def passwd_text(plan: ServerPlan) -> str:
    """Return a passwd that knows root, nobody and the person."""
    name = login_name(plan)
    home = "/" + "/".join(check_relative(plan.home.removeprefix("/")))
    return (
        "root:x:0:0:root:/:/usr/sbin/nologin\n"
        f"{name}:x:{plan.uid}:{plan.gid}:{name}:{home}:/bin/bash\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    )


def group_text(plan: ServerPlan) -> str:
    """Return a group file with the person's own group and those of the mounts.

    A group's path is not a name that ``ls`` can show: ``/`` becomes ``.``. What is no
    group has no line.
    """
    name = login_name(plan)
    lines = ["root:x:0:", f"{name}:x:{plan.gid}:", "nogroup:x:65534:"]
    lines += [
        f"{group.replace('/', '.')}:x:{gid}:{name if gid in plan.supplemental_gids else ''}"
        for group, gid in sorted(plan.gids.items())
        if is_group(group)
    ]
    return "\n".join(lines) + "\n"


def _namespaces(host: SandboxHost) -> tuple[str, ...]:
    shared = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
    ends = ("--die-with-parent",) if host.dies_with_parent else ()
    return (*shared, "--hostname", host.host_name, *ends)


def _privileges(plan: ServerPlan, host: SandboxHost) -> tuple[str, ...]:
    if host.is_root:
        kept = (word for name in _KEPT_CAPABILITIES for word in ("--cap-add", name))
        return ("--cap-drop", "ALL", *kept)
    uid, gid = _own_ids(plan)
    own = ("--uid", str(uid), "--gid", str(gid))
    return ("--unshare-user", "--disable-userns", *own)


def _system() -> tuple[str, ...]:
    links = (
        word
        for name in ("bin", "sbin", "lib", "lib64")
        for word in ("--symlink", f"usr/{name}", f"/{name}")
    )
    folders = ("--perms", "0755", "--dir", "/etc", "--perms", "0755", "--dir", "/var")
    own = (
        word
        for path in ("/dev/shm", "/tmp", "/var/tmp")
        for word in ("--perms", "1777", "--tmpfs", path)
    )
    return (
        *("--ro-bind", "/usr", "/usr", *links, *folders),
        *("--proc", "/proc", "--dev", "/dev", *own, "--perms", "0755", "--dir", "/run"),
    )


def parents_of(path: str) -> tuple[str, ...]:
    """Return the folders above an absolute path, outermost first, without the root."""
    parts = path.strip("/").split("/")[:-1]
    return tuple("/" + "/".join(parts[: depth + 1]) for depth in range(len(parts)))


def _binds(binds: Iterable[Bind]) -> tuple[str, ...]:
    """Bind each, making its parents first: bwrap's own would be closed to the person."""
    made = set(_STANDARD_PARENTS)
    words: list[str] = []
    for bind in binds:
        for parent in parents_of(bind.target):
            if parent not in made:
                words += ["--perms", "0755", "--dir", parent]
                made.add(parent)
        words += ["--ro-bind", bind.source, bind.target]
    return tuple(words)


def _source(mount: Mount) -> str:
    return "/".join(check_relative(mount.source))


def _target(mount: Mount) -> str:
    """Return where a mount appears, or refuse anything that is not below ``/af``."""
    root, _, below = mount.path.partition(f"{AREAS_ROOT}/")
    if root:
        msg = f"The path {mount.path[:80]!r} is not below {AREAS_ROOT}."
        raise UnsafeNameError(msg)
    return f"{AREAS_ROOT}/{'/'.join(check_relative(below))}"


def _areas(mounts: tuple[Mount, ...], host: SandboxHost) -> tuple[str, ...]:
    words: list[str] = ["--perms", "0755", "--tmpfs", AREAS_ROOT]
    made = {AREAS_ROOT}
    for mount in mounts:
        if mount.kind == "cvmfs":
            words += ["--ro-bind", host.cvmfs, CVMFS_PATH] if host.cvmfs else []
            continue
        for parent in parents_of(mount.path):
            if parent not in made:
                words += ["--perms", "0755", "--dir", parent]
                made.add(parent)
        option = "--ro-bind" if mount.read_only else "--bind"
        words += [option, f"{host.volume}/{_source(mount)}", _target(mount)]
        made.add(mount.path)
    return tuple(words)
