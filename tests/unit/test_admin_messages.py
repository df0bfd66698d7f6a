"""What the command line may ask about accounts and backups."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from jupyterhub_af.policy.account_messages import (
    AccountAct,
    AccountLine,
    MoveTrees,
    PersonTrees,
)
from jupyterhub_af.policy.audit_messages import AuditPage, AuditQuery
from jupyterhub_af.policy.restore_messages import (
    AdminList,
    AdminPurge,
    AdminRestore,
    VerifyReply,
)

WHICH = {"area": "private", "owner": "anna", "generation": "2026-11-20T10-00-00Z"}
GOOD = {
    AccountAct: {"act": "retire", "name": "anna", "actor": "unix:root"},
    AccountLine: {"name": "anna", "uid": 1000001, "state": "active", "since": 1.0},
    PersonTrees: {"person": "anna", "uid": 1000001},
    MoveTrees: {"person": "anna", "uid": 1000001, "to": "bea"},
    AuditQuery: {"actor": "unix:root", "since": 0, "until": 1e10, "user": "anna"},
    AuditPage: {"lines": [], "last": 7},
    AdminList: {"actor": "unix:root"},
    AdminRestore: {"actor": "unix:root", **WHICH},
    AdminPurge: {
        "actor": "unix:root",
        "area": "private",
        "owner": "anna",
        "path": "a",
    },
    VerifyReply: {"is_done": True, "differences": ["work.txt: is missing"], "count": 1},
}


@pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.__name__)
def test_a_message_survives_its_way_and_takes_nothing_more(kind):
    message = kind.model_validate(GOOD[kind])
    assert kind.model_validate_json(message.model_dump_json()) == message
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        kind.model_validate({**GOOD[kind], "is_root": True})


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        pytest.param(AccountAct, {"act": "remove"}, id="an unknown act"),
        pytest.param(AccountAct, {"actor": ""}, id="an act of nobody"),
        pytest.param(AccountLine, {"state": "away"}, id="an unknown state"),
        pytest.param(PersonTrees, {"uid": 0}, id="root as a person"),
        pytest.param(MoveTrees, {"to": ""}, id="an empty name"),
        pytest.param(AdminRestore, {"generation": "../../etc"}, id="a path for a time"),
        pytest.param(AdminRestore, {"generation": "today"}, id="a word for a time"),
        pytest.param(AdminRestore, {"path": "x" * 4097}, id="a path too long"),
        pytest.param(AdminPurge, {"path": ""}, id="the whole tree"),
        pytest.param(AuditQuery, {"action": "Not An Action"}, id="no action at all"),
        pytest.param(AuditQuery, {"most": 10**6}, id="a page without an end"),
        pytest.param(AuditQuery, {"since": -1}, id="a time before all times"),
        pytest.param(AdminList, {"count": -1}, id="fewer than none"),
    ],
)
def test_this_value_is_refused(kind, change):
    with pytest.raises(ValidationError):
        kind.model_validate({**GOOD[kind], **change})
