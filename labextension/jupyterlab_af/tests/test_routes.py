from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import suppress

import pytest
from tornado.httpclient import HTTPClientError
from tornado.routing import PathMatches

from jupyterlab_af.activity import Busy, BusyCounter, Times
from jupyterlab_af.tests.worlds import (
    CREDENTIAL,
    LIFETIME,
    history,
    running_gateway,
    running_service,
    until,
)

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NAME = "0123456789abcdef"
# path of each route, and the verbs it has
ROUTES = {
    "/jupyterlab-af/events": {"GET"},
    "/jupyterlab-af/keep": {"POST"},
    "/jupyterlab-af/active": {"POST"},
    "/jupyterlab-af/largest": {"GET"},
    "/jupyterlab-af/recount": {"POST"},
    "/jupyterlab-af/clusters/([^/]+)": {"DELETE"},
    "/jupyterlab-af/clusters/([^/]+)/(.*)": {"GET"},
    "/jupyterlab-af/versions": {"GET"},
    "/jupyterlab-af/versions/deleted": {"GET"},
    "/jupyterlab-af/versions/difference": {"GET"},
    "/jupyterlab-af/versions/restore": {"POST"},
    "/jupyterlab-af/versions/purge": {"POST"},
    "/jupyterlab-af/entries": {"DELETE"},
    "/jupyterlab-af/notebooks": {"GET"},
    "/jupyterlab-af/notebooks/api/diff": {"POST"},
    "/jupyterlab-af/notebooks/static/(.*)": {"GET", "HEAD"},
}
# pages: a browser that is nobody's is sent to log in
PAGES = ("/(.*)", "/notebooks")


@pytest.fixture
def service(monkeypatch):
    with running_service() as fake:
        monkeypatch.setenv("AF_SERVICE_URL", fake.url)
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", CREDENTIAL)
        yield fake


@pytest.fixture
def gateway(monkeypatch):
    with running_gateway() as fake:
        monkeypatch.setenv("DASK_GATEWAY__ADDRESS", fake.url)
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", CREDENTIAL)
        yield fake


@pytest.fixture
def outside(monkeypatch):
    monkeypatch.delenv("AF_SERVICE_URL", raising=False)
    monkeypatch.delenv("DASK_GATEWAY__ADDRESS", raising=False)


