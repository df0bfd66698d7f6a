"""The ceilings of Dask clusters: tables of decisions and their words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_af.policy.dask import (
    ClusterUse,
    WorkerSize,
    least_size,
    most_workers,
    refuse_cluster,
    refuse_size,
    refuse_workers,
)
from jupyterhub_af.policy.facility import DaskRule

GIB = 1024**3
RULE = DaskRule.model_validate(
    {
        "max_clusters": 2,
        "worker_cores": [1, 4],
        "worker_memory": ["1G", "8G"],
        "user_cores": 16,
        "user_memory": "32G",
        "idle_timeout": "30m",
    }
)
SMALL = WorkerSize(1, GIB)
LARGE = WorkerSize(4, 8 * GIB)


def use(workers: int, size: WorkerSize = SMALL, name: str = "a") -> ClusterUse:
    return ClusterUse(name, size, workers)


def test_who_asks_for_nothing_gets_the_least():
    assert least_size(RULE) == SMALL
    assert refuse_size(RULE, least_size(RULE)) is None


@pytest.mark.parametrize(
    ("size", "words"),
    [
        pytest.param(
            WorkerSize(0.5, GIB),
            "worker_cores is 0.5 cores; here it goes from 1 core to 4 cores.",
            id="too few cores",
        ),
        pytest.param(
            WorkerSize(5, GIB),
            "worker_cores is 5 cores; here it goes from 1 core to 4 cores.",
            id="too many cores",
        ),
        pytest.param(
            WorkerSize(math.nan, GIB),
            "worker_cores is nan cores; here it goes from 1 core to 4 cores.",
            id="cores that are no number",
        ),
        pytest.param(
            WorkerSize(-1, GIB),
            "worker_cores is -1 cores; here it goes from 1 core to 4 cores.",
            id="negative cores",
        ),
        pytest.param(
            WorkerSize(1, GIB - 1),
            "worker_memory is 1024 MiB; here it goes from 1 GiB to 8 GiB.",
            id="a byte too little",
        ),
        pytest.param(
            WorkerSize(1, 9 * GIB),
            "worker_memory is 9 GiB; here it goes from 1 GiB to 8 GiB.",
            id="too much memory",
        ),
    ],
)
def test_a_size_outside_the_ceilings_is_refused_with_words(size, words):
    assert str(refuse_size(RULE, size)) == words


@pytest.mark.parametrize("size", [SMALL, LARGE, WorkerSize(2.5, 3 * GIB)])
def test_a_size_inside_the_ceilings_is_taken(size):
    assert refuse_size(RULE, size) is None


@pytest.mark.parametrize(
    ("size", "others", "words"),
    [
        pytest.param(SMALL, [], None, id="the first cluster"),
        pytest.param(SMALL, [use(0)], None, id="a second one beside an empty one"),
        pytest.param(
            SMALL,
            [use(0), use(0, name="b")],
            "You have 2 Dask clusters and may have 2. Use the one you have, or stop "
            "one first.",
            id="one more than allowed",
        ),
        pytest.param(
            SMALL,
            [use(16)],
            "No worker of 1 core and 1 GiB fits any more: your other clusters may use 16 "
            "of 16 cores and 16 GiB of 32 GiB. Scale one of them down, or stop it.",
            id="no core is left for a single worker",
        ),
        pytest.param(
            WorkerSize(8, GIB),
            [],
            "worker_cores is 8 cores; here it goes from 1 core to 4 cores.",
            id="workers larger than allowed",
        ),
    ],
)
def test_a_new_cluster(size, others, words):
    found = refuse_cluster(RULE, size, others)
    assert (found and str(found)) == words


@pytest.mark.parametrize(
    ("size", "count", "others", "words"),
    [
        pytest.param(SMALL, 16, [], None, id="every core"),
        pytest.param(LARGE, 4, [], None, id="every core and all memory"),
        pytest.param(SMALL, 8, [use(8)], None, id="the rest"),
        pytest.param(
            SMALL,
            17,
            [],
            "17 workers of 1 core and 1 GiB are more than the 16 cores and 32 GiB that "
            "you may use. At most 16 fit.",
            id="one core too many",
        ),
        pytest.param(
            WorkerSize(1, 8 * GIB),
            5,
            [],
            "5 workers of 1 core and 8 GiB are more than the 16 cores and 32 GiB that "
            "you may use. At most 4 fit.",
            id="too much memory",
        ),
        pytest.param(
            SMALL,
            9,
            [use(2, LARGE)],
            "9 workers of 1 core and 1 GiB are more than is left to you: your other "
            "clusters may use 8 of 16 cores and 16 GiB of 32 GiB. At most 8 fit.",
            id="one more than another cluster leaves",
        ),
    ],
)
def test_a_number_of_workers(size, count, others, words):
    found = refuse_workers(RULE, size, count=count, others=others)
    assert (found and str(found)) == words


def test_a_ceiling_that_was_lowered_leaves_no_worker_and_none_below():
    assert most_workers(RULE, SMALL, [use(40)]) == 0


def test_cores_are_counted_in_thousandths():
    rule = RULE.model_copy(update={"user_cores": 0.3, "worker_cores": (0.1, 1.0)})
    assert most_workers(rule, WorkerSize(0.1, GIB), []) == 3


SIZES = st.builds(
    WorkerSize,
    st.integers(1, 4000).map(lambda thousandths: thousandths / 1000),
    st.integers(1, 16 * GIB),
)
USES = st.lists(st.builds(ClusterUse, st.just("x"), SIZES, st.integers(0, 64)))


@given(SIZES, USES)
def test_what_fits_is_never_refused_and_one_more_always_is(size, others):
    most = most_workers(RULE, size, others)
    if most:
        assert refuse_workers(RULE, size, count=most, others=others) is None
    assert refuse_workers(RULE, size, count=most + 1, others=others) is not None


@given(SIZES, USES)
def test_workers_that_fit_stay_within_both_ceilings(size, others):
    most = most_workers(RULE, size, others)
    if most:
        all_of_them = [*others, ClusterUse("new", size, most)]
        assert sum(c.cores for c in all_of_them) <= RULE.user_cores + 1e-3
        assert sum(c.memory_bytes for c in all_of_them) <= RULE.user_memory


@given(SIZES, USES, st.integers(0, 64))
def test_a_further_cluster_never_leaves_more(size, others, workers):
    more = [*others, ClusterUse("new", size, workers)]
    assert most_workers(RULE, size, more) <= most_workers(RULE, size, others)
