"""What the hub's page of metrics says of the facility file, also while nobody asks it."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import REGISTRY, generate_latest

import jupyterhub_af
from jupyterhub_af.hub.facility_aware import FacilityAware

DEMO = Path(jupyterhub_af.__file__).parent / "local" / "facility.yaml"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "facility.yaml"
    path.write_text(DEMO.read_text())
    return path


def shown() -> dict[str, str]:
    """Return the lines about the facility, as a scrape reads them."""
    lines = generate_latest(REGISTRY).decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if line.startswith("af_facility"))


def test_a_scrape_shows_an_edit_that_nobody_has_asked_for(path):
    aware = FacilityAware(facility_file=str(path))
    first = aware.facility()
    before = shown()
    path.write_text(DEMO.read_text().replace("DODAS V5", "DODAS V6"))
    after = shown()
    assert len(before) == len(after) == 3
    assert before["af_facility_problems"] == after["af_facility_problems"] == "0.0"
    (digest,) = after.keys() - before.keys()
    assert digest.startswith('af_facility_info{digest="')
    accepted = "af_facility_accepted_timestamp_seconds"
    assert float(after[accepted]) > float(before[accepted])
    assert aware.facility().profiles[0].title == "DODAS V6"
    assert first.profiles[0].title == "DODAS V5"


def test_a_bad_edit_is_counted_and_the_good_one_stays_shown(path, caplog):
    aware = FacilityAware(facility_file=str(path))
    facility = aware.facility()
    before = shown()
    path.write_text("version: 2\n")
    assert float(shown()["af_facility_problems"]) > 0
    assert shown() | {"af_facility_problems": "0.0"} == before
    assert aware.facility() is facility
    assert caplog.text.count("version: ") == 1
    path.write_text(DEMO.read_text())
    assert shown()["af_facility_problems"] == "0.0"


def test_authenticator_and_spawners_share_one_reading(path):
    one, other = (FacilityAware(facility_file=str(path)) for _ in range(2))
    assert one.facility() is other.facility()
    demo = FacilityAware(facility_file=str(path), issuer="http://127.0.0.1:9/")
    assert demo.facility().iam.issuer == "http://127.0.0.1:9/"
