"""A real server whose root has a read-only and a full folder, asked over HTTP."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from http.client import HTTPConnection

import pytest

from jupyterlab_af.contents import folder_for_new, unescape

CREDENTIAL = "a-token-of-the-server"
START_SECONDS = 120

NOTEBOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
READ_ONLY = "is read-only for you. Save a copy in a folder of your own."
FULL = "Delete what you no longer need, then save again."


class Server:
    """A running server, and how to ask it."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None):
        """Return the status, and what the server said."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        with closing(connection):
            connection.request(
                method,
                f"/api/{path}",
                body=None if body is None else json.dumps(body),
                headers={"Authorization": f"token {CREDENTIAL}"},
            )
            response = connection.getresponse()
            said = response.read().decode()
        if response.status < 400:
            return response.status, said
        return response.status, json.loads(said)["message"]

    def save(self, path, content="x", **model):
        text = {"type": "file", "format": "text", "content": content}
        return self.ask("PUT", f"contents/{path}", text | model)


@contextmanager
def free_port():
    """Give a port that nobody else is given meanwhile; a server may listen there."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


def make_root(root):
    """Make a root folder with what the tests need in it."""
    for name in ("readonly", "full", "quota", "area", "mine", "home", "group"):
        (root / name).mkdir()
    (root / "readonly" / "a.txt").write_text("kept")
    (root / "readonly" / "folder").mkdir()
    (root / "mine" / "b.txt").write_text("b")
    # a trash that takes nothing, as that of another mount's files may be
    (root / "home" / ".local" / "share").mkdir(parents=True)
    (root / "home" / ".local" / "share" / "Trash").touch()
    for place in ("group", "home"):
        (root / place / "week" / "day").mkdir(parents=True)
        (root / place / "week" / "day" / "a.txt").write_text("a")
        (root / place / "b.txt").write_text("b")


def command(root, port):
    """Return the command of a server that sees `root` through mounts."""
    return [
        *("bwrap", "--dev-bind", "/", "/", "--die-with-parent"),
        *("--ro-bind", str(root / "readonly"), str(root / "readonly")),
        *("--size", "65536", "--tmpfs", str(root / "full")),
        *("--size", "65536", "--tmpfs", str(root / "quota")),
        *("--tmpfs", str(root / "area")),
        *("--bind", str(root / "home"), str(root / "home")),
        *("--bind", str(root / "group"), str(root / "group")),
        *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={root}",
        "--ServerApp.contents_manager_class="
        "jupyterlab_af.contents.FacilityContentsManager",
    ]


