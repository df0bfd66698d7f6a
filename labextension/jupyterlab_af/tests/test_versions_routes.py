"""The routes of earlier versions, asked over HTTP in a server of Jupyter's own."""

from __future__ import annotations

import json
import re

import pytest
from tornado.httpclient import HTTPClientError

from jupyterlab_af.tests.shelves import GW, GW_BACKUPS, NEW, OLD, World
from jupyterlab_af.tests.worlds import CREDENTIAL, running_service, until


@pytest.fixture
def service(monkeypatch):
    with running_service() as fake:
        monkeypatch.setenv("AF_SERVICE_URL", fake.url)
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", CREDENTIAL)
        yield fake


@pytest.fixture
def world(service, jp_root_dir, monkeypatch):
    world = World(jp_root_dir)
    monkeypatch.setattr("jupyterlab_af.app.mount_points", lambda: world.mounted)
    return world


@pytest.fixture
def ask(world, jp_fetch):
    """Ask a route; return the status and what it says."""

    async def asked(route="", *, body=None, **params):
        try:
            response = await jp_fetch(
                *("jupyterlab-af", "versions", *filter(None, [route])),
                method="GET" if body is None else "POST",
                body=None if body is None else json.dumps(body),
                params=params,
            )
        except HTTPClientError as error:
            response = error.response
        return response.code, json.loads(response.body)

    return asked


def wish(path=f"{GW}/a.txt", how="in-place", generation=NEW):
    return {"path": path, "generation": generation, "how": how}


async def test_the_versions_of_a_file_are_told(world, ask):
    world.then(OLD, "a.txt", "one", at=100)
    world.then(NEW, "a.txt", "three", at=200)
    status, said = await ask(path=f"{GW}/a.txt")
    assert (status, said["kind"], said["has_nbdime"]) == (200, None, True)
    newest = said["versions"][0]
    assert newest.pop("saved_by")
    assert newest == {
        "generation": NEW,
        "since": NEW,
        "kind": "file",
        "at": 1_795_165_200.0,
        "modified_at": 200.0,
        "size_bytes": 5,
        "is_now": False,
        "path": f"{GW_BACKUPS}/{NEW}/a.txt",
    }


async def test_a_deleted_file_is_found_and_brought_back(world, ask, service):
    world.then(NEW, "week/a.txt", "kept")
    _, said = await ask("deleted", path=GW)
    assert [entry["path"] for entry in said["entries"]] == [f"{GW}/week"]
    assert await ask("restore", body=wish(f"{GW}/week")) == (
        200,
        {"path": f"{GW}/week", "kept": None, "left_out": 0},
    )
    assert (world.root / GW / "week/a.txt").read_text() == "kept"
    await until(lambda: service.restored == [wish(f"{GW}/week")])


async def test_what_changed_is_told(world, ask):
    world.then(NEW, "a.txt", "1\n")
    world.now(f"{GW}/a.txt", "2\n")
    _, said = await ask("difference", path=f"{GW}/a.txt", generation=NEW)
    assert said["groups"] == [
        [
            {
                "kind": "replace",
                "before_at": 1,
                "before": ["1"],
                "after_at": 1,
                "after": ["2"],
            }
        ]
    ]


async def test_a_restore_that_cannot_be_told_yet_is_done_all_the_same(
    world, ask, service, caplog
):
    world.then(NEW, "a.txt", "kept")
    service.status = 503
    assert (await ask("restore", body=wish()))[0] == 200
    assert (world.root / GW / "a.txt").read_text() == "kept"
    await until(lambda: "telling the facility again" in caplog.text)
    assert service.restored == []
    service.status = 200
    await until(lambda: service.restored == [wish()])
    assert CREDENTIAL not in caplog.text


@pytest.mark.parametrize("route", ["", "deleted", "difference"])
@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("../../etc/passwd", 400, "unsafe-path"),
        ("/etc/passwd", 400, "unsafe-path"),
        (f"{GW}/../GW/a.txt", 400, "unsafe-path"),
        ("", 404, "not-kept"),
        ("elsewhere/a.txt", 404, "not-kept"),
    ],
)
async def test_a_path_that_is_none_of_an_area_is_refused_in_words(
    ask, route, path, status, code
):
    code_said, said = await ask(route, path=path, generation=NEW)
    assert (code_said, said["code"]) == (status, code)
    assert said["message"].endswith(".")


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"path": "x"},
        {**wish(), "force": True},
        wish(path=3),
        wish(how="over"),
        wish(generation=None),
    ],
)
async def test_a_wish_of_another_shape_changes_nothing(world, ask, body, service):
    world.now(f"{GW}/a.txt", "now")
    status, said = await ask("restore", body=body)
    assert status == 400
    assert said["message"]
    assert (world.contents(), service.restored) == (["now"], [])


