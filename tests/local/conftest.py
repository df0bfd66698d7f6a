"""One facility for the tests that only look at it and use it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from door_world import FACILITY, DoorWorld
from facility_world import RunningFacility, running_facility


@pytest.fixture(scope="session")
def shared_facility(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningFacility]:
    with running_facility(tmp_path_factory.mktemp("af") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def facility(shared_facility: RunningFacility) -> Iterator[RunningFacility]:
    """A facility where no server runs when a module begins."""
    yield shared_facility
    shared_facility.end_servers()


@pytest.fixture(scope="session")
def shared_doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DoorWorld]:
    folder = tmp_path_factory.mktemp("af")
    folder.chmod(0o755)
    file = folder / "facility.yaml"
    file.write_text(FACILITY)
    arguments = ("--facility", str(file), "--named-servers", "3")
    with running_facility(folder / "data", *arguments) as running:
        yield DoorWorld(running)


@pytest.fixture(scope="module")
def doors(shared_doors: DoorWorld) -> Iterator[DoorWorld]:
    """A facility that withholds something of everything, with named servers.

    When a module begins, no server runs in it.
    """
    yield shared_doors
    shared_doors.facility.end_servers()
    shared_doors.forget_trace()
