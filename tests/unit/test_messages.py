from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from worlds import plan_of

from jupyterhub_af.policy import messages
from jupyterhub_af.policy.messages import (
    Account,
    AccountRequest,
    AuditEvent,
    EnsureReply,
    Health,
    IdsReply,
    IdsRequest,
    Me,
    Message,
    Refusal,
    parse_plan,
    plan_to_json,
)

GOOD: dict[type[Message], dict[str, object]] = {
    AccountRequest: {"issuer": "https://i/", "subject": "s", "preferred_username": "u"},
    Account: {"name": "u", "uid": 1000001, "gid": 1000001},
    IdsRequest: {"user": "u", "groups": ["a"]},
    IdsReply: {"uid": 1000001, "gid": 1000001, "gids": {"a": 2000001}},
    AuditEvent: {"actor": "u", "action": "server.start", "result": "done"},
    Refusal: {"message": "No.", "rule": "login"},
    EnsureReply: {"made": ["private/u"], "mended": []},
    Health: {
        "status": "ok",
        "process": "af",
        "version": "1",
        "facility_digest": "0" * 16,
    },
    Me: {
        "user": "u",
        "groups": ["a"],
        "admin": False,
        "facility": {"name": "A", "contact": "b"},
        "server": {
            "name": "",
            "profile": "p",
            "profile_display_name": "P",
            "size": "s",
            "gpu": None,
            "cores": 1.0,
            "memory_bytes": 1,
            "start_id": "s",
            "areas": [{"name": "private", "path": "/af/private", "read_only": False}],
        },
    },
}
NESTED = {"FacilityOfMine", "ServerOfMine", "AreaOfMine"}


def test_every_message_is_in_the_table():
    known = {
        name for name in vars(messages) if isinstance(getattr(messages, name), type)
    }
    made = {n for n in known if issubclass(getattr(messages, n), Message)} - {"Message"}
    assert made - NESTED <= {kind.__name__ for kind in GOOD}


@pytest.mark.parametrize("kind", GOOD)
def test_a_message_survives_its_way_as_json(kind):
    message = kind.model_validate(GOOD[kind])
    assert kind.model_validate_json(message.model_dump_json()) == message


@pytest.mark.parametrize("kind", GOOD)
def test_an_unknown_key_is_refused(kind):
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        kind.model_validate({**GOOD[kind], "is_admin": True})


@pytest.mark.parametrize("part", ["facility", "server"])
def test_an_unknown_key_below_is_refused_too(part):
    spoilt = {**GOOD[Me], part: {**GOOD[Me][part], "token": "x"}}
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Me.model_validate(spoilt)


@pytest.mark.parametrize("kind", GOOD)
def test_a_message_cannot_be_changed(kind):
    message = kind.model_validate(GOOD[kind])
    with pytest.raises(ValidationError, match="frozen"):
        setattr(message, next(iter(GOOD[kind])), "x")


@pytest.mark.parametrize("kind", GOOD)
def test_every_key_without_a_default_is_needed(kind):
    for key, field in kind.model_fields.items():
        rest = {k: v for k, v in GOOD[kind].items() if k != key}
        if field.is_required():
            with pytest.raises(ValidationError, match="Field required"):
                kind.model_validate(rest)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        pytest.param(Account, {"uid": 0}, id="root as a person"),
        pytest.param(Account, {"gid": -1}, id="a negative gid"),
        pytest.param(Account, {"uid": 2**32 - 1}, id="the uid that changes nothing"),
        pytest.param(IdsReply, {"gids": {"a": 0}}, id="root as a group"),
        pytest.param(Account, {"name": ""}, id="an empty name"),
        pytest.param(Account, {"name": "u" * 256}, id="a name of 256 characters"),
        pytest.param(AccountRequest, {"subject": ""}, id="an empty subject"),
        pytest.param(AccountRequest, {"subject": 5}, id="a subject that is a number"),
        pytest.param(AuditEvent, {"action": "Start\n"}, id="an action of two lines"),
        pytest.param(AuditEvent, {"result": "maybe"}, id="an unknown result"),
        pytest.param(AuditEvent, {"detail": "x" * 501}, id="a long detail"),
        pytest.param(IdsRequest, {"groups": "abc"}, id="a text for a list"),
        pytest.param(Health, {"status": "fine"}, id="an unknown status"),
    ],
)
def test_this_value_is_refused(kind, change):
    with pytest.raises(ValidationError):
        kind.model_validate({**GOOD[kind], **change})


def plan_json(**changes: object) -> str:
    return json.dumps({**json.loads(plan_to_json(plan_of("student1"))), **changes})


def mount_json(**changes: object) -> list[object]:
    first, *rest = json.loads(plan_json())["mounts"]
    return [{**first, **changes}, *rest]


def test_a_plan_that_nobody_touched_is_taken():
    assert parse_plan(plan_json()) == plan_of("student1")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("null", id="null"),
        pytest.param("{}", id="an empty object"),
        pytest.param(plan_json(is_root=True), id="an unknown key"),
        pytest.param(plan_json(mounts=mount_json(x=1)), id="an unknown key of a mount"),
        pytest.param(
            plan_json(left_out=[{"area": "a", "reason": "b", "x": 1}]),
            id="an unknown key of an area left out",
        ),
        pytest.param(plan_json(mounts=mount_json(read_only="no")), id="no for false"),
        pytest.param(plan_json(mounts=mount_json(read_only=0)), id="0 for false"),
        pytest.param(plan_json(mounts=mount_json(kind="root")), id="an unknown kind"),
        pytest.param(plan_json(uid="1000001"), id="a number as text"),
        pytest.param(plan_json(uid=True), id="true for a number"),
        pytest.param(plan_json(gids={"a": "0"}), id="a gid as text"),
        pytest.param(plan_json(environment={"A": 1}), id="a number in the environment"),
        pytest.param(plan_json(mounts=None), id="no mounts"),
    ],
)
def test_a_plan_of_another_shape_is_refused(text):
    with pytest.raises(ValidationError):
        parse_plan(text)
