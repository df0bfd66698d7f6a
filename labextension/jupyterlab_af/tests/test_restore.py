"""What is brought back, and that nothing is lost over it: real files, uids and disks."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from jupyterlab_af import renaming
from jupyterlab_af.restore import fit_name, names_beside, restore
from jupyterlab_af.saver import ATTRIBUTE, note_saver
from jupyterlab_af.tests.shelves import (
    ALL,
    GW,
    GW_BACKUPS,
    NEW,
    OLD,
    World,
    in_child,
    mount_small_disk,
)
from jupyterlab_af.trouble import TroubleError

STUDENT = 64_001
OTHER = 64_002
BINDFS = "/usr/bin/bindfs"
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="other uids need root")
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def world(open_folder):
    return World(open_folder / "af")


def bring_back(world, path, how="in-place", generation=NEW):
    spot = world.shelf.find_spot(path)
    return restore(world.shelf, spot, generation, how)


def code_of(world, path, *more):
    with pytest.raises(TroubleError) as told:
        bring_back(world, path, *more)
    assert str(told.value)
    return told.value.code


def test_a_deleted_file_comes_back_as_it_was(world):
    file = world.then(NEW, "a.txt", "kept", at=500.5)
    file.chmod(0o4640)
    note_saver(file, "student2")
    done = bring_back(world, f"{GW}/a.txt")
    assert (done.path, done.kept, done.left_out) == (f"{GW}/a.txt", None, 0)
    back = (world.root / GW / "a.txt").stat()
    assert (back.st_mtime, stat.S_IMODE(back.st_mode)) == (500.5, 0o640)
    assert os.getxattr(world.root / GW / "a.txt", ATTRIBUTE) == b"student2 500"
    assert back.st_ino != file.stat().st_ino
    assert world.names() == ["a.txt"]


def test_the_folder_of_a_deleted_file_comes_back_with_it(world):
    world.then(NEW, "week/day/a.txt", "kept")
    bring_back(world, f"{GW}/week/day/a.txt")
    assert (world.root / GW / "week/day/a.txt").read_text() == "kept"


def test_what_is_there_now_is_kept_first_under_a_name_that_says_so(world):
    world.then(NEW, "a.ipynb", "then")
    inode = world.now(f"{GW}/a.ipynb", "now", at=900).stat().st_ino
    done = bring_back(world, f"{GW}/a.ipynb")
    assert done.kept is not None
    assert done.kept.startswith(f"{GW}/a.before-restore-20")
    assert done.kept.endswith("Z.ipynb")
    kept = world.root / done.kept
    assert (kept.read_text(), kept.stat().st_ino) == ("now", inode)
    assert (world.root / GW / "a.ipynb").read_text() == "then"
    assert len(world.names()) == 2


def test_a_copy_comes_beside_and_changes_nothing(world):
    world.then(NEW, "a.ipynb", "then")
    world.now(f"{GW}/a.ipynb", "now")
    paths = [bring_back(world, f"{GW}/a.ipynb", "copy").path for _ in range(2)]
    assert paths == [f"{GW}/a.from-{NEW}.ipynb", f"{GW}/a.from-{NEW}-2.ipynb"]
    assert world.contents() == ["now", "then", "then"]


def make_week(world):
    world.then(NEW, "week/one.txt", "1")
    world.then(NEW, "week/day/two.txt", "2", at=222)
    week = world.root / GW_BACKUPS / NEW / "week"
    (week / "link").symlink_to("../../../../etc/passwd")
    os.mkfifo(week / "fifo")
    (week / "day").chmod(0o500)
    return week


def test_a_folder_comes_back_whole_and_links_as_links(world):
    make_week(world)
    world.now(f"{GW}/week/new.txt", "now")
    done = bring_back(world, f"{GW}/week")
    week = world.root / GW / "week"
    assert world.names(f"{GW}/week") == ["day", "link", "one.txt"]
    assert (week / "day/two.txt").stat().st_mtime == 222
    assert str((week / "link").readlink()) == "../../../../etc/passwd"
    assert done.left_out == 1
    assert (world.root / done.kept / "new.txt").read_text() == "now"


def test_a_link_comes_back_as_a_link(world):
    (world.root / GW_BACKUPS / NEW / "a.txt").symlink_to("/etc/passwd")
    world.now(f"{GW}/a.txt", "now")
    done = bring_back(world, f"{GW}/a.txt")
    assert str((world.root / GW / "a.txt").readlink()) == "/etc/passwd"
    assert (world.root / done.kept).read_text() == "now"


def test_a_link_that_is_there_now_is_kept_and_not_followed(world, tmp_path):
    (tmp_path / "victim").write_text("untouched")
    world.then(NEW, "a.txt", "then")
    (world.root / GW / "a.txt").symlink_to(tmp_path / "victim")
    done = bring_back(world, f"{GW}/a.txt")
    assert (tmp_path / "victim").read_text() == "untouched"
    assert (world.root / done.kept).is_symlink()
    assert (world.root / GW / "a.txt").read_text() == "then"


def test_a_folder_that_became_a_link_is_not_gone_through(world, tmp_path):
    world.then(NEW, "week/a.txt", "then")
    (world.root / GW / "week").symlink_to(tmp_path)
    assert code_of(world, f"{GW}/week/a.txt") == "in-the-way"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_became_a_folder_and_the_other_way_round(world):
    world.then(NEW, "a", "file then")
    world.now(f"{GW}/a/x.txt", "folder now")
    assert (world.root / bring_back(world, f"{GW}/a").kept / "x.txt").exists()
    assert (world.root / GW / "a").read_text() == "file then"
    world.then(OLD, "a/x.txt", "folder then")
    done = bring_back(world, f"{GW}/a", "in-place", OLD)
    assert (world.root / done.kept).read_text() == "file then"


def test_a_whole_area_comes_back_as_a_copy_in_it_only(world):
    world.then(NEW, "a.txt", "then")
    assert code_of(world, GW) == "whole-tree"
    done = bring_back(world, GW, "copy")
    assert done.path == f"{GW}/GW.from-{NEW}"
    assert (world.root / done.path / "a.txt").read_text() == "then"


@pytest.mark.parametrize("generation", ["..", "", OLD + "/..", "2026-11-20"])
def test_no_such_generation_changes_nothing(world, generation):
    world.then(NEW, "a.txt", "then")
    world.now(f"{GW}/a.txt", "now")
    assert code_of(world, f"{GW}/a.txt", "in-place", generation) == "gone"
    assert world.contents() == ["now"]


def test_what_the_generation_has_not_cannot_come_back(world):
    world.now(f"{GW}/a.txt", "now")
    assert code_of(world, f"{GW}/a.txt") == "gone"
    assert code_of(world, f"{GW}/absent/a.txt") == "not-there"
    assert world.names() == ["a.txt"]


@needs_root
def test_nobody_brings_back_what_they_could_not_read(world):
    (world.root / GW).chmod(0o777)
    for name, mode in (("mine.txt", 0o644), ("other.txt", 0o600)):
        file = world.then(NEW, f"week/{name}", name)
        file.chmod(mode)
        os.chown(file, OTHER, OTHER)
    other = f"{GW}/week/other.txt"
    assert in_child(lambda: code_of(world, other), uid=STUDENT) == "not-yours"
    done = in_child(lambda: bring_back(world, f"{GW}/week"), uid=STUDENT)
    assert (done.left_out, world.names(f"{GW}/week")) == (1, ["mine.txt"])
    assert (world.root / GW / "week/mine.txt").stat().st_uid == STUDENT


@needs_root
def test_nobody_brings_back_where_they_may_not_write(world):
    world.then(NEW, "a.txt", "then")
    world.now(f"{GW}/a.txt", "now")
    (world.root / GW).chmod(0o755)
    code = in_child(lambda: code_of(world, f"{GW}/a.txt"), uid=STUDENT)
    assert (code, world.contents()) == ("not-yours", ["now"])


@needs_root
@pytest.mark.parametrize("path", ["a.bin", "week"])
def test_a_disk_that_fills_in_the_middle_loses_nothing(world, path):
    for name in ("a.bin", "week/one.bin", "week/two.bin"):
        world.then(NEW, name, b"x" * 700_000)

    def on_a_small_disk():
        mount_small_disk(world.root / GW, size_bytes=1_000_000)
        world.now(f"{GW}/a.bin", b"n" * 500_000)
        world.now(f"{GW}/week/one.bin", b"n" * 1000)
        code = code_of(world, f"{GW}/{path}")
        sizes = [p.stat().st_size for p in (world.root / GW).rglob("*.bin")]
        return code, sorted(sizes), world.names()

    assert in_child(on_a_small_disk) == (
        "no-room",
        [1000, 500_000],
        ["a.bin", "week"],
    )


def restore_and_write_at_once(world, rounds=6):
    """Bring versions back while somebody saves by rename; return all that was live."""
    target = world.root / GW / "a.txt"
    world.now(f"{GW}/a.txt", "start")
    live = {"start", *(world.then(g, "a.txt", g).read_text() for g in ALL)}

    def save(number):
        beside = world.root / GW / f".saving-{number}"
        beside.write_text(f"saved {number}")
        # as an editor does that loses nothing: it takes the place only of nothing
        with suppress(FileExistsError):
            os.link(beside, target)
            live.add(f"saved {number}")
        beside.unlink()

    with ThreadPoolExecutor(8) as pool:
        jobs = [
            job
            for number in range(rounds)
            for job in (
                *(pool.submit(bring_back, world, f"{GW}/a.txt", "in-place", g) for g in ALL),
                pool.submit(save, number),
            )
        ]  # fmt: skip
        kept = [job.result() for job in jobs]
    return live, [done.kept for done in kept if done is not None]


def assert_nothing_lost(world, live, kept):
    assert set(world.contents()) == live
    # of several steps, one may find nothing there between two of another's
    told = [path for path in kept if path is not None]
    assert len(set(told)) == len(told)
    assert not [name for name in world.names() if name.endswith(".part")]


def test_restores_that_race_keep_every_version(world):
    live, kept = restore_and_write_at_once(world)
    assert_nothing_lost(world, live, kept)
    # every restore put one file there, and every one that was there is kept
    assert None not in kept
    assert len(world.names()) == len(kept) + 1


def test_so_they_do_where_the_kernel_cannot_exchange_names(world, monkeypatch):
    """Labelled: a file system without renameat2's flags, made by refusing them here."""

    def refuse(*_):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(renaming, "_rename", refuse)
    live, kept = restore_and_write_at_once(world, rounds=3)
    assert_nothing_lost(world, live, kept)
    make_week(world)
    world.now(f"{GW}/week/new.txt", "now")
    done = bring_back(world, f"{GW}/week")
    assert (world.root / done.kept / "new.txt").read_text() == "now"
    assert (world.root / GW / "week/one.txt").read_text() == "1"


