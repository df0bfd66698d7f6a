"""Which of a person's clusters is mine: the newest of this server, with such workers."""

from __future__ import annotations

from datetime import datetime

import pytest
from dask_gateway.client import ClusterReport, ClusterStatus

from jupyterlab_af.dask import in_gib, newest

SMALL = {"worker_cores": 1.0, "worker_memory": 1.0}
LARGE = {"worker_cores": 2.0, "worker_memory": 1.5}


def report(name, options, *, server="", hour=1):
    start = datetime(2026, 1, 1, hour)
    given = {**options, "server": server}
    return ClusterReport(name, given, ClusterStatus.RUNNING, "a", None, start, None)


CLUSTERS = [
    report("old", SMALL),
    report("new", SMALL, hour=3),
    report("large", LARGE, hour=2),
    report("other server", SMALL, server="two", hour=4),
]


@pytest.mark.parametrize(
    ("options", "server", "name"),
    [
        pytest.param({}, "", "new", id="the newest of the first server"),
        pytest.param({}, "two", "other server", id="that of a named server"),
        pytest.param({}, "three", None, id="a server without one"),
        pytest.param({"worker_cores": 2}, "", "large", id="one with such cores"),
        pytest.param(
            {"worker_memory": "1536M"}, "", "large", id="one with such memory"
        ),
        pytest.param({"worker_cores": 4}, "", None, id="none with such cores"),
        pytest.param({"worker_memory": "much"}, "", None, id="a size that is none"),
    ],
)
def test_my_cluster_is(options, server, name):
    assert newest(CLUSTERS, options, server=server) == name


@pytest.mark.parametrize(
    ("size", "gib"),
    [
        (2, 2.0),
        (1.5, 1.5),
        ("2G", 2.0),
        ("512M", 0.5),
        ("1T", 1024.0),
        ("G", None),
        ("", None),
    ],
)
def test_sizes_are_compared_in_gib(size, gib):
    assert in_gib(size) == gib
