"""The facility file as the hub reads it: live, and never worse than the last good one."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

import jupyterhub_af
from jupyterhub_af.hub.catalogue import Catalogue, load_facility
from jupyterhub_af.policy.errors import ConfigError

DEMO = Path(jupyterhub_af.__file__).parent / "local" / "facility.yaml"
LOG = logging.getLogger("catalogue")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "facility.yaml"
    path.write_text(DEMO.read_text())
    return path


def replace_file(path: Path, text: str) -> None:
    """Write as an editor does: beside, then renamed."""
    aside = path.with_suffix(".new")
    aside.write_text(text)
    aside.replace(path)


def test_an_edit_is_in_force_at_the_next_look(path):
    catalogue = Catalogue(path, "", LOG)
    replace_file(path, DEMO.read_text().replace("DODAS V5", "DODAS V6"))
    assert catalogue.current().profiles[0].title == "DODAS V6"


@pytest.mark.parametrize(
    "text", ["", "version: 2", DEMO.read_text().replace("memory: 2G", "memory: 2X")]
)
def test_a_bad_edit_is_logged_and_the_last_good_one_stays(path, caplog, text):
    catalogue = Catalogue(path, "", LOG)
    replace_file(path, text)
    assert catalogue.current().profiles[0].title == "DODAS V5"
    assert "kept the last good facility" in caplog.text
    replace_file(path, DEMO.read_text().replace("DODAS V5", "DODAS V6"))
    assert catalogue.current().profiles[0].title == "DODAS V6"


def test_a_removed_file_leaves_the_last_good_one_in_force(path, caplog):
    catalogue = Catalogue(path, "", LOG)
    path.unlink()
    assert catalogue.current().profiles[0].title == "DODAS V5"
    assert "kept the last good facility" in caplog.text


def test_a_file_that_others_may_write_is_never_obeyed(path):
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="nobody else may write it"):
        load_facility(path)


def test_a_file_of_somebody_else_is_never_obeyed(path):
    assert os.geteuid() == 0, "only root gives files away"
    os.chown(path, 65534, 65534)
    with pytest.raises(ConfigError, match="must belong to root"):
        load_facility(path)


def test_the_demo_s_issuer_takes_the_place_of_the_file_s(path):
    assert (
        load_facility(path, "http://127.0.0.1:9/").iam.issuer == "http://127.0.0.1:9/"
    )
