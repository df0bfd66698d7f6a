"""One facility for the tests that only look at it and use it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from facility_world import RunningFacility, running_facility


@pytest.fixture(scope="session")
def facility(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFacility]:
    with running_facility(tmp_path_factory.mktemp("af") / "data") as running:
        yield running
