"""Choices that nobody may have, as scripts and browsers would send them.

One table: each mutation is a sentence, what a script sends (``options``, or a whole
``body``) and what a browser sends (``fields``, made of the options unless given, or
``files``). The person is in the group ``hackathon``, not in ``cygno`` or ``ml-infn``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LEGAL_IMAGE = "registry.example.org/users/ada/fit:1"
OWN = "registry.example.org/af/dodas:5"
DEFAULT = {"profile": "dodas-v5", "size": "small", "gpu": None, "image": OWN}
_LONG = "x" * 5000

Pairs = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True)
class Mutation:
    """One choice that is not to start anything, or exactly one thing."""

    says: str
    options: Any = None
    fields: Pairs | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Any] | None = None
    # where it stands for an allowed choice, and which server that is
    form_starts: Mapping[str, Any] | None = None

    def pairs(self) -> Pairs:
        """Return what a browser sends: text."""
        if self.fields is not None:
            return self.fields
        if not isinstance(self.options, dict):
            return (("profile", _text(self.options)),)
        return tuple((key, _text(value)) for key, value in self.options.items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _image(says: str, image: str, **more: Any) -> Mutation:
    options = {"profile": "own-image", "image": image}
    fields = (("profile", "own-image"), ("image.own-image", image))
    return Mutation(says, options, fields=fields, **more)


def _unknown(says: str, key: str, value: Any) -> Mutation:
    return Mutation(says, {"profile": "dodas-v5", key: value})


_WITHHELD = (
    Mutation("a withheld profile", {"profile": "ml-infn"}),
    Mutation("a hidden profile", {"profile": "cygno"}),
    Mutation("an unknown profile", {"profile": "root"}),
    Mutation("a withheld size", {"profile": "dodas-v5", "size": "large"}),
    Mutation("a withheld size of the default profile", {"size": "large"}),
    Mutation("a size of another profile", {"profile": "dodas-v5", "size": "wide"}),
    Mutation("an unknown size", {"profile": "dodas-v5", "size": "huge"}),
    Mutation("a withheld GPU", {"profile": "lab", "gpu": "whole"}),
    Mutation("a GPU that this machine has not", {"profile": "lab", "gpu": "slice"}),
    Mutation("a GPU of another profile", {"profile": "dodas-v5", "gpu": "none"}),
    Mutation("a GPU where the default profile has none", {"gpu": "whole"}),
    Mutation(
        "a withheld size in the field of its profile",
        {"profile": "dodas-v5", "size.dodas-v5": "large"},
    ),
    Mutation(
        "the size of a withheld profile in its own field",
        {"profile": "ml-infn", "size.ml-infn": "default", "size.dodas-v5": "small"},
    ),
)

_IMAGES = (
    Mutation(
        "an image where none is typed", {"profile": "dodas-v5", "image": LEGAL_IMAGE}
    ),
    Mutation("the profile's own image typed in", {"profile": "dodas-v5", "image": OWN}),
    Mutation("an image without a profile", {"image": LEGAL_IMAGE}),
    _image("an image of a withheld profile", LEGAL_IMAGE),
    _image("an image that ends in a newline", f"{LEGAL_IMAGE}\n"),
    _image("an image with more after a newline", f"{LEGAL_IMAGE}\nevil.example/x:1"),
    _image("an image with two dots", "registry.example.org/users/../af/cygno:2"),
    _image("an image with two slashes", "registry.example.org//users/a:1"),
    _image("an image of a shouted host", "REGISTRY.EXAMPLE.ORG/users/a:1"),
    _image("an image of 300 characters", f"registry.example.org/users/{'a' * 300}:1"),
    _image("an image with a foreign letter", "registry.ex\u0430mple.org/users/a:1"),
    _image("an image for a shell", "registry.example.org/users/$(id):1;id|id`id`"),
    _image("an image with a short digest", f"{LEGAL_IMAGE}@sha256:00"),
    _image("an image with a user before the host", f"registry.example.org@{OWN}"),
)

_VALUES = (
    Mutation("null for a profile", {"profile": None}),
    Mutation("zero for a profile", {"profile": 0}),
    Mutation("true for a profile", {"profile": True}),
    Mutation("a fraction for a size", {"profile": "dodas-v5", "size": 1.5}),
    Mutation(
        "a number without end for a size",
        {"profile": "dodas-v5", "size": "1e400"},
        body=b'{"user_options": {"profile": "dodas-v5", "size": 1e400}}',
    ),
    Mutation(
        "not a number for a size",
        {"profile": "dodas-v5", "size": "NaN"},
        body=b'{"user_options": {"profile": "dodas-v5", "size": NaN}}',
    ),
    Mutation("a list for a profile", {"profile": ["dodas-v5"]}),
    Mutation("an object for a profile", {"profile": {"slug": "dodas-v5"}}),
    Mutation(
        "a query for a size", {"profile": "dodas-v5", "size": {"$ne": {"$gt": ""}}}
    ),
    Mutation("a profile of 5000 characters", {"profile": _LONG}),
    Mutation(
        "a key of 5000 characters", {_LONG: "dodas-v5"}, fields=((_LONG, "dodas-v5"),)
    ),
    Mutation(
        "an empty profile",
        {"profile": ""},
        # the form maps its empty inputs to absent
        form_starts=DEFAULT,
    ),
    Mutation(
        "blanks around a profile",
        {"profile": "  dodas-v5\t"},
        form_starts=DEFAULT,
    ),
    Mutation("a profile that ends in NUL", {"profile": "dodas-v5\0"}),
    Mutation("a profile written from the right", {"profile": "\u202edodas-v5"}),
    Mutation("a profile with an unseen letter", {"profile": "dodas\u200b-v5"}),
    Mutation("a profile in wide letters", {"profile": "\uff44odas-v5"}),
    Mutation("a shouted profile", {"profile": "DODAS-V5"}),
    Mutation("the name on the card for a profile", {"profile": "DODAS V5"}),
    Mutation("a profile written in per cent", {"profile": "dodas%2dv5"}),
    Mutation("a profile as a path", {"profile": "../dodas-v5"}),
    Mutation("a profile with a newline inside", {"profile": "dodas-v5\nml-infn"}),
    Mutation("a profile for a database", {"profile": "x' OR '1'='1"}),
    Mutation("a profile for a template", {"profile": "{{7*7}}{0.__class__}%(x)s%n"}),
    Mutation("a profile for a page", {"profile": "<script>alert(1)</script>"}),
    Mutation(
        "half a letter for a profile",
        {"profile": "\ufffd"},
        body=b'{"user_options": {"profile": "\\ud800"}}',
    ),
)

_KEYS = (
    _unknown("an override of the pod", "kubespawner_override", {"image": OWN}),
    _unknown("pull secrets", "image_pull_secrets", ["af"]),
    _unknown("a command", "cmd", ["/bin/sh"]),
    _unknown("an environment", "environment", {"LD_PRELOAD": "/tmp/x.so"}),
    _unknown("a prototype", "__proto__", {"profile": "ml-infn"}),
    _unknown("a list of profiles", "profile_list", []),
    _unknown("a limit of memory", "mem_limit", "64G"),
    _unknown("options in the options", "user_options", {"profile": "dodas-v5"}),
    _unknown("another person's name", "user_name", "researcher1"),
    _unknown("the word of an administrator", "admin", True),
    _unknown("a group of one's own", "groups", ["cygno"]),
    _unknown("a shouted key", "PROFILE", "dodas-v5"),
    _unknown("a key without a name", "", "dodas-v5"),
    _unknown("an array for a key", "profile[]", "dodas-v5"),
    _unknown("a profile in the field of a profile", "profile.dodas-v5", "ml-infn"),
    Mutation("a key with its mark twice", {"opt-opt-profile": "dodas-v5"}),
    Mutation(
        "the size of another profile beside",
        {"profile": "dodas-v5", "size.lab": "wide"},
        # a form without scripts sends the fields of all profiles
        form_starts=DEFAULT,
    ),
    Mutation(
        "two profiles",
        {"profile": ["dodas-v5", "ml-infn"]},
        fields=(("profile", "dodas-v5"), ("profile", "ml-infn")),
    ),
    Mutation(
        "a key twice, the allowed one last",
        body=b'{"user_options": {"profile": "ml-infn", "profile": "dodas-v5"}}',
        fields=(("profile", "ml-infn"), ("profile", "dodas-v5")),
    ),
    Mutation(
        "a key twice, once in disguise",
        body=b'{"user_options": {"profile": "dodas-v5", "pro\\u0066ile": "ml-infn"}}',
        fields=(("profile", "dodas-v5"), ("pro%66ile", "ml-infn")),
    ),
    Mutation(
        "a choice beside the choice",
        body=b'{"user_options": {"profile": "dodas-v5"}, "profile": "ml-infn"}',
        fields=(("profile", "dodas-v5"), ("opt-profile.x", "ml-infn")),
    ),
)

_BODIES = (
    Mutation("a list for the choice", ["dodas-v5"]),
    Mutation("a text for the choice", "dodas-v5 please"),
    Mutation("a number for the choice", 5),
    Mutation("false for the choice", False),
    Mutation("nothing in a list for the choice", []),
    Mutation("a body of null", body=b"null", fields=(("profile", "null"),)),
    Mutation("half an object", body=b'{"user_options": {"profile": "dodas-v5"'),
    Mutation("an object in one quote", body=b"{'profile': 'dodas-v5'}"),
    Mutation("two objects", body=b'{"profile": "dodas-v5"} {"profile": "ml-infn"}'),
    Mutation(
        "text that is none",
        body=b'{"user_options": {"profile": "\xff\xfe"}}',
        fields=(("profile", b"\xff\xfe"),),
    ),
    Mutation(
        "a key that is no text",
        body=b'{"user_options": {"\xc3\x28": "dodas-v5"}}',
        fields=(("profile", b"dodas-v5"), ("\udcff", b"x")),
    ),
    Mutation(
        "text in 16 bits",
        body='{"user_options": {"profile": "dodas-v5"}}'.encode("utf-16"),
        fields=(("profile", "dodas-v5".encode("utf-16")),),
    ),
    Mutation(
        "two million characters",
        {"profile": "x" * 2_000_000},
        # an address is never so long
        fields=(("profile", _LONG),),
    ),
    Mutation(
        "a hundred thousand objects in each other",
        body=b'{"user_options": ' + b'{"a": ' * 9000 + b"1" + b"}" * 9001,
    ),
    Mutation(
        "a thousand keys",
        {f"key{n}": "x" for n in range(1000)},
        fields=tuple((f"key{n}", "x") for n in range(300)),
    ),
    Mutation(
        "a choice of a form for a script",
        body=b"profile=ml-infn",
        fields=(("profile", "ml-infn"),),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ),
    Mutation(
        "a choice as plain text",
        body=b'{"user_options": {"profile": "ml-infn"}}',
        fields=(("profile", "ml-infn"),),
        headers={"Content-Type": "text/plain"},
    ),
    Mutation(
        "a file for a profile",
        {"profile_file": "dodas-v5"},
        files={"profile": ("dodas-v5", b"dodas-v5", "text/plain")},
    ),
)

MUTATIONS: tuple[Mutation, ...] = (*_WITHHELD, *_IMAGES, *_VALUES, *_KEYS, *_BODIES)
