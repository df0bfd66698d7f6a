"""One facility for the tests that only look at it and use it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from door_world import FACILITY, DoorWorld
from facility_world import RunningFacility, running_facility


@pytest.fixture(scope="session")
def facility(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFacility]:
    with running_facility(tmp_path_factory.mktemp("af") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DoorWorld]:
    """A facility that withholds something of everything, with named servers."""
    folder = tmp_path_factory.mktemp("af")
    folder.chmod(0o755)
    file = folder / "facility.yaml"
    file.write_text(FACILITY)
    arguments = ("--facility", str(file), "--named-servers", "3")
    with running_facility(folder / "data", *arguments) as running:
        yield DoorWorld(running)
