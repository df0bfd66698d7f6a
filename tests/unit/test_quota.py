from __future__ import annotations

import pytest

from jupyterhub_af.policy.quota import (
    LEAST_FREE_BYTES,
    explain_rescue,
    fullness_of,
    needs_rescue,
)
from jupyterhub_af.policy.storage_messages import TreeName, TreeUsage, UsageReply


def usage(used, quota=100, kind="private", by="accounting"):
    return TreeUsage(
        tree=TreeName(area="a", kind=kind, owner="u"),
        used_bytes=used,
        files=1,
        counted_at=1.0,
        quota_bytes=quota,
        enforced_by=by if quota is not None else None,
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


@pytest.mark.parametrize(
    ("used", "quota", "fullness"),
    [
        pytest.param(9799, 10_000, "near", id="a little room"),
        pytest.param(9800, 10_000, "full", id="next to none"),
        pytest.param(
            20 * 1024**3 - LEAST_FREE_BYTES - 1, 20 * 1024**3, "near", id="20G"
        ),
        pytest.param(
            20 * 1024**3 - LEAST_FREE_BYTES, 20 * 1024**3, "full", id="16M left"
        ),
    ],
)
def test_a_file_system_refuses_before_the_last_byte_is_used(used, quota, fullness):
    """So a tree that it holds is full a little before: nothing more can be written."""
    assert fullness_of(usage(used, quota, by="btrfs")) == fullness
    assert fullness_of(usage(used, quota)) == "near"


def test_the_words_say_how_full_it_is_and_what_to_do():
    full = UsageReply(usages=(usage(2 * 1024**3, 1024**3),), free_bytes=10**12)
    assert "Your area a is full: 2 GiB of 1 GiB." in str(explain_rescue(full))
    nothing_free = UsageReply(usages=(usage(0),), free_bytes=0)
    assert "disk is full" in str(explain_rescue(nothing_free))
