from __future__ import annotations

import pytest

from jupyterhub_af.policy.quota import LEAST_FREE_BYTES, fullness_of, needs_rescue
from jupyterhub_af.policy.storage_messages import TreeName, TreeUsage, UsageReply


def usage(used, quota=100, kind="private"):
    return TreeUsage(
        tree=TreeName(area="a", kind=kind, owner="u"),
        used_bytes=used,
        files=1,
        counted_at=1.0,
        quota_bytes=quota,
        enforced_by="accounting" if quota is not None else None,
    )


@pytest.mark.parametrize(
    ("used", "quota", "fullness"),
    [
        (0, 100, "ok"),
        (89, 100, "ok"),
        (90, 100, "near"),
        (99, 100, "near"),
        (100, 100, "full"),
        (10**18, 100, "full"),
        (10**18, None, "ok"),
        (None, 100, "ok"),
    ],
)
def test_how_full_a_tree_is(used, quota, fullness):
    assert fullness_of(usage(used, quota)) == fullness


@pytest.mark.parametrize(
    ("usages", "free", "is_needed"),
    [
        pytest.param([usage(99)], 10**9, False, id="nearly full"),
        pytest.param([usage(100)], 10**9, True, id="a full home"),
        pytest.param([usage(100, kind="collab")], 10**9, False, id="a full folder"),
        pytest.param([usage(0)], LEAST_FREE_BYTES - 1, True, id="a full volume"),
        pytest.param([], LEAST_FREE_BYTES, False, id="nothing known"),
    ],
)
def test_when_a_server_needs_its_home_elsewhere(usages, free, is_needed):
    assert needs_rescue(UsageReply(usages=tuple(usages), free_bytes=free)) == is_needed
