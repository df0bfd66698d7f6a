"""A gateway for the tests that only ask it; each test has people of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_world import GatewayProcess, running_gateway


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Return a person of this test's own."""
    return f"p{abs(hash(request.node.nodeid))}"
