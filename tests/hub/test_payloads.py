"""No text that reaches the form adds an element, an attribute or a handler to it."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from payloads import PAYLOADS

from jupyterhub_af.hub.form import render_form
from jupyterhub_af.policy.access import Access, Place, limit_access, resolve_access
from jupyterhub_af.policy.facility_text import parse_facility
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.sentence import say


class Shape(HTMLParser):
    """Which elements a page has, and with which attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.values: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.values += [value or "" for _, value in attrs]

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        self.elements.append(("comment", ()))

    def handle_decl(self, decl):
        self.elements.append(("declaration", ()))


def world(text: str) -> str:
    """Return a facility file with the text in every place that takes one."""
    size = {"cores": 1, "memory": "2G", "display_name": text}
    gpu = {"display_name": text}
    closed = {"allowed_groups": ["closed"]}
    profile = {"display_name": text, "description": text, "experiment": text}
    return json.dumps(
        {
            "version": 1,
            "name": text,
            "contact": text,
            "iam": {"issuer": "https://iam.example.org/"},
            "profiles": [
                {
                    **profile,
                    "slug": "open",
                    "image": "example.org/a:1",
                    "sizes": [{"slug": "a", **size}, {"slug": "b", **size, **closed}],
                    "gpus": [{"slug": "a", **gpu}, {"slug": "b", **gpu, **closed}],
                },
                {**profile, **closed, "slug": "closed", "image": "example.org/a:1"},
                {**profile, "slug": "typed", "image_pattern": "example.org/.*"},
            ],
            "storage": [{"name": "private", "kind": "private"}],
        }
    )


def access_with(text: str) -> Access:
    return resolve_access(parse_facility(world(text)), make_identity("u", ()))


def form_with(text: str) -> str:
    last = {"profile": "typed", "image": text, "size": text, "gpu": text}
    return render_form(access_with(text), last, text)


PLAIN = Shape(form_with("plain")).elements


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_in_every_field_changes_nothing_of_the_forms_shape(payload):
    shape = Shape(form_with(payload))
    assert shape.elements == PLAIN
    assert " ".join(payload.split()) in " ".join(shape.text.split())
    handlers = {name for _, names in shape.elements for name in names}
    assert not any(name.startswith("on") for name in handlers)
    assert not any(
        value.startswith("javascript:") for value in shape.values if value != payload
    )


def form_with_reason(text: str) -> str:
    """Return a form whose every reason is the text, and every translation ends in it."""
    place = Place(profile=lambda _: say("{why}", why=text), gpu=lambda _: None)
    # a translation is a template: its braces are doubled
    ending = text.replace("{", "{{").replace("}", "}}")
    access = limit_access(access_with("plain"), place)
    return render_form(access, {}, None, translate=lambda english: english + ending)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_in_a_reason_or_a_translation_stays_text(payload):
    expected = Shape(form_with_reason("plain")).elements
    assert Shape(form_with_reason(payload)).elements == expected