async def test_a_refused_restore_is_not_told_as_done(world, ask, service, caplog):
    world.now(f"{GW}/a.txt", "now")
    assert await ask("restore", body=wish(generation="..")) == (
        404,
        {"message": "The version .. is no longer kept.", "code": "gone"},
    )
    assert service.restored == []
    assert "Traceback" not in caplog.text


async def test_the_service_is_asked_to_remove_all_versions(world, ask, service):
    world.then(NEW, "a.txt", "kept")
    assert await ask("purge", body={"path": f"{GW}/a.txt"}) == (200, {"generations": 2})
    assert service.purged == [{"path": f"{GW}/a.txt"}]
    service.status, service.refusal = 409, {"message": "Not all of it is yours."}
    status, said = await ask("purge", body={"path": f"{GW}/a.txt"})
    assert (status, said["message"]) == (409, "Not all of it is yours.")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ([], 400),
        ({"path": 3}, 400),
        ({"path": "x", "uid": 0}, 400),
        ({"path": f"{GW}/../../etc"}, 400),
        ({"path": "elsewhere/a.txt"}, 404),
    ],
)
async def test_a_wish_to_remove_of_another_shape_goes_nowhere(
    world, ask, service, body, status
):
    code, said = await ask("purge", body=body)
    assert (code, bool(said["message"])) == (status, True)
    assert service.purged == []


def book(source):
    cell = {"id": "one", "cell_type": "markdown", "metadata": {}, "source": source}
    return json.dumps(
        {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    )


@pytest.fixture
def compare(world, jp_fetch):
    """Ask what nbdime's page asks; return the status and what is said."""

    async def asked(body):
        path = ("jupyterlab-af", "notebooks", "api", "diff")
        try:
            response = await jp_fetch(*path, method="POST", body=json.dumps(body))
        except HTTPClientError as error:
            response = error.response
        return response.code, json.loads(response.body)

    return asked


async def test_nbdime_is_told_what_changed_in_a_notebook(world, compare):
    world.then(NEW, "a.ipynb", book("then"))
    world.now(f"{GW}/a.ipynb", book("now"))
    status, said = await compare({"base": NEW, "remote": f"{GW}/a.ipynb"})
    assert (status, said["base"]["cells"][0]["source"]) == (200, "then")
    assert said["diff"][0]["key"] == "cells"


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({}, 400),
        ([], 400),
        ({"base": NEW, "remote": 3}, 400),
        ({"base": NEW, "remote": "../etc/passwd"}, 400),
        ({"base": "..", "remote": f"{GW}/a.ipynb"}, 404),
        ({"base": NEW, "remote": "http://127.0.0.1/a.ipynb"}, 400),
        ({"base": NEW, "remote": f"{GW}/broken.ipynb"}, 415),
        ({"base": NEW, "remote": f"{GW}/week"}, 415),
        ({"base": NEW, "remote": f"{GW}/gone.ipynb"}, 404),
    ],
)
async def test_what_is_no_notebook_of_an_area_is_refused(world, compare, wish, status):
    for name in ("a.ipynb", "week/b.ipynb", "gone.ipynb"):
        world.then(NEW, name, book("then"))
    world.then(NEW, "broken.ipynb", "{")
    for name in ("a.ipynb", "week/b.ipynb", "broken.ipynb"):
        world.now(f"{GW}/{name}", book("now"))
    code, said = await compare(wish)
    assert code == status
    assert said["message"].endswith(".")


async def test_only_our_own_pages_show_the_page_of_nbdime(world, jp_fetch):
    """Where the hub lets no page be shown in another, this one is shown in Lab."""
    params = {"path": f"{GW}/<script>.ipynb", "generation": NEW}
    page = await jp_fetch("jupyterlab-af", "notebooks", params=params)
    policy = page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in policy
    assert "script-src 'self';" in policy
    text = page.body.decode()
    assert "<script>.ipynb" not in text
    script = re.search(r'src="[^"]*jupyterlab-af/notebooks/static/(\w+\.js)"', text)
    path = ("jupyterlab-af", "notebooks", "static", script[1])
    assert len((await jp_fetch(*path)).body) > 10_000
