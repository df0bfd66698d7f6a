from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from jupyterlab_af.app import EXERCISES
from jupyterlab_af.exercises import copy_one, deliver_exercises, open_folder

LOG = logging.getLogger("exercises")


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "one.ipynb").write_text("1")
    (folder / "two.ipynb").write_text("2")
    (folder / "notes.txt").write_text("not an exercise")
    return folder


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def deliver(source, home):
    deliver_exercises(source, home, log=LOG)


def contents(home):
    return {path.name: path.read_text() for path in (home / "exercises").iterdir()}


def test_each_notebook_is_copied(source, home):
    deliver(source, home)
    assert contents(home) == {"one.ipynb": "1", "two.ipynb": "2"}


def test_nothing_is_overwritten(source, home):
    (home / "exercises").mkdir()
    (home / "exercises" / "one.ipynb").write_text("mine")
    deliver(source, home)
    assert contents(home) == {"one.ipynb": "mine", "two.ipynb": "2"}


def test_without_exercises_nothing_is_made(tmp_path, home):
    deliver(tmp_path / "absent", home)
    assert list(home.iterdir()) == []


def test_a_link_that_leads_nowhere_is_left_alone(source, home, tmp_path):
    (home / "exercises").mkdir()
    (home / "exercises" / "one.ipynb").symlink_to(tmp_path / "target")
    deliver(source, home)
    assert not (tmp_path / "target").exists()
    assert (home / "exercises" / "two.ipynb").read_text() == "2"


def test_a_folder_that_is_a_link_is_refused_with_a_warning(
    source, home, tmp_path, caplog
):
    (tmp_path / "elsewhere").mkdir()
    (home / "exercises").symlink_to(tmp_path / "elsewhere")
    deliver(source, home)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    said = [record for record in caplog.records if record.name == LOG.name]
    assert [record.levelname for record in said] == ["WARNING"]


def test_who_comes_first_between_look_and_link_stays(source, home, monkeypatch):
    def taken_meanwhile(name, folder_fd):
        (home / "exercises" / name).write_text("first")
        return False

    monkeypatch.setattr("jupyterlab_af.exercises.is_taken", taken_meanwhile)
    with open_folder(home / "exercises") as folder_fd:
        assert not copy_one(source / "one.ipynb", folder_fd)
    assert contents(home) == {"one.ipynb": "first"}


def in_a_home_made_with(bwrap_arguments, source, home):
    """Deliver in a sandbox whose home is as the arguments say; return the log."""
    code = (
        "import logging, sys, pathlib;"
        "logging.basicConfig(level='INFO');"
        "from jupyterlab_af.exercises import deliver_exercises;"
        "home = pathlib.Path(sys.argv[2]);"
        "deliver_exercises(pathlib.Path(sys.argv[1]), home, log=logging.getLogger());"
        "print(sorted(p.name for p in home.glob('exercises/*')),"
        " sorted(p.name for p in home.glob('exercises/.*')))"
    )
    sandbox = ["bwrap", "--dev-bind", "/", "/", *bwrap_arguments]
    command = [*sandbox, sys.executable, "-c", code, str(source), str(home)]
    return subprocess.run(command, check=True, capture_output=True, text=True)


def test_a_read_only_home_costs_one_warning(source, home):
    done = in_a_home_made_with(["--ro-bind", str(home), str(home)], source, home)
    assert done.stderr.count("WARNING") == 1
    assert "Read-only file system" in done.stderr


def test_a_full_home_costs_one_warning_and_leaves_nothing_half(source, home):
    (source / "one.ipynb").write_bytes(b"x" * 200_000)
    arguments = ["--size", "65536", "--tmpfs", str(home)]
    done = in_a_home_made_with(arguments, source, home)
    assert done.stderr.count("WARNING") == 1
    assert "No space left on device" in done.stderr
    assert done.stdout == "[] []\n"


def test_the_files_are_not_for_everybody_to_write(source, home):
    umask = os.umask(0)
    try:
        deliver(source, home)
    finally:
        os.umask(umask)
    assert (home / "exercises").stat().st_mode & 0o777 == 0o775
    assert (home / "exercises" / "one.ipynb").stat().st_mode & 0o777 == 0o664


@pytest.fixture
def an_image_with_exercises(tmp_path, monkeypatch):
    folder = tmp_path / "prefix" / EXERCISES
    folder.mkdir(parents=True)
    (folder / "one.ipynb").write_text("1")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))


def test_the_server_delivers_when_it_loads_us(
    an_image_with_exercises, jp_serverapp, jp_environ
):
    assert contents(type(EXERCISES).home()) == {"one.ipynb": "1"}
