"""The facility file as the service reads it: live, and never worse than it was."""

from __future__ import annotations

import os

import pytest
from service_world import FACILITY, ISSUER

from jupyterhub_af.policy.errors import ConfigError
from jupyterhub_af.service.catalogue import Catalogue

EDITED = FACILITY.replace("DODAS V5", "DODAS V6")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "facility.yaml"
    path.write_text(FACILITY)
    return path


def test_a_file_that_did_not_change_is_read_once(path):
    catalogue = Catalogue(path)
    first, is_new = catalogue.refresh()
    assert not is_new
    assert first is catalogue.last


def test_an_edit_is_in_force_at_the_next_look(path):
    catalogue = Catalogue(path)
    digest = catalogue.last.digest
    path.write_text(EDITED)
    edition, is_new = catalogue.refresh()
    assert is_new
    assert edition.facility.profiles[0].title == "DODAS V6"
    assert edition.digest != digest
    assert edition.problems == ()


def test_a_file_that_is_swapped_under_its_link_is_read(path, tmp_path):
    (tmp_path / "one").write_text(FACILITY)
    (tmp_path / "two").write_text(EDITED)
    path.unlink()
    path.symlink_to("one")
    catalogue = Catalogue(path)
    (tmp_path / "link").symlink_to("two")
    (tmp_path / "link").replace(path)
    assert catalogue.refresh()[0].facility.profiles[0].title == "DODAS V6"


def test_a_bad_edit_keeps_the_last_good_facility(path):
    catalogue = Catalogue(path)
    good = catalogue.last
    path.write_text(FACILITY.replace("allowed_groups", "alowed_groups"))
    edition, is_new = catalogue.refresh()
    assert is_new
    assert (edition.facility, edition.digest) == (good.facility, good.digest)
    (problem,) = edition.problems
    assert problem.startswith("facility.yaml:7: access.alowed_groups:")
    assert catalogue.refresh() == (edition, False)
    path.write_text(EDITED)
    assert catalogue.refresh()[0].problems == ()


def test_a_file_that_vanished_keeps_the_last_good_facility(path):
    catalogue = Catalogue(path)
    path.unlink()
    edition, is_new = catalogue.refresh()
    assert is_new
    assert edition.facility is catalogue.last.facility
    assert edition.problems == (
        "facility.yaml: cannot be read: No such file or directory.",
    )
    assert catalogue.refresh()[1] is False
    path.write_text(FACILITY)
    assert catalogue.refresh()[0].problems == ()


def test_an_issuer_is_not_live(path):
    catalogue = Catalogue(path)
    path.write_text(FACILITY.replace(ISSUER, "https://other.example.org/"))
    edition, _ = catalogue.refresh()
    assert catalogue.issuer == ISSUER
    assert edition.problems == ("iam.issuer changed: it takes effect after a restart.",)


def test_an_issuer_from_outside_replaces_the_file_s(path):
    catalogue = Catalogue(path, issuer="http://127.0.0.1:1/")
    assert catalogue.issuer == "http://127.0.0.1:1/"
    path.write_text(EDITED)
    edition, _ = catalogue.refresh()
    assert edition.facility.iam.issuer == "http://127.0.0.1:1/"
    assert edition.problems == ()


def test_every_problem_is_found_at_once(path):
    path.write_text(FACILITY.replace("2G", "2 potatoes").replace("version: 1", ""))
    with pytest.raises(ConfigError) as caught:
        Catalogue(path)
    assert len(caught.value.problems) == 2


def test_a_file_that_everybody_may_write_is_refused(path):
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="may be written by everybody"):
        Catalogue(path)


def test_a_mode_that_was_mended_is_noticed(path):
    catalogue = Catalogue(path)
    path.chmod(0o666)
    assert "written by everybody" in catalogue.refresh()[0].problems[0]
    path.chmod(0o644)
    assert catalogue.refresh()[0].problems == ()


def test_a_file_of_somebody_else_is_refused(path):
    assert os.getuid() == 0, "only root gives files away"
    os.chown(path, 65534, 65534)
    with pytest.raises(ConfigError, match="must belong to root"):
        Catalogue(path)


def test_a_file_that_is_no_text_is_refused(path):
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"is not UTF-8 text\."):
        Catalogue(path)


def test_a_file_that_is_too_large_is_refused(path):
    path.write_text("#" * (1024 * 1024 + 1))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        Catalogue(path)
