from __future__ import annotations

import json

import pytest
from tornado.routing import PathMatches

from jupyterlab_af.tests.worlds import CREDENTIAL, ME, running_service

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.fixture
def service(monkeypatch):
    with running_service() as fake:
        monkeypatch.setenv("AF_SERVICE_URL", fake.url)
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", CREDENTIAL)
        yield fake


@pytest.fixture
def outside(monkeypatch):
    monkeypatch.delenv("AF_SERVICE_URL", raising=False)


@pytest.fixture
def me(request, jp_fetch):
    """Ask our route; the service of the test is in the environment already."""

    async def fetch():
        response = await jp_fetch("jupyterlab-af", "me")
        assert response.code == 200
        assert CREDENTIAL not in response.body.decode()
        return json.loads(response.body)

    return fetch


def own_routes(router):
    """Yield the path of each route of ours, and its handler."""
    for rule in router.rules:
        if hasattr(rule.target, "rules"):
            yield from own_routes(rule.target)
        elif isinstance(rule.matcher, PathMatches):
            path = rule.matcher.regex.pattern.rstrip("$")
            if "/jupyterlab-af/" in path:
                yield path, rule.target


async def test_the_facility_is_handed_on(service, me):
    assert await me() == {"available": True, **ME}


async def test_nothing_is_handed_on_that_is_not_named(service, me):
    more = {**ME, "secret": "s", "facility": {**ME["facility"], "secret": "s"}}
    service.body = json.dumps(more).encode()
    assert await me() == {"available": True, **ME}


async def test_a_service_that_is_away_is_said_in_a_sentence(service, me, caplog):
    service.status = 503
    assert await me() == {
        "available": False,
        "outside": False,
        "cause": "unreachable",
        "reason": "The facility's service does not answer. What runs goes on; "
        "try again later.",
    }
    assert "could not ask the facility" in caplog.text
    assert CREDENTIAL not in caplog.text


async def test_outside_a_facility_nothing_is_asked(outside, me, caplog):
    assert await me() == {
        "available": False,
        "outside": True,
        "cause": "outside",
        "reason": "This server was not started by an analysis facility.",
    }
    assert "could not ask" not in caplog.text


async def test_every_route_of_ours_refuses_a_stranger(
    outside, jp_serverapp, http_server_client
):
    routes = dict(own_routes(jp_serverapp.web_app.default_router))
    assert [path.rpartition("/")[2] for path in routes] == ["me"]
    for path, handler in routes.items():
        own = [verb for verb in VERBS if verb.lower() in vars(handler)]
        assert own
        for verb in own:
            response = await http_server_client.fetch(
                path, method=verb, raise_error=False, allow_nonstandard_methods=True
            )
            assert response.code == 403, (path, verb)
