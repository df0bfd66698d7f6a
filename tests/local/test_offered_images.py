"""The demo with all its images on one machine: who may, starts them."""

from __future__ import annotations

import pytest
from facility_world import running_facility

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    data = tmp_path_factory.mktemp("af") / "data"
    with running_facility(data, "--images", "all", seconds=600) as running:
        yield running


def test_a_first_start_builds_the_default_alone_and_says_so(facility):
    assert (
        "Not built here: Cygno, ML-INFN. With --images all" in facility.log.read_text()
    )


@pytest.mark.parametrize(
    ("username", "profile"), [("researcher1", "cygno"), ("researcher2", "ml-infn")]
)
def test_an_experiments_person_starts_its_image(everything, username, profile):
    person = everything.person(username)
    person.log_in()
    person.start(profile=profile)
    # the server asks the hub who this is before it answers
    assert person.http.get(person.at(f"user/{username}/lab")).status_code == 200
    kernels = person.http.get(person.at(f"user/{username}/api/kernelspecs"))
    assert set(kernels.json()["kernelspecs"]) == {"python3"}
    assert everything.plans()[username, ""]["profile"] == profile
    person.stop()


def test_all_images_are_said_to_be_there(everything):
    assert "Not built here" not in everything.log.read_text()
