from __future__ import annotations

import asyncio

import pytest

from jupyterlab_af.service import FacilityUnavailableError, Service, ServiceAddress
from jupyterlab_af.tests.worlds import CREDENTIAL, LIFETIME, running_service
from jupyterlab_af.wire import Refused


@pytest.fixture
def service():
    with running_service() as fake:
        yield fake


def address_of(service, **more):
    return ServiceAddress(service.url, CREDENTIAL, **({"timeout_seconds": 20} | more))


def ask(address):
    """Ask to be kept, as a question like any other."""

    async def asked():
        service = Service(address)
        try:
            return await service.post("api/keep", {})
        finally:
            await service.close()

    return asyncio.run(asked())


def listen(address, last_id=""):
    """Return the first piece of the stream."""

    async def listened():
        service = Service(address)
        try:
            async with service.events(last_id) as pieces:
                return await anext(pieces)
        finally:
            await service.close()

    return asyncio.run(listened())


def cause_of(address, question=ask):
    with pytest.raises(FacilityUnavailableError) as caught:
        question(address)
    assert CREDENTIAL not in str(caught.value)
    return caught.value.cause


def test_the_answer_is_handed_on(service):
    assert ask(address_of(service)) == LIFETIME


def test_the_stream_is_asked_for_what_comes_after_an_event(service):
    assert b"event: history" in listen(address_of(service), "e-3")
    assert service.opened == ["e-3"]


@pytest.mark.parametrize("question", [ask, listen])
@pytest.mark.parametrize(
    ("status", "cause"),
    [
        pytest.param(401, "refused", id="a token of nobody"),
        pytest.param(403, "refused", id="a token without the right"),
        pytest.param(404, "unreachable", id="the proxy has no such route"),
        pytest.param(503, "unreachable", id="the proxy found nobody"),
        pytest.param(302, "unexpected", id="a redirect"),
        pytest.param(400, "unexpected", id="a no without words"),
    ],
)
def test_each_status_has_a_cause(service, status, cause, question):
    service.status = status
    assert cause_of(address_of(service), question) == cause


def test_a_no_keeps_the_services_words(service):
    service.keep_status = 409
    service.keep_answer = {"message": "Your server  \n ends at 18:00.", "rule": "x"}
    with pytest.raises(Refused, match=r"^Your server    ends at 18:00\.$"):
        ask(address_of(service))


def test_why_a_token_is_refused_is_the_services_to_say(service):
    service.status = 403
    service.refusal = {"message": "You are in no group of this facility.", "rule": "x"}
    with pytest.raises(FacilityUnavailableError) as caught:
        listen(address_of(service))
    assert caught.value.reason == "You are in no group of this facility."


def test_a_stream_that_is_refused_for_now_may_be_had_later(service):
    service.status = 429
    service.refusal = {"message": "You have 16 event streams open.", "rule": "x"}
    assert cause_of(address_of(service), listen) == "unreachable"


def test_no_redirect_is_followed(service):
    service.status = 302
    service.redirect = service.url + "elsewhere"
    cause_of(address_of(service))
    assert service.refused == []


@pytest.mark.parametrize("body", [b"<html>", b"\xff"])
def test_an_answer_that_is_not_json_is_unexpected(service, body):
    service.keep_answer = body
    assert cause_of(address_of(service)) == "unexpected"


def test_a_page_in_place_of_a_stream_is_unexpected(service):
    service.content_type = "text/html"
    assert cause_of(address_of(service), listen) == "unexpected"


def test_a_slow_service_is_unreachable(service):
    service.delay_seconds = 5.0
    assert cause_of(address_of(service, timeout_seconds=0.1)) == "unreachable"


def test_an_endless_answer_is_unreachable(service):
    service.keep_answer = b" " * (2 * 1024 * 1024)
    assert cause_of(address_of(service)) == "unreachable"


def test_a_service_that_is_gone_is_unreachable():
    with running_service() as service:
        address = address_of(service)
    assert cause_of(address) == "unreachable"


@pytest.mark.parametrize("url", ["nowhere/", "http://[/", "ftp://h/"])
def test_an_address_that_is_none_is_unreachable(url):
    assert cause_of(ServiceAddress(url, CREDENTIAL)) == "unreachable"


def test_another_token_is_refused(service):
    assert cause_of(ServiceAddress(service.url, "other")) == "refused"


def test_no_token_is_refused_without_asking(service):
    assert cause_of(ServiceAddress(service.url, ""), listen) == "refused"
    assert service.opened == []


def test_no_proxy_of_the_environment_sees_the_token(service, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert ask(address_of(service)) == LIFETIME


def test_no_address_is_outside():
    assert ServiceAddress.from_environ({}) is None


def test_the_address_gets_its_last_slash():
    environ = {"AF_SERVICE_URL": "http://h/services/af", "JUPYTERHUB_API_TOKEN": "t"}
    expected = ServiceAddress("http://h/services/af/", "t")
    assert ServiceAddress.from_environ(environ) == expected


def test_the_token_is_in_no_repr():
    assert CREDENTIAL not in repr(ServiceAddress("http://h/", CREDENTIAL))
