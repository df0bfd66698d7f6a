"""What may lie in the way of the agent, and how to see that nothing outside changed."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from storage_world import ensure, open_volume, plan_for

HOME, SHARED = "private/student1", "shared/shared/student1"
FOLDER, GENERATIONS = "collab/collabspace/GW", "backups/collabspace/GW"


@dataclass
class Place:
    """A volume where student1 and student2 have been, and a tree beside it."""

    volume: Path
    outside: Path
    undo: ExitStack = field(default_factory=ExitStack)

    def clear(self, path: str) -> Path:
        """Make room at a path of the plan."""
        found = self.volume / path
        shutil.rmtree(found)
        return found


@contextmanager
def open_place() -> Iterator[Place]:
    with open_volume() as volume, ExitStack() as undo:
        outside = volume.parent / "outside"
        # of the same shape as the volume, so that a follower would feel at home
        for path in (HOME, SHARED, FOLDER, GENERATIONS):
            (outside / path).mkdir(parents=True)
        (outside / HOME / "secret").write_text("not for students")
        (outside / HOME / "secret").chmod(0o600)
        for person in ("student1", "student2"):
            ensure(volume, plan_for(person))
        (volume / "private/student2/diary").write_text("mine")
        yield Place(volume, outside, undo)


def snapshot(*roots: Path) -> dict[str, tuple[object, ...]]:
    """Return everything that can be seen of trees without changing them."""
    found = {}
    for root in roots:
        for path in (root, *sorted(root.rglob("*"))):
            status = path.lstat()
            kept: object = None
            if path.is_symlink():
                kept = path.readlink()
            elif stat.S_ISREG(status.st_mode):
                kept = path.read_bytes()
            lists = tuple(
                (name, os.getxattr(path, name, follow_symlinks=False))
                for name in os.listxattr(path, follow_symlinks=False)
            )
            # reading above moves the time of access
            times = (status.st_mtime_ns, status.st_ctime_ns)
            found[str(path)] = (*status[:7], *times, lists, kept)
    return found


def others(place: Place) -> dict[str, tuple[object, ...]]:
    roots = (place.outside, *place.volume.glob("*/student2"))
    shared = place.volume.glob("*/*/student2")
    return snapshot(*roots, *shared)


# each puts something at a path of the plan


def link_to(target: str) -> Callable[[Place, str], None]:
    """Return an obstacle that is a link; ``{out}``, ``{vol}`` and ``{path}`` are filled.

    ``{fd}`` is a descriptor of the tree outside.
    """

    def put(place: Place, path: str) -> None:
        words: dict[str, object] = {"vol": place.volume, "path": path}
        words |= {"out": place.outside, "fd": os.open(place.outside, os.O_RDONLY)}
        place.undo.callback(os.close, words["fd"])
        place.clear(path).symlink_to(target.format(**words))

    return put


def chain(place: Place, path: str) -> None:
    hop = place.volume / "hop"
    hop.symlink_to(place.outside / path)
    place.clear(path).symlink_to(hop)


def chain_of_fifty(place: Place, path: str) -> None:
    """Longer than a kernel follows; the last leads outside."""
    target = place.outside / path
    for number in range(50):
        hop = place.outside.parent / f"hop{number}"
        hop.symlink_to(target)
        target = hop
    place.clear(path).symlink_to(target)


def loop_of_two(place: Place, path: str) -> None:
    other = place.volume / "loop"
    other.symlink_to(place.volume / path)
    place.clear(path).symlink_to(other)


def hard_link(place: Place, path: str) -> None:
    place.clear(path).hardlink_to(place.outside / HOME / "secret")


def hard_link_to_a_link(place: Place, path: str) -> None:
    link = place.outside.parent / "link"
    link.symlink_to(place.outside / path)
    os.link(link, place.clear(path), follow_symlinks=False)


def plain_file(place: Place, path: str) -> None:
    place.clear(path).write_text("in the way")


def set_id_program(place: Place, path: str) -> None:
    shutil.copy("/bin/true", place.clear(path))
    (place.volume / path).chmod(0o6755)


def fifo(place: Place, path: str) -> None:
    os.mkfifo(place.clear(path))


def bound_socket(place: Place, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(place.clear(path)))


def device(kind: int, *numbers: int) -> Callable[[Place, str], None]:
    def put(place: Place, path: str) -> None:
        os.mknod(place.clear(path), kind | 0o666, os.makedev(*numbers))

    return put


def given_to(uid: int, gid: int, mode: int) -> Callable[[Place, str], None]:
    def put(place: Place, path: str) -> None:
        os.chown(place.volume / path, uid, gid)
        (place.volume / path).chmod(mode)

    return put


def immutable(place: Place, path: str) -> None:
    """As after `chattr +i`: what is to be mended refuses to be."""
    folder = str(place.volume / path)
    Path(folder).chmod(0o777)
    subprocess.run(["chattr", "+i", folder], check=True)
    place.undo.callback(subprocess.run, ["chattr", "-i", folder], check=True)


def mounted_over(place: Place, path: str) -> None:
    """As an area on a disk of its own: what is mounted is the directory."""
    folder = str(place.volume / path)
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0777", "tmpfs", folder]
    subprocess.run(command, check=True)
    place.undo.callback(subprocess.run, ["umount", folder], check=True)


def mounted_read_only(place: Place, path: str) -> None:
    folder = str(place.volume / path)
    command = ["mount", "-t", "tmpfs", "-o", "ro,size=64k,mode=0777", "tmpfs", folder]
    subprocess.run(command, check=True)
    place.undo.callback(subprocess.run, ["umount", folder], check=True)


def mounted_file(place: Place, path: str) -> None:
    plain_file(place, path)
    folder = str(place.volume / path)
    secret = str(place.outside / HOME / "secret")
    subprocess.run(["mount", "--bind", secret, folder], check=True)
    place.undo.callback(subprocess.run, ["umount", folder], check=True)


def strange_content(place: Place, path: str) -> None:
    """Names that a walk or a shell would trip over; nothing below is looked at."""
    folder = place.volume / path
    folder.chmod(0o777)
    for name in ("new\nline", "-rf", "*", "$(id)", "..." + "x" * 250):
        (folder / name).mkdir()
    (folder / "out").symlink_to(place.outside)
    os.mknod(folder / os.fsdecode(b"\xff\xfe"), 0o600)
