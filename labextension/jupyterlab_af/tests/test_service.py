from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from jupyterlab_af.service import FacilityUnavailableError, ServiceAddress, fetch_me
from jupyterlab_af.tests.worlds import CREDENTIAL, ME, running_service


@pytest.fixture
def service():
    with running_service() as fake:
        yield fake


def ask(address):
    return asyncio.run(fetch_me(address))


def cause_of(address):
    with pytest.raises(FacilityUnavailableError) as caught:
        ask(address)
    assert CREDENTIAL not in str(caught.value)
    return caught.value.cause


def address_of(service):
    return ServiceAddress(service.url, CREDENTIAL, timeout_seconds=0.5)


def test_the_reply_is_parsed(service):
    me = ask(address_of(service))
    assert (me.user, me.facility.name) == ("student1", "INFN analysis facility")
    assert me.server.memory_bytes == 2147483648


def test_a_server_that_the_facility_does_not_know_is_none(service):
    service.body = json.dumps(ME | {"server": None}).encode()
    assert ask(address_of(service)).server is None


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        pytest.param(401, "refused", id="a token of nobody"),
        pytest.param(403, "refused", id="a token without the right"),
        pytest.param(404, "unreachable", id="the proxy has no such route"),
        pytest.param(503, "unreachable", id="the proxy found nobody"),
        pytest.param(302, "unexpected", id="a redirect"),
    ],
)
def test_each_status_has_a_cause(service, status, cause):
    service.status = status
    assert cause_of(address_of(service)) == cause


def test_no_redirect_is_followed(service):
    service.status = 302
    service.headers = {"Location": service.url + "elsewhere"}
    cause_of(address_of(service))
    assert service.refused == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>", id="not JSON"),
        pytest.param(b"\xff", id="not text"),
        pytest.param(b"[]", id="a list"),
        pytest.param(json.dumps(ME | {"admin": "no"}).encode(), id="admin is a text"),
        pytest.param(json.dumps(ME | {"server": []}).encode(), id="server is a list"),
        pytest.param(json.dumps(ME | {"groups": [1]}).encode(), id="a group is 1"),
        pytest.param(
            json.dumps(
                ME | {"server": {**ME["server"], "memory_bytes": True}}
            ).encode(),
            id="the memory is a truth value",
        ),
    ],
)
def test_a_reply_of_another_shape_is_unexpected(service, body):
    service.body = body
    assert cause_of(address_of(service)) == "unexpected"


def test_a_slow_service_is_unreachable(service):
    service.delay_seconds = 1.0
    assert cause_of(replace(address_of(service), timeout_seconds=0.1)) == "unreachable"


def test_an_endless_reply_is_unreachable(service):
    service.body = b" " * (2 * 1024 * 1024)
    assert cause_of(address_of(service)) == "unreachable"


def test_a_service_that_is_gone_is_unreachable():
    with running_service() as service:
        address = address_of(service)
    assert cause_of(address) == "unreachable"


def test_an_address_that_is_none_is_unreachable():
    assert cause_of(ServiceAddress("nowhere/", CREDENTIAL)) == "unreachable"


def test_another_token_is_refused(service):
    assert cause_of(ServiceAddress(service.url, "other")) == "refused"


def test_no_token_is_refused_without_asking(service):
    assert cause_of(ServiceAddress(service.url, "")) == "refused"
    assert service.asked == 0


def test_no_address_is_outside():
    assert cause_of(ServiceAddress.from_environ({})) == "outside"


def test_the_address_gets_its_last_slash():
    environ = {"AF_SERVICE_URL": "http://h/services/af", "JUPYTERHUB_API_TOKEN": "t"}
    expected = ServiceAddress("http://h/services/af/", "t")
    assert ServiceAddress.from_environ(environ) == expected


def test_the_token_is_in_no_repr():
    assert CREDENTIAL not in repr(ServiceAddress("http://h/", CREDENTIAL))
