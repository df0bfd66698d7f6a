"""Dashboards through the person's own server: what is shown, and what stops there."""

from __future__ import annotations

import pytest
from tornado.httpclient import HTTPClientError

from jupyterlab_af.tests.worlds import CREDENTIAL, running_gateway, running_pages

NAME = "0123456789abcdef"


@pytest.fixture
def pages():
    with running_pages() as fake:
        yield fake


@pytest.fixture
def gateway(monkeypatch, pages):
    with running_gateway() as fake:
        monkeypatch.setenv("DASK_GATEWAY__ADDRESS", fake.url)
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", CREDENTIAL)
        fake.dashboards[NAME] = {"address": pages.url, "key": pages.KEY}
        yield fake


async def status_of(jp_fetch, *path, **options):
    try:
        response = await jp_fetch("jupyterlab-af", "clusters", *path, **options)
    except HTTPClientError as error:
        return error.code
    return response.code


async def test_a_page_is_shown_with_the_key_and_without_who_asks(
    gateway, pages, jp_fetch
):
    headers = {"Cookie": "jupyterhub-session-id=secret", "X-XSRFToken": "secret"}
    response = await jp_fetch(
        "jupyterlab-af", "clusters", NAME, "status", headers=headers, params={"a": "b"}
    )
    assert response.body == b"<html>tasks</html>"
    ((path, sent),) = pages.asked
    assert path == "/status?a=b"
    sent = {name.lower(): value for name, value in sent.items()}
    assert sent["x-af-dashboard-key"] == pages.KEY
    assert "secret" not in str(sent)
    assert CREDENTIAL not in str(sent)
    assert not {"cookie", "authorization"} & set(sent)
    assert pages.KEY not in str(response.headers) + response.body.decode()


async def test_the_gateway_is_asked_once_for_many_files(gateway, jp_fetch):
    for file in ("status", "statics/a.js", "statics/b.css"):
        assert await status_of(jp_fetch, NAME, file) == 200
    assert gateway.looked == 1


async def test_a_cluster_that_is_not_mine_is_not_there(gateway, pages, jp_fetch):
    assert await status_of(jp_fetch, "f" * 16, "status") == 404
    assert pages.asked == []


@pytest.mark.parametrize("name", ["a%2Fb", "a%3Fb", "%2e%2e", "x" * 200])
async def test_a_name_that_is_none_is_asked_of_nobody(gateway, jp_fetch, name):
    assert await status_of(jp_fetch, name, "status") in {400, 404}
    assert gateway.looked == 0


async def test_a_gateway_that_is_away_is_said(gateway, jp_fetch):
    gateway.dashboards[NAME] = {"address": "nothing"}
    assert await status_of(jp_fetch, NAME, "status") == 503


async def test_nothing_but_pages_is_passed_on(gateway, pages, jp_fetch):
    for method in ("POST", "PUT", "DELETE"):
        body = None if method == "DELETE" else "{}"
        code = await status_of(jp_fetch, NAME, "status", method=method, body=body)
        assert code == 405
    assert pages.asked == []