@pytest.fixture
def over_bindfs(world):
    """Put the collab folder on a FUSE file system, which stands in for a network's."""
    if os.getuid() != 0 or not Path(BINDFS).exists():
        pytest.skip("bindfs needs root and the program")
    folder = world.root / GW
    subprocess.run([BINDFS, "--no-allow-other", folder, folder], check=True)
    try:
        yield world
    finally:
        subprocess.run(["/usr/bin/fusermount3", "-u", folder], check=True)
        end = time.monotonic() + 10
        while os.path.ismount(folder) and time.monotonic() < end:
            time.sleep(0.05)


def test_a_fuse_file_system_will_do(over_bindfs):
    world = over_bindfs
    world.then(NEW, "a.txt", "then")
    world.now(f"{GW}/a.txt", "now")
    done = bring_back(world, f"{GW}/a.txt")
    assert (world.root / done.kept).read_text() == "now"
    assert (world.root / GW / "a.txt").read_text() == "then"
    assert len(world.names()) == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", ["a.w.txt", "a.w-2.txt"]),
        (".hidden", [".hidden.w", ".hidden.w-2"]),
        ("no-suffix", ["no-suffix.w", "no-suffix.w-2"]),
        ("a.tar.gz", ["a.tar.w.gz", "a.tar.w-2.gz"]),
    ],
)
def test_names_beside_keep_their_suffix(name, expected):
    names = names_beside(name, "w")
    assert [next(names), next(names)] == expected


def test_a_name_always_fits():
    for name in ("x" * 255, "é" * 127, "a." + "x" * 253):
        beside = next(names_beside(name, f"before-restore-{NEW}"))
        assert len(os.fsencode(beside)) <= 255
        assert NEW in beside
    assert len(os.fsencode(fit_name(".", "é" * 127, ".part"))) <= 255
