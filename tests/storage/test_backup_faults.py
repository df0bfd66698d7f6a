"""A worker killed at each step, a disk that is full, files that nobody can read."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from backup_world import BackupWorld
from fuse_world import small_disk, weaker_view

from jupyterhub_af.policy.generations import Keeping
from jupyterhub_af.storage.backup.space import load_space

STEPS = (
    *("placed", "begun", "copied", "copied again 2"),
    *("synced", "published", "retired", "thinned"),
)
# does one job and dies at a step, as a killed agent's worker does
VICTIM = """
import os, signal, sys
from jupyterhub_af.storage.backup.worker import Job, do_job

def step(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

do_job(Job.model_validate_json(sys.argv[1]), clock=lambda: float(sys.argv[3]), step=step)
"""


@pytest.fixture
def world(tmp_path: Path) -> BackupWorld:
    world = BackupWorld(tmp_path / "areas", keeping=Keeping(2))
    for number in range(2):
        fill(world, number)
        world.back_up()
    return world


def fill(world: BackupWorld, number: int) -> None:
    (world.source / "same").write_text("same")
    os.utime(world.source / "same", (1, 1))
    (world.source / "file").write_text(f"version {number}")
    (world.source / f"new-{number}").write_text("x" * number)


def contents(world: BackupWorld) -> dict[str, dict[str, str]]:
    """Return what people see: the text of each file of each generation."""
    return {
        folder.name: {
            str(path.relative_to(folder)): path.read_text()
            for path in sorted(folder.rglob("*"))
        }
        for folder in sorted(world.generations.iterdir())
        if folder.name != ".work"
    }


def records(world: BackupWorld) -> list[str]:
    folder = world.place.records
    found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return sorted(record["name"] for record in found)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_earlier_ones_are_whole_and_the_next_run_cleans(
    world, step
):
    before = contents(world)
    fill(world, 2)
    now = str(world.clock.now + 30)
    command = [sys.executable, "-c", VICTIM, world.job.model_dump_json(), step, now]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    seen = contents(world)
    oldest, newer = before
    assert seen[newer] == before[newer]
    assert seen.get(oldest, before[oldest]) == before[oldest]
    # one that is seen is whole, wherever it was killed
    for name in set(seen) - set(before):
        assert seen[name]["file"] == "version 2"
        assert len(seen[name]) == 5
    fill(world, 3)
    newest = world.back_up()
    after = contents(world)
    assert after[newest.name]["file"] == "version 3"
    assert len(after) == 2
    assert records(world) == sorted(after)
    assert not world.place.work.exists()
    du = ["du", "-sB1", str(world.volume / "backups" / "collabspace")]
    counted = int(subprocess.run(du, capture_output=True).stdout.split()[0])
    told = load_space(world.volume, "collabspace")
    assert told is not None
    assert abs(told - counted) <= 32 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    with small_disk(folder, tmp_path / "image", mebibytes=24):
        yield folder


def test_a_disk_that_is_full_in_the_middle_loses_nothing(disk):
    world = BackupWorld(disk / "areas")
    (world.source / "one").write_bytes(os.urandom(5 * 1024**2))
    world.back_up()
    (world.source / "two").write_bytes(os.urandom(7 * 1024**2))
    done = world.run()
    assert done.record is None
    assert "No space left on device" in (done.failure or "")
    names = world.names()
    assert len(names) == 1
    kept = world.generations / names[0] / "one"
    assert kept.read_bytes() == (world.source / "one").read_bytes()
    assert records(world) == names
    free = shutil.disk_usage(disk).free
    assert free > 2 * 1024**2, "the part of a copy was not removed"
    (world.source / "two").unlink()
    (world.source / "three").write_text("small")
    assert world.run().is_new


def test_a_disk_without_room_for_another_name_says_so(disk):
    world = BackupWorld(disk / "areas")
    for number in range(200):
        (world.source / f"folder-{number}").mkdir()
    world.back_up()
    filler = disk / "filler"
    filler.mkdir()
    names = (filler / str(number) for number in range(100_000))
    with pytest.raises(OSError, match="No space"):
        any(name.touch() for name in names)
    os.utime(world.source)
    done = world.run()
    assert "No space left on device" in (done.failure or "")
    assert len(world.names()) == 1


@pytest.mark.parametrize("slow", ["source", "generations"])
def test_a_slow_disk_takes_its_time_and_gives_the_whole(tmp_path, slow):
    world = BackupWorld(tmp_path / "areas")
    world.back_up()
    (world.source / "large").write_bytes(os.urandom(1024**2))
    (world.source / "small").write_text("x")
    began = time.monotonic()
    folder = getattr(world, slow)
    with weaker_view(folder, "--read-rate=512k", "--write-rate=512k"):
        newest = world.back_up()
    # it was slow indeed
    assert time.monotonic() - began > 1
    for name in ("large", "small"):
        assert (newest / name).read_bytes() == (world.source / name).read_bytes()
    assert len(world.names()) == 2


def test_a_tree_that_is_a_link_or_gone_is_refused(world):
    shutil.move(world.source, world.source.with_name("elsewhere"))
    assert "No such file or directory" in (world.run().failure or "")
    world.source.symlink_to("/etc")
    assert "is not a directory" in (world.run().failure or "")
    assert len(world.names()) == 2


def test_something_odd_among_the_generations_is_left_alone(world):
    odd = world.generations / "notes from the administrator"
    odd.write_text("keep")
    fill(world, 2)
    world.back_up()
    assert odd.read_text() == "keep"
    assert len([name for name in world.names() if name.endswith("Z")]) == 2
