from __future__ import annotations

import json

import pytest
from tornado.httpclient import HTTPClientError

from jupyterlab_af.tests.worlds import CREDENTIAL, LARGEST, RECOUNT, running_service

TREE = {"area": "private", "owner": "student1"}


@pytest.fixture
def service(monkeypatch):
    with running_service() as fake:
        monkeypatch.setenv("AF_SERVICE_URL", fake.url)
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", CREDENTIAL)
        yield fake


@pytest.fixture
def ask(jp_fetch):
    """Ask a route about a tree; return the status and the JSON that it answers."""

    async def asked(verb, route, **query):
        body = "" if verb == "POST" else None
        try:
            response = await jp_fetch(
                "jupyterlab-af", route, method=verb, params=query, body=body
            )
        except HTTPClientError as error:
            response = error.response
        said = response.body.decode()
        assert CREDENTIAL not in said + str(response.headers)
        return response.code, json.loads(said)

    return asked


async def test_what_fills_a_tree_is_handed_on(service, ask):
    path = "a b/ünï&area=x"
    assert await ask("GET", "largest", **TREE, path=path) == (200, LARGEST)
    assert service.trees == [("GET", "api/largest", {**TREE, "path": path})]


async def test_a_count_is_asked_for(service, ask):
    assert await ask("POST", "recount", **TREE) == (200, RECOUNT)
    assert service.trees == [("POST", "api/recount", TREE)]


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_a_no_of_the_service_is_said_in_its_words(service, ask, verb):
    words = "'GW' in the area 'private' is nothing that this server's person writes in."
    service.status, service.refusal = 409, {"message": words, "rule": "tree-not-yours"}
    route = "largest" if verb == "GET" else "recount"
    assert await ask(verb, route, **TREE) == (409, {"message": words})


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"area": "private"}, "Say which tree: owner is missing."),
        ({"owner": "student1"}, "Say which tree: area is missing."),
        ({**TREE, "path": "x" * 5000}, "The path is longer than a path can be."),
    ],
)
async def test_a_question_about_no_tree_is_refused_here(service, ask, query, words):
    assert await ask("GET", "largest", **query) == (400, {"message": words})
    assert service.trees == []


async def test_an_answer_of_another_shape_is_not_handed_on(service, ask):
    service.tree_answer = ["what"]
    words = "The facility's service gave an unexpected answer."
    assert await ask("GET", "largest", **TREE) == (503, {"message": words})
