from __future__ import annotations

import asyncio

import pytest

from jupyterlab_af.gateway import (
    GatewayAddress,
    GatewayAwayError,
    is_cluster_name,
    stop_cluster,
)
from jupyterlab_af.tests.worlds import CREDENTIAL, running_gateway
from jupyterlab_af.wire import Refused

NAME = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def gateway():
    with running_gateway() as fake:
        yield fake


def stop(gateway, name=NAME):
    address = GatewayAddress(gateway.url + "/", CREDENTIAL, timeout_seconds=20)
    asyncio.run(stop_cluster(address, name))


def test_a_cluster_is_stopped(gateway):
    stop(gateway)
    assert gateway.stopped == [NAME]


@pytest.mark.parametrize(
    ("status", "said", "words"),
    [
        pytest.param(
            403, {"error": "That is not yours."}, "That is not yours.", id="its words"
        ),
        pytest.param(404, {}, f"There is no cluster {NAME} any more.", id="it is gone"),
        pytest.param(
            409,
            b"<html>",
            f"The Dask gateway refused to do this with the cluster {NAME}.",
            id="no words",
        ),
    ],
)
def test_a_no_is_said_in_words(gateway, status, said, words):
    gateway.status, gateway.said = status, said
    with pytest.raises(Refused) as caught:
        stop(gateway)
    assert str(caught.value) == words


def test_a_gateway_that_fails_is_away(gateway):
    gateway.status = 502
    with pytest.raises(GatewayAwayError, match="does not answer"):
        stop(gateway)


def test_a_gateway_that_is_gone_is_away():
    with running_gateway() as gateway:
        pass
    with pytest.raises(GatewayAwayError, match="does not answer"):
        stop(gateway)


def test_a_server_without_a_gateway_says_so():
    with pytest.raises(GatewayAwayError, match="has no Dask gateway"):
        asyncio.run(stop_cluster(None, NAME))


@pytest.mark.parametrize("address", ["", "gateway://127.0.0.1:8010", "h"])
def test_an_address_that_cannot_be_asked_is_none(address):
    environ = {"DASK_GATEWAY__ADDRESS": address, "JUPYTERHUB_API_TOKEN": "t"}
    assert GatewayAddress.from_environ(environ) is None


def test_the_token_is_in_no_repr():
    environ = {"DASK_GATEWAY__ADDRESS": "http://h", "JUPYTERHUB_API_TOKEN": CREDENTIAL}
    assert CREDENTIAL not in repr(GatewayAddress.from_environ(environ))


@pytest.mark.parametrize("name", [NAME, "af." + NAME, "a", "A-b_c.d", "x" * 128])
def test_what_can_be_a_name(name):
    assert is_cluster_name(name)


BAD_CHARACTERS = ("/", "?", "#", "%2f", " ", "\n", "\x00", "\\", ":", "@", "..", "è")
BAD_NAMES = ("", ".", "..", "-a", "a-", "a\n", "x" * 129)


@pytest.mark.parametrize("name", [*BAD_NAMES, *(f"a{c}b" for c in BAD_CHARACTERS)])
def test_what_cannot_be_a_name(name):
    assert not is_cluster_name(name)
