from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from waiting import wait_until

from jupyterhub_af.local import environments
from jupyterhub_af.local.environments import (
    cache_dir,
    ensure_environment,
    environment_dir,
    find_images_dir,
    image_name,
)
from jupyterhub_af.local.installer import (
    EnvironmentBuildError,
)

DIGEST = "@sha256:" + "0a" * 32

# A builder in a process of its own: it stops inside the first command.
BUILDER = """
import sys, time
from pathlib import Path
from jupyterhub_af.local.environments import ensure_environment

def say(line):
    print(line, flush=True)
    if "installing" in line and "stop" in sys.argv:
        time.sleep(60)

print(ensure_environment(Path(sys.argv[1]), cache=Path(sys.argv[2]), wheels=(), uv=None, say=say))
"""


@pytest.fixture
def image(tmp_path):
    folder = tmp_path / "images" / "tiny"
    (folder / "exercises").mkdir(parents=True)
    (folder / "requirements.lock").write_text("# nothing\n")
    (folder / "exercises" / "01-first.ipynb").write_text("{}")
    (folder / "files" / "etc" / "af").mkdir(parents=True)
    (folder / "files" / "etc" / "af" / "kernel").write_text("one")
    return folder


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def build(image, cache, *, wheels=(), uv=None):
    """Ensure an environment, and return its path and what was said."""
    said: list[str] = []
    path = ensure_environment(image, cache=cache, wheels=wheels, uv=uv, say=said.append)
    return path, said


def write_wheel(folder, content=""):
    wheel = folder / "pocket-1.0-py3-none-any.whl"
    info = "pocket-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("pocket.py", content)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: pocket\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(
            f"{info}/RECORD",
            f"pocket.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
        )
    return wheel


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        pytest.param(
            "registry.example.org/af/dodas:5", "dodas", id="registry, path and tag"
        ),
        pytest.param(
            "localhost:5000/dodas", "dodas", id="registry with a port, no tag"
        ),
        pytest.param("dodas", "dodas", id="name alone"),
        pytest.param("ml-infn:2", "ml-infn", id="hyphen"),
        pytest.param(f"r.example.org/dodas:5{DIGEST}", "dodas", id="tag and digest"),
        pytest.param(f"r.example.org/dodas{DIGEST}", "dodas", id="digest"),
        pytest.param("", None, id="nothing"),
        pytest.param("r.example.org/af/", None, id="no name after the last slash"),
        pytest.param("r.example.org/af/Dodas:5", None, id="capital letter"),
        pytest.param("r.example.org/af/do_das", None, id="underscore"),
        pytest.param("r.example.org/af/-dodas", None, id="hyphen first"),
        pytest.param("r.example.org/af/..", None, id="parent folder"),
        pytest.param("r.example.org/../dodas", None, id="parent folder on the way"),
        pytest.param("/dodas", None, id="absolute path"),
        pytest.param("a//dodas", None, id="empty component"),
        pytest.param("dodas:", None, id="empty tag"),
        pytest.param("dodas@sha256:0a", None, id="short digest"),
        pytest.param("dodas\n", None, id="line end"),
        pytest.param("a/" * 200 + "dodas", None, id="longer than a reference may be"),
    ],
)
def test_image_name(reference, name):
    assert image_name(reference) == name


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param(
            {"AF_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c", id="AF_CACHE wins"
        ),
        pytest.param(
            {"XDG_CACHE_HOME": "/x"}, "/x/jupyterhub-af", id="the person's cache"
        ),
        pytest.param(
            {"XDG_CACHE_HOME": "x"},
            "/h/.cache/jupyterhub-af",
            id="a relative one is ignored",
        ),
        pytest.param({}, "/h/.cache/jupyterhub-af", id="neither"),
    ],
)
def test_cache_dir(monkeypatch, variables, expected):
    for name in ("AF_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/h")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_dir() == Path(expected)


def test_images_of_the_checkout_are_found():
    assert find_images_dir() == Path(__file__).resolve().parents[2] / "images"


def test_installed_images_are_found_without_a_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(
        environments, "__file__", str(tmp_path / "lib/site/local/environments.py")
    )
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(
        EnvironmentBuildError,
        match=r"neither in .* nor in .*Install jupyterhub-af again",
    ):
        find_images_dir()
    base = tmp_path / "share/jupyterhub-af/images/base"
    base.mkdir(parents=True)
    (base / "requirements.lock").touch()
    assert find_images_dir() == base.parent


