"""The spawn form: what it shows, what it marks, and what it makes of posted fields."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

import jupyterhub_af
from jupyterhub_af.hub.form import parse_options, render_form
from jupyterhub_af.policy.access import resolve_access
from jupyterhub_af.policy.errors import SelectionError
from jupyterhub_af.policy.facility_text import parse_facility
from jupyterhub_af.policy.identity import make_identity

DEMO = Path(jupyterhub_af.__file__).parent / "local" / "facility.yaml"
STUDENT = ("hackathon", "hackathon/students", "hackathon/gw")


class Inputs(HTMLParser):
    """The inputs of a form, as ``name=value``, and which are checked or disabled."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.all: list[str] = []
        self.checked: set[str] = set()
        self.disabled: set[str] = set()
        self.elements: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        if tag != "input":
            return
        values = dict(attrs)
        key = f"{values['name']}={values.get('value') or ''}"
        self.all.append(key)
        if "checked" in values:
            self.checked.add(key)
        if "disabled" in values:
            self.disabled.add(key)


def form(groups, *, last=None, wanted=None, text=None) -> str:
    facility = parse_facility(text or DEMO.read_text())
    access = resolve_access(facility, make_identity("student1", groups))
    return render_form(access, last or {}, wanted)


def test_a_student_sees_open_profiles_withheld_ones_with_the_reason_and_no_hidden_one():
    page = form(STUDENT)
    inputs = Inputs(page)
    assert [i for i in inputs.all if i.startswith("profile=")] == [
        "profile=dodas-v5",
        "profile=ml-infn",
        "profile=own-image",
    ]
    assert "profile=own-image" in inputs.disabled
    assert "Your own image is for members of the group cygno." in page
    assert "size.dodas-v5=large" in inputs.disabled
    assert "The size Large is for members of the group cygno." in page
    assert "Cygno" not in page.replace("cygno", "")


@pytest.mark.parametrize(
    ("last", "wanted", "checked"),
    [
        pytest.param(
            {}, None, {"profile=dodas-v5", "size.dodas-v5=small"}, id="the default"
        ),
        pytest.param(
            {"profile": "ml-infn"}, None, {"profile=ml-infn"}, id="last time's"
        ),
        pytest.param(
            {"profile": "dodas-v5"}, "ml-infn", {"profile=ml-infn"}, id="the link's"
        ),
        pytest.param(
            {}, "cygno", {"profile=dodas-v5"}, id="a link to a hidden profile"
        ),
        pytest.param(
            {"profile": "own-image"}, None, {"profile=dodas-v5"}, id="lost since"
        ),
        pytest.param(
            {"profile": "dodas-v5", "size": "large"},
            None,
            {"size.dodas-v5=small"},
            id="lost size",
        ),
        pytest.param(
            {"profile": ["x"], "size": {}}, None, {"profile=dodas-v5"}, id="junk kept"
        ),
    ],
)
def test_the_form_marks(last, wanted, checked):
    inputs = Inputs(form(STUDENT, last=last, wanted=wanted))
    assert checked <= inputs.checked
    assert len([i for i in inputs.checked if i.startswith("profile=")]) == 1
    assert not inputs.checked & inputs.disabled


def test_last_time_s_size_is_marked_for_whoever_may_have_it():
    inputs = Inputs(form(("cygno",), last={"profile": "dodas-v5", "size": "large"}))
    assert "size.dodas-v5=large" in inputs.checked


def test_markup_in_names_stays_text():
    attack = "</legend><script>alert(1)</script><img src=x onerror=alert(1)>"
    text = DEMO.read_text().replace(
        "display_name: DODAS V5", f"display_name: '{attack}'"
    )
    page = form(STUDENT, text=text)
    elements = Inputs(page).elements
    assert "script" not in elements
    assert "img" not in elements
    image = Inputs(
        form(("cygno",), last={"profile": "own-image", "image": '"><script>x</script>'})
    )
    assert "script" not in image.elements


@pytest.mark.parametrize(
    ("data", "options"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param(
            {"profile": ["dodas-v5"]}, {"profile": "dodas-v5"}, id="a profile"
        ),
        pytest.param(
            {"profile": ["a"], "size.a": ["big"], "size.b": ["small"]},
            {"profile": "a", "size": "big"},
            id="only the chosen profile's size",
        ),
        pytest.param(
            {"profile": ["a"], "image.a": [" "]}, {"profile": "a"}, id="empty is absent"
        ),
        pytest.param(
            {"opt-profile": ["a"], "opt-size": ["s"]},
            {"profile": "a", "size": "s"},
            id="opt- names",
        ),
        pytest.param(
            {"profile": ["a"], "_xsrf": ["t"]}, {"profile": "a"}, id="the xsrf token"
        ),
    ],
)
def test_fields_become_options(data, options):
    assert parse_options(data) == options


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"profile": ["a", "b"]}, id="twice"),
        pytest.param({"image_file": [{"filename": "x"}]}, id="an upload"),
        pytest.param({"volumes": ["/etc"]}, id="an invented field"),
        pytest.param({"profile.a": ["x"]}, id="a profile of a profile"),
        pytest.param({"uid": ["0"]}, id="a uid"),
    ],
)
def test_fields_that_are_not_of_the_form_are_refused(data):
    with pytest.raises(SelectionError, match=r"field|option"):
        parse_options(data)


def test_cards_of_one_experiment_stand_together_under_its_name():
    text = DEMO.read_text()
    for slug, experiment in (("dodas-v5", "Hackathon"), ("own-image", "Hackathon")):
        old = f"  - slug: {slug}\n"
        assert old in text
        text = text.replace(old, f"{old}    experiment: {experiment}\n")
    page = form(STUDENT, text=text)
    assert page.count('<h2 class="af-experiment">') == 1
    places = [page.index(f'value="{s}"') for s in ("dodas-v5", "own-image", "ml-infn")]
    assert places == sorted(places)
    assert page.index(">Hackathon</h2>") < places[0]
