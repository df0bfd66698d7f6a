from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from worlds import plan_of

from jupyterhub_af.policy import messages, panel, recheck, storage_messages
from jupyterhub_af.policy.messages import (
    Account,
    AccountRequest,
    AuditEvent,
    Clusters,
    ClusterState,
    EnsureReply,
    Health,
    IdsReply,
    IdsRequest,
    Message,
    Refusal,
    ServerEvent,
    parse_plan,
    plan_to_json,
)
from jupyterhub_af.policy.panel import (
    AccessEnd,
    AccessEvent,
    Busy,
    ClusterOfMine,
    ClustersEvent,
    DaskOfMine,
    HistoryEvent,
    HistoryLine,
    Lifetime,
    LifetimeEvent,
    Me,
    MeEvent,
    Purge,
    Restored,
    StorageEvent,
    TokenEvent,
    TokenOfMine,
    TreeOfMine,
    panel_schema,
)
from jupyterhub_af.policy.recheck import (
    LoginNote,
    RecheckReply,
    RecheckRequest,
    ServerEnding,
)
from jupyterhub_af.policy.storage_messages import (
    LargeEntry,
    LargestReply,
    LargestRequest,
    RecountReply,
    RecountRequest,
    TreeName,
    TreesRequest,
    TreeUsage,
    UsageReply,
)

CLUSTER = {
    "name": "0f",
    "user": "u",
    "server_name": "",
    "start_id": "s",
    "status": "running",
    "started_at": 1.0,
    "worker_cores": 1.0,
    "worker_memory_bytes": 1,
    "wanted": 2,
    "ready": 0,
}
MY_CLUSTER = {
    **{k: v for k, v in CLUSTER.items() if k not in ("user", "start_id")},
    "is_of_this_server": True,
}
DASK = {
    "max_clusters": 1,
    "worker_cores": [1.0, 2.0],
    "worker_memory_bytes": [1, 2],
    "user_cores": 4.0,
    "user_memory_bytes": 4,
    "used_cores": 0.0,
    "used_memory_bytes": 0,
    "idle_seconds": 60,
}
LIFETIME = {
    "started_at": 1.0,
    "last_active_at": 1.0,
    "idle_seconds": 60,
    "longest_seconds": None,
    "active_while": ["kernels"],
    "idle_stop_at": 61.0,
    "longest_stop_at": None,
    "stop_at": 61.0,
    "warn_seconds": 30,
}
LINE = {
    "id": 1,
    "at": 1.0,
    "actor": "u",
    "action": "server.start",
    "target": "u/",
    "rule": "",
    "result": "done",
}