@pytest.fixture
def listen(jp_serverapp, http_server, jp_http_port, jp_auth_header, jp_base_url):
    """Listen to our stream as a tab does; give the text up to what is waited for."""

    async def heard(until, last_id="", then=None):
        reader, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
        head = {"Host": "127.0.0.1", **jp_auth_header, "Last-Event-ID": last_id}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        path = f"{jp_base_url}jupyterlab-af/events"
        writer.write(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        text = ""
        try:
            async with asyncio.timeout(30):
                while until not in text and (piece := await reader.read(65536)):
                    text += piece.decode()
                    if then and then[0] in text:
                        then[1]()
        finally:
            writer.close()
        return text

    return heard


@pytest.fixture
def ask(jp_fetch):
    """Ask a route; return the status and the JSON that it answers."""

    async def asked(verb, *path, **options):
        body = "{}" if verb == "POST" else None
        try:
            response = await jp_fetch(
                "jupyterlab-af", *path, method=verb, body=body, **options
            )
        except HTTPClientError as error:
            response = error.response
        said = response.body.decode()
        assert CREDENTIAL not in said + str(response.headers)
        return response.code, json.loads(said) if said else None

    return asked


def own_routes(router):
    """Yield the path of each route of ours, and its handler."""
    for rule in router.rules:
        if hasattr(rule.target, "rules"):
            yield from own_routes(rule.target)
        elif isinstance(rule.matcher, PathMatches):
            path = rule.matcher.regex.pattern.rstrip("$")
            if "/jupyterlab-af/" in path:
                yield path, rule.target


async def test_the_stream_is_handed_on(service, listen):
    text = await listen("e-6")
    head, _, events = text.partition("\r\n\r\n")
    assert "200 OK" in head
    assert "text/event-stream" in head
    assert "no-store" in head
    assert 'event: back\ndata: {"kind":"back"}\n\n' in events
    assert "id: e-1\nevent: me\ndata: " in events
    assert service.opened == [None]


async def test_a_tab_that_comes_again_says_what_it_heard(service, listen):
    await listen("e-6")
    await until(lambda: not service.listeners)
    text = await listen(
        "e-7", "e-6", ("event: back", lambda: service.publish(history(3)))
    )
    assert "event: me" not in text
    assert service.opened == [None, "e-6"]


async def test_a_tab_that_leaves_ends_the_connection_to_the_service(service, listen):
    await listen("e-6")
    await until(lambda: not service.listeners)


async def test_busy_kernels_are_told_from_the_start_to_the_end(
    service, jp_serverapp, monkeypatch
):
    times = Times(settle_seconds=0.05, look_seconds=0.1)
    monkeypatch.setattr("jupyterlab_af.activity.USUAL", times)
    monkeypatch.setattr(BusyCounter, "count", lambda _: Busy(kernels=3))
    await jp_serverapp.extension_manager.start_extension("jupyterlab_af")
    await until(lambda: service.busy)
    await jp_serverapp.extension_manager.stop_all_extensions()
    said = service.busy[0]
    assert 0 <= said.pop("quiet_seconds") < 30
    assert said == {"kernels": 3, "terminals": 0}


async def test_a_tab_that_is_used_is_told_on_and_lab_s_own_requests_are_not(
    service, jp_serverapp, jp_fetch, listen, ask, monkeypatch
):
    times = Times(settle_seconds=0.05, look_seconds=0.1, person_seconds=0.2)
    monkeypatch.setattr("jupyterlab_af.activity.USUAL", times)
    await jp_serverapp.extension_manager.start_extension("jupyterlab_af")
    await until(lambda: service.busy)
    at_the_start = len(service.busy)
    heard = asyncio.ensure_future(listen("e-9"))
    await until(lambda: len(service.busy) > at_the_start)
    await asyncio.sleep(0.5)
    await jp_fetch("api", "kernels")
    await asyncio.sleep(0.5)
    before, acted_at = len(service.busy), time.monotonic()
    assert await ask("POST", "active") == (204, None)
    await until(lambda: len(service.busy) > before)
    ago = time.monotonic() - acted_at
    heard.cancel()
    with suppress(asyncio.CancelledError):
        await heard
    # it is told to a tenth of a second
    assert service.busy[before]["quiet_seconds"] <= ago + 0.1
    # the other words are of the start and of the stream's opening
    assert before <= 2


async def test_every_tab_is_over_when_the_server_ends(service, listen, jp_serverapp):
    ending = []

    def end_it():
        if not ending:
            manager = jp_serverapp.extension_manager
            ending.append(asyncio.ensure_future(manager.stop_all_extensions()))

    text = await listen("0\r\n\r\n", then=("e-6", end_it))
    assert text.endswith("0\r\n\r\n")
    await ending[0]


async def test_too_many_tabs_are_told_so(service, ask, jp_serverapp, monkeypatch):
    monkeypatch.setattr("jupyterlab_af.relay.TABS", 0)
    assert await ask("GET", "events") == (
        503,
        {"message": "Too many tabs listen. Close some of them."},
    )


async def test_outside_a_facility_it_is_said_once_and_nothing_is_asked(
    outside, listen, ask, caplog
):
    text = await listen("}\n\n")
    assert '"cause": "outside"' in text
    assert "Content-Length" in text
    assert text.count("event:") == 1
    words = "This server was not started by an analysis facility."
    assert await ask("POST", "keep") == (404, {"message": words})
    assert await ask("DELETE", "clusters", NAME) == (
        503,
        {"message": "This server has no Dask gateway."},
    )
    assert "could not follow" not in caplog.text


async def page_options(jp_fetch):
    """Return the options of Lab's page, which hold no token of the hub."""
    page = (await jp_fetch("lab")).body.decode()
    assert CREDENTIAL not in page
    found = re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.S)
    return json.loads(found[1])


async def test_the_page_says_that_this_is_a_facility(service, jp_fetch, jp_root_dir):
    assert (await page_options(jp_fetch))["afRoot"] == str(jp_root_dir)


async def test_the_page_says_nothing_outside(outside, jp_fetch):
    assert "afRoot" not in await page_options(jp_fetch)


async def test_being_kept_answers_when_the_server_ends(service, ask):
    assert await ask("POST", "keep") == (200, LIFETIME)


async def test_a_no_comes_in_the_services_words(service, ask):
    service.keep_status = 409
    service.keep_answer = {"message": "Your server ends at 18:00.", "rule": "longest"}
    assert await ask("POST", "keep") == (409, {"message": "Your server ends at 18:00."})


