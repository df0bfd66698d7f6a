from __future__ import annotations

import pytest
from worlds import FACILITY_TEXT

from jupyterhub_af.local.environments import find_images_dir
from jupyterhub_af.local.layout import LocalError
from jupyterhub_af.local.offer import Offer, choose_images
from jupyterhub_af.local.up import DEMO_FACILITY
from jupyterhub_af.policy.facility_text import parse_facility

DODAS = {"registry.example.org/af/dodas:5": "dodas"}
CYGNO = {"registry.example.org/af/cygno:2": "cygno"}
ML_INFN = {"registry.example.org/af/ml-infn:2": "ml-infn"}


@pytest.fixture(scope="module")
def facility():
    return parse_facility(DEMO_FACILITY.read_text(), file_name="facility.yaml")


@pytest.fixture
def images(tmp_path):
    for name in ("base", "dodas", "cygno", "ml-infn"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("wanted", "offer"),
    [
        pytest.param((), Offer(DODAS, ("Cygno", "ML-INFN")), id="the default alone"),
        pytest.param(
            ("cygno",), Offer({**DODAS, **CYGNO}, ("ML-INFN",)), id="one more"
        ),
        pytest.param(
            ("dodas",), Offer(DODAS, ("Cygno", "ML-INFN")), id="the default by name"
        ),
        pytest.param(("all",), Offer({**DODAS, **CYGNO, **ML_INFN}, ()), id="all"),
        pytest.param(
            ("all", "cygno"), Offer({**DODAS, **CYGNO, **ML_INFN}, ()), id="all and one"
        ),
    ],
)
def test_offers_the_default_and_what_is_wanted(facility, images, wanted, offer):
    assert choose_images(facility, images, wanted) == offer


def test_the_demos_images_are_all_in_this_repository(facility):
    offer = choose_images(facility, find_images_dir(), ("all",))
    assert offer == Offer({**DODAS, **CYGNO, **ML_INFN}, ())


def test_refuses_an_image_that_no_profile_has(facility, images):
    with pytest.raises(LocalError) as refusal:
        choose_images(facility, images, ("cygno", "base"))
    assert str(refusal.value) == (
        "--images: no profile here has the image 'base'; "
        "known: dodas, cygno, ml-infn, all."
    )


def test_a_default_that_is_not_here_makes_room_for_the_first_that_is(images):
    text = FACILITY_TEXT.replace("af/dodas:5", "af/elsewhere:5")
    facility = parse_facility(text, file_name="facility.yaml")
    assert choose_images(facility, images, ()).images == CYGNO


def test_one_environment_stands_for_two_profiles_of_one_image(images):
    text = FACILITY_TEXT.replace("af/cygno:2", "af/dodas:5")
    facility = parse_facility(text, file_name="facility.yaml")
    assert choose_images(facility, images, ()) == Offer(DODAS, ("ml-infn",))