TREE = {"area": "private", "kind": "private", "owner": "u"}
USAGE = {
    "tree": TREE,
    "used_bytes": 1,
    "files": 1,
    "counted_at": 1.0,
    "quota_bytes": 2,
    "enforced_by": "accounting",
}
MY_TREE = {
    **TREE,
    **{k: v for k, v in USAGE.items() if k != "tree"},
    "path": "/af/private",
    "fullness": "ok",
}
ENTRY = {
    "path": "a/b",
    "is_folder": False,
    "used_bytes": 1,
    "files": 1,
    "modified_at": 1.0,
}

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
            "home": "/af/private",
            "areas": [
                {
                    "name": "private",
                    "kind": "private",
                    "path": "/af/private",
                    "read_only": False,
                    "survives": True,
                    "group": None,
                }
            ],
            "left_out": [{"name": "shared", "reason": "It is for others."}],
        },
    },
    ServerEvent: {"user": "u", "server_name": "", "start_id": "s", "state": "running"},
    ClusterState: CLUSTER,
    Clusters: {"clusters": [CLUSTER]},
    ClusterOfMine: MY_CLUSTER,
    DaskOfMine: DASK,
    Lifetime: LIFETIME,
    HistoryLine: LINE,
    Busy: {"kernels": 1, "terminals": 0},
    TreeName: TREE,
    TreesRequest: {"trees": [TREE]},
    TreeUsage: USAGE,
    UsageReply: {"usages": [USAGE], "free_bytes": 1},
    LargestRequest: {"tree": TREE},
    LargeEntry: ENTRY,
    LargestReply: {
        "entries": [ENTRY],
        "largest_files": [ENTRY],
        "used_bytes": 1,
        "files": 1,
        "counted_at": 1.0,
    },
    RecountRequest: {"trees": [TREE]},
    RecountReply: {"has_begun": True, "again_at": 1.0, "counted_at": None},
    TreeOfMine: MY_TREE,
    Purge: {"path": "private/a.txt"},
    Restored: {
        "path": "private/a",
        "generation": "2026-01-01T00:00:00Z",
        "how": "copy",
        "telling": "0" * 32,
    },
}
ACCESS_END = {
    "rule": "denied",
    "reason": "The account anna may not use this.",
    "since": 1795000000.0,
    "ends_at": 1795000300.0,
}
MY_TOKEN = {
    "expires_at": 1795003600.0,
    "lifetime_seconds": 3600.0,
    "problem": "",
}
GOOD |= {
    MeEvent: {"kind": "me", "me": GOOD[Me]},
    AccessEnd: ACCESS_END,
    AccessEvent: {"kind": "access", "end": ACCESS_END},
    TokenOfMine: MY_TOKEN,
    TokenEvent: {"kind": "token", "token": MY_TOKEN},
    RecheckRequest: {"user": "anna", "is_ending": False},
    RecheckReply: {"status": "allowed", "checked_at": 1795000000.0},
    LoginNote: {"user": "anna"},
    ServerEnding: {
        "user": "anna",
        "server_name": "",
        "reason": "Your groups no longer open it. Ask support@example.org.",
        "ends_at": 1795000300.0,
    },
    LifetimeEvent: {"kind": "lifetime", "lifetime": LIFETIME},
    ClustersEvent: {"kind": "clusters", "clusters": [MY_CLUSTER], "dask": DASK},
    HistoryEvent: {"kind": "history", "lines": [LINE]},
    StorageEvent: {
        "kind": "storage",
        "trees": [MY_TREE],
        "is_rescue": False,
        "volume_is_full": False,
    },
}
NESTED = {"FacilityOfMine", "ServerOfMine", "AreaOfMine", "LeftOutOfMine"}


def test_every_message_is_in_the_table():
    modules = (messages, panel, recheck, storage_messages)
    kinds = [kind for module in modules for kind in vars(module).values()]
    made = {k for k in kinds if isinstance(k, type) and issubclass(k, Message)}
    assert {k.__name__ for k in made} - NESTED - {"Message"} <= {
        kind.__name__ for kind in GOOD
    }


def test_the_schema_of_the_panel_describes_every_kind_of_event():
    kinds = panel_schema()["discriminator"]["mapping"]
    assert set(kinds) == {
        "me",
        "lifetime",
        "clusters",
        "storage",
        "access",
        "token",
        "history",
    }


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
        pytest.param(ClusterState, {"wanted": -1}, id="workers below none"),
        pytest.param(ClusterState, {"worker_cores": 0}, id="workers without cores"),
        pytest.param(ClusterState, {"status": "well"}, id="a cluster's unknown status"),
        pytest.param(ServerEvent, {"state": "asleep"}, id="a server's unknown state"),
        pytest.param(Busy, {"kernels": -1}, id="kernels below none"),
        pytest.param(TreeName, {"owner": ""}, id="a tree of nobody"),
        pytest.param(TreeName, {"kind": "cvmfs2"}, id="a tree of an unknown kind"),
        pytest.param(TreesRequest, {"patience_seconds": 3600}, id="an hour's patience"),
        pytest.param(RecountRequest, {"trees": []}, id="a count of nothing"),
        pytest.param(LargestRequest, {"count": 101}, id="more than a list is long"),
        pytest.param(LargestRequest, {"path": "x" * 4097}, id="a path too long"),
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


def test_a_plan_recorded_before_work_counted_as_activity_is_taken():
    old = {
        key: v for key, v in json.loads(plan_json()).items() if key != "active_while"
    }
    assert parse_plan(json.dumps(old)).active_while == ("kernels",)


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