class TestKey:
    def test_is_the_same_for_the_same_content_elsewhere(self, image, cache, tmp_path):
        copy = shutil.copytree(image, tmp_path / "elsewhere" / "tiny")
        assert environment_dir(copy, cache, ()) == environment_dir(image, cache, ())

    def test_names_the_image_and_twelve_digits(self, image, cache):
        path = environment_dir(image, cache, ())
        assert path.parent == cache / "environments"
        name, _, key = path.name.rpartition("-")
        assert (name, len(key)) == ("tiny", 12)
        int(key, 16)

    @pytest.mark.parametrize(
        ("file", "content"),
        [
            pytest.param("requirements.lock", "# other\n", id="another lock file"),
            pytest.param("exercises/01-first.ipynb", "{ }", id="an edited exercise"),
            pytest.param("exercises/02-second.ipynb", "{}", id="one more exercise"),
            pytest.param("files/etc/af/kernel", "two", id="another content of a file"),
            pytest.param("files/etc/kernel", "one", id="one more file"),
        ],
    )
    def test_changes_with_the_image(self, image, cache, file, content):
        before = environment_dir(image, cache, ())
        (image / file).write_text(content)
        assert environment_dir(image, cache, ()) != before

    def test_changes_with_the_place_of_a_file(self, image, cache):
        before = environment_dir(image, cache, ())
        (image / "files" / "etc" / "af" / "kernel").rename(image / "files" / "kernel")
        assert environment_dir(image, cache, ()) != before

    @pytest.mark.parametrize("file", ["README.md", "exercises/.ipynb_checkpoints"])
    def test_does_not_change_with_what_is_not_installed(self, image, cache, file):
        before = environment_dir(image, cache, ())
        (image / file).write_text("words")
        assert environment_dir(image, cache, ()) == before

    def test_changes_with_a_wheels_content_not_its_place(self, image, cache, tmp_path):
        folders = [tmp_path / name for name in "abc"]
        for folder in folders:
            folder.mkdir()
        one, other = write_wheel(folders[0]), write_wheel(folders[1], "x = 1")
        same = shutil.copy(one, folders[2])
        keys = [environment_dir(image, cache, (Path(w),)) for w in (one, other, same)]
        assert len({environment_dir(image, cache, ()), *keys}) == 3
        assert keys[0] == keys[2]

    def test_changes_with_the_builder(self, image, cache, monkeypatch):
        before = environment_dir(image, cache, ())
        monkeypatch.setattr(environments, "BUILDER_VERSION", "next")
        assert environment_dir(image, cache, ()) != before


class TestBuild:
    def test_lays_the_images_files_over_it(self, image, cache):
        path, _ = build(image, cache)
        assert (path / "etc/af/kernel").read_text() == "one"

    def test_gives_a_python_of_the_system_with_the_exercises(self, image, cache):
        path, said = build(image, cache)
        assert path == environment_dir(image, cache, ())
        assert Path(os.path.realpath(path / "bin/python")).is_relative_to("/usr")
        assert (
            path / "share/jupyterhub-af/exercises/01-first.ipynb"
        ).read_text() == "{}"
        assert said[0] == "tiny environment: installing 0 packages (only once) …"
        assert said[-1].startswith("tiny environment: ready after ")

    def test_is_done_once(self, image, cache):
        first = build(image, cache)
        assert build(image, cache) == (first[0], [])

    def test_shows_a_persons_own_packages(self, image, cache):
        path, _ = build(image, cache)
        question = "import site; print(site.ENABLE_USER_SITE)"
        said = subprocess.check_output([path / "bin/python", "-c", question], text=True)
        assert said.strip() == "True"

    def test_is_readable_by_everybody_under_a_private_umask(self, image, cache):
        before = os.umask(0o077)
        try:
            path, _ = build(image, cache)
        finally:
            os.umask(before)
        wanted = stat.S_IROTH | stat.S_IRGRP
        closed = [p for p in path.rglob("*") if p.lstat().st_mode & wanted != wanted]
        assert closed == []
        assert [
            p
            for p in path.rglob("*")
            if not p.is_symlink() and p.stat().st_mode & 0o022
        ] == []

    def test_two_at_once_build_once(self, image, cache):
        with ThreadPoolExecutor(2) as pool:
            (path, said), (other_path, other_said) = pool.map(
                lambda _: build(image, cache), range(2)
            )
        assert path == other_path
        lines = [*said, *other_said]
        assert sum("installing" in line for line in lines) == 1
        assert sum("ready after" in line for line in lines) == 1

    def test_one_that_is_waited_for_says_so(self, image, cache):
        with start_builder(image, cache, "stop") as other:
            assert "installing" in other.stdout.readline()
            with ThreadPoolExecutor(1) as pool:
                future = waiting_build(pool, image, cache, None)
                other.kill()
                assert future.result(timeout=120) == environment_dir(image, cache, ())

    def test_killed_is_built_again_after_the_command_it_left(
        self, image, cache, tmp_path
    ):
        (image / "requirements.lock").write_text("pocket==1.0\n")
        slow = tmp_path / "slow.sh"
        slow.write_text(
            "#!/bin/sh\necho begun\n"
            "for i in $(seq 1200); do [ -e go ] && break; sleep 0.05; done\ntouch ended\n"
        )
        slow.chmod(0o755)
        program = BUILDER.replace("uv=None", f"uv=Path({str(slow)!r})")
        with start_builder(image, cache, program=program) as other:
            wait_until(lambda: "begun" in other.stdout.readline())
            other.send_signal(signal.SIGKILL)
        path = environment_dir(image, cache, ())
        ended = path.parent / "ended"
        assert path.exists()
        assert not any((environments.is_ready(path), ended.exists()))
        with ThreadPoolExecutor(1) as pool:
            future = waiting_build(pool, image, cache, Path("/bin/true"))
            (path.parent / "go").touch()
            assert future.result(timeout=120) == path
        assert ended.exists()