def wait_for(server, process):
    """Return once the server answers."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            server.ask("GET", "status")
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("The server did not start.")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    make_root(root)
    own = {name: str(root / "home") for name in ("HOME", "TMPDIR")}
    environ = os.environ | own | {"JUPYTER_TOKEN": CREDENTIAL}
    log = (root / "log").open("w")
    with (
        log,
        free_port() as port,
        subprocess.Popen(
            command(root, port), env=environ, cwd=root, stdout=log, stderr=log
        ) as process,
    ):
        try:
            wait_for(Server(port), process)
            yield Server(port)
        finally:
            process.terminate()


def test_a_file_of_ones_own_is_saved(server):
    assert server.save("mine/new.txt")[0] == 201


@pytest.mark.parametrize(
    "model",
    [
        pytest.param({}, id="a text"),
        pytest.param({"chunk": 1}, id="the first part of a large upload"),
        pytest.param(
            {"type": "notebook", "format": "json", "content": NOTEBOOK}, id="a notebook"
        ),
        pytest.param({"type": "directory", "content": None}, id="a folder"),
    ],
)
def test_saving_new_in_a_read_only_area_is_refused_in_words(server, model):
    answer = server.save("readonly/new", **model)
    assert answer == (403, f"readonly/new {READ_ONLY}")


def test_saving_over_a_read_only_file_is_refused_in_words(server):
    assert server.save("readonly/a.txt") == (403, f"readonly/a.txt {READ_ONLY}")


def test_deleting_in_a_read_only_area_is_refused_in_words(server):
    answer = server.ask("DELETE", "contents/readonly/a.txt")
    assert answer == (403, f"readonly/a.txt {READ_ONLY}")


def test_saving_into_a_folder_that_is_not_there_is_404_in_words(server):
    status, message = server.save("nowhere/a.txt")
    assert status == 404
    assert message.startswith("The folder of nowhere/a.txt is not there")


def test_deleting_what_is_absent_is_still_404(server):
    assert server.ask("DELETE", "contents/readonly/absent")[0] == 404


def test_renaming_in_a_read_only_area_is_refused_in_words(server):
    body = {"path": "readonly/c.txt"}
    answer = server.ask("PATCH", "contents/readonly/a.txt", body)
    assert answer == (403, f"readonly/c.txt {READ_ONLY}")


def test_moving_into_a_read_only_area_names_the_area(server):
    body = {"path": "readonly/b.txt"}
    answer = server.ask("PATCH", "contents/mine/b.txt", body)
    assert answer == (403, f"readonly/b.txt {READ_ONLY}")


def test_copying_into_a_read_only_area_is_refused_in_words(server):
    status, message = server.ask(
        "POST", "contents/readonly", {"copy_from": "mine/b.txt"}
    )
    assert (status, message.endswith(READ_ONLY)) == (403, True)


def test_keeping_a_read_only_file_is_refused_in_words(server):
    answer = server.ask("POST", "contents/readonly/a.txt/checkpoints")
    assert answer == (403, f"readonly/a.txt {READ_ONLY}")


def test_what_was_kept_is_put_back(server):
    kept = json.loads(server.ask("POST", "contents/mine/b.txt/checkpoints")[1])["id"]
    status, _ = server.ask("POST", f"contents/mine/b.txt/checkpoints/{kept}")
    assert status == 204


@pytest.mark.parametrize(
    "model",
    [
        pytest.param({}, id="a text"),
        pytest.param({"chunk": 1}, id="the first part of a large upload"),
    ],
)
def test_a_full_area_is_507_in_words(server, model):
    status, message = server.save("full/new.txt", "x" * 200_000, **model)
    assert (status, message) == (
        507,
        f"There is no room left to save full/new.txt. {FULL}",
    )


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(200_000, id="much too large"),
        pytest.param(50_000, id="too large beside the old one"),
    ],
)
def test_an_old_file_that_no_longer_fits_is_507_and_kept(server, size):
    old = "old" * 10_000
    assert server.save("quota/old.txt", old)[0] in {200, 201}
    assert server.save("quota/old.txt", "x" * size)[0] == 507
    kept = json.loads(server.ask("GET", "contents/quota/old.txt")[1])["content"]
    assert (kept[:9], len(kept)) == ("oldoldold", len(old))


def made(server, folder, kind):
    """Return the path of what is made without a name."""
    status, said = server.ask("POST", f"contents/{folder}", {"type": kind})
    assert status == 201
    return json.loads(said)["path"]


@pytest.mark.parametrize("folder", ["", "mine"])
@pytest.mark.parametrize("kind", ["notebook", "file"])
def test_what_is_new_where_nothing_survives_is_made_at_home(server, folder, kind):
    path = made(server, folder, kind)
    assert path.startswith("home/")
    assert path.removeprefix("home/").lower().startswith("untitled")


def test_what_is_new_in_an_area_stays_there(server):
    # not in one of those that others fill
    assert made(server, "area", "notebook").startswith("area/")


def test_a_new_folder_is_made_where_it_was_asked_for(server):
    assert made(server, "mine", "directory").startswith("mine/")


def test_a_new_notebook_in_a_read_only_area_is_refused_in_words(server):
    status, message = server.ask("POST", "contents/readonly", {"type": "notebook"})
    assert (status, message.endswith(READ_ONLY)) == (403, True)


def test_a_path_with_a_blank_is_as_it_was():
    assert unescape(r"/af/a\040b\134c") == r"/af/a b\c"


def test_without_a_home_below_the_root_nothing_is_moved(tmp_path):
    assert folder_for_new(tmp_path / "root", "a", tmp_path / "home") == "a"


def test_a_home_that_survives_no_better_is_not_used(tmp_path):
    assert folder_for_new(tmp_path, "a", tmp_path / "home") == "a"


def test_a_wrong_request_is_still_400(server):
    assert server.save("mine/new.txt", format="nonsense")[0] == 400


@pytest.mark.parametrize("path", ["group/week", "group/b.txt", "home/week"])
def test_what_the_trash_cannot_take_is_deleted_all_the_same(server, path):
    assert server.ask("GET", f"contents/{path}")[0] == 200
    assert server.ask("DELETE", f"contents/{path}") == (204, "")
    folder, _, name = path.rpartition("/")
    listed = json.loads(server.ask("GET", f"contents/{folder}")[1])["content"]
    assert name not in [entry["name"] for entry in listed]


def test_an_area_itself_is_not_deleted(server):
    status, words = server.ask("DELETE", "contents/group")
    assert status >= 400
    assert "Traceback" not in words
    assert server.ask("GET", "contents/group")[0] == 200
