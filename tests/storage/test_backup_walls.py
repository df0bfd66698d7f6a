"""What the two ends of a copy can reach, tried from inside and by racing exchanges."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from backup_world import GW, BackupWorld

from jupyterhub_af.policy.generations import Keeping
from jupyterhub_af.storage.backup.sandbox import make_receiver, make_sender

ROUNDS = 12


@pytest.fixture
def world(tmp_path: Path) -> BackupWorld:
    world = BackupWorld(tmp_path / "areas", keeping=Keeping(100))
    (world.source / "mine").write_text("mine")
    world.back_up()
    return world


def inside(sandbox: tuple[str, ...], script: str) -> str:
    command = [*sandbox, "/usr/bin/bash", "-c", script]
    found = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    return found.stdout.decode()


def test_the_sender_reads_the_tree_and_can_neither_write_nor_see_more(world):
    closed = world.source / "closed"
    closed.write_text("closed")
    os.chown(closed, 1_000_001, GW)
    closed.chmod(0)
    (world.source / "out").symlink_to(world.generations)
    script = """
        cat /from/closed; echo
        ls /; ls /from/out/ /from/../var /proc 2>&1 | wc -l
        echo x 2>/dev/null >/from/new || echo no-write
        chown 1 /from/mine 2>/dev/null || echo no-chown
        while read -r key value; do [ "$key" = CapEff: ] && echo "$value"; done \
            </proc/self/status 2>/dev/null || echo no-proc
    """
    lines = inside(make_sender(world.source), script).splitlines()
    assert lines[0] == "closed"
    assert set(lines[1:-4]) == {"bin", "from", "lib", "lib64", "relay", "usr"}
    assert lines[-4:] == ["3", "no-write", "no-chown", "no-proc"]


def test_the_receiver_sees_one_tree_s_generations_and_nothing_it_is_copied_from(world):
    script = f"""
        ls /; ls {world.source} 2>/dev/null || echo no-tree
        echo x >/to/here && rm /to/here && echo writes
        mknod /to/null c 1 3 2>/dev/null || echo no-device
    """
    lines = inside(make_receiver(world.generations), script).splitlines()
    assert set(lines[:-3]) == {"bin", "lib", "lib64", "to", "usr"}
    assert lines[-3:] == ["no-tree", "writes", "no-device"]


@pytest.mark.parametrize("make", [make_sender, make_receiver])
def test_what_is_mounted_is_nosuid_and_nodev(world, make):
    words = list(make(world.source))
    last = words.index("--remount-ro")
    words[last:last] = ["--proc", "/proc"]
    found = inside(tuple(words), "cat /proc/self/mountinfo")
    lines = [line.split() for line in found.splitlines()]
    of_trees = [line[5].split(",") for line in lines if line[4] in ("/from", "/to")]
    assert len(of_trees) == 1
    assert {"nosuid", "nodev"} <= set(of_trees[0])


# exchanges a folder with a link to one that only root can read, and back, for ever
RACER = textwrap.dedent("""
    import ctypes, os, sys
    folder, outside = sys.argv[1:]
    os.mkdir(f"{folder}/door")
    door = os.open(f"{folder}/door", os.O_RDONLY)
    def write(name, text):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(name, flags, dir_fd=door), "w") as file:
            file.write(text)
    for number in range(40):
        write(f"secret-{number}", "mine")
    for number, target in enumerate((outside, "../" * 12 + outside.strip("/"))):
        os.symlink(target, f"{folder}/other-{number}")
    libc = ctypes.CDLL(None)
    names = [f"{folder}/{name}".encode() for name in ("door", "other-0", "other-1")]
    print("ready", flush=True)
    turn = 0
    while turn := turn + 1:
        write(f"secret-{turn % 40}", f"mine {turn}")
        for other in names[1:] * 20:
            libc.renameat2(-100, names[0], -100, other, 2)
            libc.renameat2(-100, names[0], -100, other, 2)
""")


def test_a_folder_that_becomes_a_link_in_the_middle_leads_to_nothing(world, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    secret = secrets.token_hex(16)
    for number in range(40):
        (outside / f"secret-{number}").write_text(secret)
    command = [sys.executable, "-c", RACER, str(world.source), str(outside)]
    racer = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert racer.stdout is not None
        assert racer.stdout.readline() == b"ready\n"
        for _ in range(ROUNDS):
            assert world.run().failure is None
    finally:
        racer.send_signal(signal.SIGKILL)
        racer.wait()
        racer.stdout.close()
    assert len(world.names()) >= 2
    command = ["grep", "-rl", secret, str(world.generations)]
    assert subprocess.run(command, capture_output=True).stdout == b""


def test_the_worker_refuses_another_command_than_rsync_receiving(world, monkeypatch):
    relay = world.volume / "relay"
    relay.write_text("printf '%s\\0' rm -rf /to '' >&\"$1\"; exec cat\n")
    target = "jupyterhub_af.storage.backup.sandbox.RELAY_FILE"
    monkeypatch.setattr(target, relay)
    (world.source / "new").write_text("x")
    done = world.run()
    assert done.failure is not None
    assert done.failure.startswith("rsync asked for something else")
    assert len(world.names()) == 1
