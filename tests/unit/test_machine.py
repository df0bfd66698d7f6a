"""Sandboxes that are kept in files, and logs that stay small: with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jupyterhub_af.machine import bubblewrap, process
from jupyterhub_af.machine.bubblewrap import bound_log
from jupyterhub_af.machine.sandboxes import (
    Sandbox,
    end_all_below,
    end_sandbox,
    find_sandboxes,
    forget_sandbox,
    keep_sandbox,
)

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
# a first process that has a child, as bwrap's has
INIT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"


def start(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, start_new_session=True)


def wait_for_children(pid: int) -> tuple[int, ...]:
    deadline = time.monotonic() + 30
    while not process.read_children(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return process.read_children(pid)


def test_a_sandbox_is_found_again_as_it_was_kept(tmp_path: Path):
    running = start(*SLEEP)
    try:
        sandbox = Sandbox.of(running.pid, running.pid, [tmp_path / "group"])
        keep_sandbox(tmp_path, "scheduler", sandbox)
        assert find_sandboxes(tmp_path) == (("scheduler", sandbox),)
        assert sandbox.is_running()
        forget_sandbox(tmp_path, "scheduler")
        assert find_sandboxes(tmp_path) == ()
    finally:
        running.kill()
        running.wait()
    assert not sandbox.is_running()


def test_a_sandbox_that_is_forgotten_while_others_look_is_none(tmp_path: Path):
    sandbox = Sandbox(1, 1, 1, 1, "another boot", ())

    def come_and_go() -> None:
        for _ in range(2000):
            keep_sandbox(tmp_path, "worker", sandbox)
            forget_sandbox(tmp_path, "worker")

    keep_sandbox(tmp_path, "scheduler", sandbox)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(come_and_go)
        while not coming.done():
            assert dict(find_sandboxes(tmp_path))["scheduler"] == sandbox
        coming.result()


def test_a_pid_that_is_somebody_elses_now_is_left_alone(tmp_path: Path):
    running = start(*SLEEP)
    try:
        old = Sandbox(running.pid, 1, running.pid, 1, process.read_boot_id(), ())
        end_sandbox(old, within_seconds=0)
        assert running.poll() is None
        other_boot = Sandbox.of(running.pid, running.pid, ())
        end_sandbox(
            Sandbox(*(*_numbers(other_boot), "another boot", ())), within_seconds=0
        )
        assert running.poll() is None
    finally:
        running.kill()
        running.wait()


def _numbers(sandbox: Sandbox) -> tuple[int, int, int, int]:
    return (
        sandbox.pid,
        sandbox.start_ticks,
        sandbox.init_pid,
        sandbox.init_start_ticks,
    )


def test_the_first_process_inside_is_asked_before_all_is_killed():
    init = start(sys.executable, "-c", INIT)
    try:
        child = wait_for_children(init.pid)[0]
        ticks = process.read_start_ticks(child)
        # the parent ends by itself when the child was asked to
        end_sandbox(Sandbox.of(init.pid, init.pid, ()), within_seconds=30)
        assert init.wait(30) == 0
        assert (
            process.read_start_ticks(child) != ticks
            or not Path(f"/proc/{child}").exists()
        )
    finally:
        init.kill()
        init.wait()


def test_everything_below_a_folder_is_ended_once(tmp_path: Path):
    running = [start(*SLEEP) for _ in range(2)]
    try:
        for number, one in enumerate(running):
            folder = tmp_path / f"cluster{number}"
            folder.mkdir()
            keep_sandbox(folder, "scheduler", Sandbox.of(one.pid, one.pid, ()))
        (tmp_path / "no folder").write_text("x")
        assert end_all_below(tmp_path) == 2
        assert [one.wait(30) for one in running] == [-signal.SIGKILL] * 2
        assert end_all_below(tmp_path) == 0
        assert end_all_below(tmp_path / "absent") == 0
    finally:
        for one in running:
            one.kill()
            one.wait()


def test_a_log_that_is_written_to_can_be_cut(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(bubblewrap, "MAX_LOG_BYTES", 100)
    log = tmp_path / "log"
    writer = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(writer, b"x" * 100)
        assert not bound_log(log)
        os.write(writer, b"x")
        assert bound_log(log)
        os.write(writer, b"after\n")
    finally:
        os.close(writer)
    assert log.read_text() == "(what was here before was more than 100 bytes)\nafter\n"
    assert not bound_log(tmp_path / "absent")