async def test_a_service_that_is_away_is_said_in_words(service, ask, caplog):
    service.status = 503
    code, said = await ask("POST", "keep")
    assert code == 503
    assert said["message"].startswith("The facility's service does not answer.")
    assert "could not ask the facility" in caplog.text
    assert CREDENTIAL not in caplog.text


async def test_a_percent_sign_of_the_service_harms_nobody(service, ask):
    service.keep_status = 409
    service.keep_answer = {"message": "100 % s %s %d"}
    assert (await ask("POST", "keep"))[1] == {"message": "100 % s %s %d"}


async def test_an_answer_without_times_is_not_handed_on(service, ask):
    service.keep_answer = ["x"]
    assert (await ask("POST", "keep"))[0] == 503


async def test_a_cluster_is_stopped_by_the_gateway(gateway, ask):
    assert await ask("DELETE", "clusters", NAME) == (204, None)
    assert gateway.stopped == [NAME]


async def test_the_gateways_no_comes_in_its_words(gateway, ask):
    gateway.status, gateway.said = 403, {"error": "That cluster is not yours."}
    assert await ask("DELETE", "clusters", NAME) == (
        409,
        {"message": "That cluster is not yours."},
    )


@pytest.mark.parametrize("name", ["..", "a%2Fb", "a%3Fb", "a%0Ab", "%2e%2e", "x" * 200])
async def test_a_name_that_is_none_never_comes_to_the_gateway(gateway, ask, name):
    assert (await ask("DELETE", "clusters", name))[0] in {404, 405}
    assert gateway.stopped == []


async def test_our_routes_are_these(outside, jp_serverapp):
    found = dict(own_routes(jp_serverapp.web_app.default_router))
    base = jp_serverapp.base_url.rstrip("/")
    verbs = {
        path.removeprefix(base): {v for v in VERBS if v.lower() in vars(handler)}
        or set(handler.SUPPORTED_METHODS)
        for path, handler in found.items()
    }
    assert verbs == ROUTES


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({}, id="nobody"),
        pytest.param({"Authorization": "token wrong"}, id="a wrong token"),
        pytest.param({"Authorization": f"token {CREDENTIAL}"}, id="the hub's token"),
        pytest.param(
            {"Cookie": "_xsrf=x", "X-XSRFToken": "x"}, id="a cookie of nobody"
        ),
    ],
)
async def test_every_route_of_ours_refuses_a_stranger(
    service, gateway, jp_serverapp, http_server_client, header
):
    routes = dict(own_routes(jp_serverapp.web_app.default_router))
    assert len(routes) == len(ROUTES)
    for path in routes:
        for verb in VERBS[:-1]:
            response = await http_server_client.fetch(
                path.replace("([^/]+)", NAME).replace("(.*)", "status"),
                method=verb,
                headers=header,
                follow_redirects=False,
                raise_error=False,
                allow_nonstandard_methods=True,
            )
            refusals = {302} if path.endswith(PAGES) else {403}
            assert response.code in {*refusals, 403, 405}, (path, verb)
            own = next(verbs for end, verbs in ROUTES.items() if path.endswith(end))
            assert response.code in refusals or verb not in own, (path, verb)
    assert (service.asked, gateway.stopped) == (0, [])


async def test_a_request_that_another_site_made_is_refused(
    service, gateway, jp_serverapp, http_server_client, jp_fetch, jp_base_url
):
    """A logged-in browser sends its cookie; without our page's XSRF token it is nobody's."""
    login = await jp_fetch("login", follow_redirects=False, raise_error=False)
    cookies = "; ".join(c.split(";")[0] for c in login.headers.get_list("Set-Cookie"))
    assert cookies
    asked = [
        ("POST", "keep"),
        ("POST", "versions/restore"),
        ("POST", "versions/purge"),
        ("DELETE", f"clusters/{NAME}"),
        ("POST", "notebooks/api/diff"),
        ("DELETE", "entries"),
    ]
    for verb, path in asked:
        response = await http_server_client.fetch(
            f"{jp_base_url}jupyterlab-af/{path}",
            method=verb,
            headers={"Cookie": cookies},
            raise_error=False,
            allow_nonstandard_methods=True,
        )
        assert response.code == 403
    response = await http_server_client.fetch(
        f"{jp_base_url}jupyterlab-af/events",
        headers={"Cookie": cookies, "Origin": "https://evil.example.org"},
        raise_error=False,
    )
    assert response.code == 404
    assert (service.asked, gateway.stopped) == (0, [])