class TestFailure:
    def test_names_image_last_lines_and_what_to_do(self, image, cache, monkeypatch):
        (image / "requirements.lock").write_text(
            "pocket==1.0 --hash=sha256:" + "0" * 64 + "\n"
        )
        links = cache.parent / "links"
        links.mkdir()
        write_wheel(links)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(links))
        with pytest.raises(EnvironmentBuildError) as caught:
            build(image, cache)
        message = str(caught.value)
        assert "The environment of the image 'tiny' could not be built in" in message
        assert "DO NOT MATCH THE HASHES" in message
        assert "nothing of it is used" in message
        assert message.endswith("Then start again.")
        assert not environments.is_ready(environment_dir(image, cache, ()))

    def test_is_followed_by_a_good_build(self, image, cache, tmp_path):
        wheel = write_wheel(tmp_path, "answer = 42")
        with pytest.raises(EnvironmentBuildError, match="false ended with 1"):
            build(image, cache, wheels=(wheel,), uv=Path("/bin/false"))
        path, _ = build(image, cache, wheels=(wheel,))
        question = "import pocket; print(pocket.answer)"
        said = subprocess.check_output([path / "bin/python", "-c", question], text=True)
        assert said.strip() == "42"
        assert list(path.glob("lib/*/site-packages/__pycache__/pocket.*.pyc"))

    def test_of_the_disk_names_the_image(self, image, tmp_path):
        (tmp_path / "file").write_text("not a folder")
        with pytest.raises(
            EnvironmentBuildError, match=r"'tiny' .*\n.*Not a directory"
        ):
            build(image, tmp_path / "file")

    def test_of_a_name_lists_the_images(self, image, cache):
        with pytest.raises(
            EnvironmentBuildError, match=r"no image 'other' .* The images are tiny\."
        ):
            build(image.parent / "other", cache)

    def test_without_the_wheel_says_to_build_it(self, image, cache):
        with pytest.raises(
            EnvironmentBuildError, match=r"There is no wheel /none.whl: build it"
        ):
            build(image, cache, wheels=(Path("/none.whl"),))

    def test_without_a_python_says_what_to_install(self, image, cache, monkeypatch):
        monkeypatch.setattr(
            environments, "INTERPRETERS", (sys.executable, "/usr/bin/absent")
        )
        monkeypatch.setattr(environments, "OLDEST_PYTHON", (99, 0))
        with pytest.raises(
            EnvironmentBuildError, match="Install the Debian packages python3"
        ):
            build(image, cache)


def test_command_refuses_an_unknown_image(capsys, monkeypatch, cache):
    monkeypatch.setenv("AF_CACHE", str(cache))
    assert environments.main(["nonsense"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "There is no image 'nonsense'" in shown.err


def test_command_prints_the_path(capsys, monkeypatch, image, cache):
    monkeypatch.setenv("AF_CACHE", str(cache))
    monkeypatch.setattr(environments, "find_images_dir", lambda: image.parent)
    assert environments.main(["tiny"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{environment_dir(image, cache, ())}\n"
    assert "installing 0 packages" in shown.err


def start_builder(image, cache, *arguments, program=BUILDER):
    return subprocess.Popen(
        [sys.executable, "-c", program, str(image), str(cache), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


def waiting_build(pool, image, cache, uv):
    """Ensure an environment that another process builds; return its future once it waits."""
    said: list[str] = []
    more = {"cache": cache, "wheels": (), "uv": uv, "say": said.append}
    future = pool.submit(ensure_environment, image, **more)
    wait_until(lambda: said)
    assert said == ["tiny environment: another process builds it, waiting."]
    return future
