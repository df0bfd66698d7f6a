"""What the service counts, in Prometheus' words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    generate_latest,
)

from jupyterhub_af.catalogue import Edition
from jupyterhub_af.policy.quota import Fullness

from .storage import Disks

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Hold the counters of one process in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._accounts = Gauge(
            "af_accounts", "Accounts in the register.", registry=self._registry
        )
        self._plans = Gauge(
            "af_plans", "Servers with a recorded plan.", registry=self._registry
        )
        self._facility = Info(
            "af_facility", "The facility file in force.", registry=self._registry
        )
        self._accepted_at = Gauge(
            "af_facility_accepted_timestamp_seconds",
            "When the facility file in force was read.",
            registry=self._registry,
        )
        self._edit_problems = Gauge(
            "af_facility_problems",
            "Problems of an edited facility file that is not in force as it is.",
            registry=self._registry,
        )
        self.audit_events = Counter(
            "af_audit_events",
            "Audit events since the start of the process.",
            ("action", "result"),
            registry=self._registry,
        )
        self.removed_lines = Counter(
            "af_audit_removed_lines",
            "Lines of the audit that were removed or made anonymous, by reason.",
            ("reason",),
            registry=self._registry,
        )
        self.refused_registrations = Counter(
            "af_refused_registrations",
            "Accounts that were refused, by rule.",
            ("rule",),
            registry=self._registry,
        )
        self.stopped_servers = Counter(
            "af_stopped_servers",
            "Servers that were stopped at the end of a lifetime, by rule.",
            ("rule",),
            registry=self._registry,
        )
        self.stopped_clusters = Counter(
            "af_stopped_clusters",
            "Dask clusters left behind that were stopped, by rule.",
            ("rule",),
            registry=self._registry,
        )
        self.failed_stops = Counter(
            "af_failed_stops",
            "Stops of servers and clusters that failed and are tried again.",
            ("kind",),
            registry=self._registry,
        )
        self.listeners = Gauge(
            "af_listeners", "Open event streams.", registry=self._registry
        )
        self.dropped_listeners = Counter(
            "af_dropped_listeners",
            "Event streams that were closed from here, by reason.",
            ("reason",),
            registry=self._registry,
        )
        self.sweeps = Counter(
            "af_sweeps",
            "Looks at all servers and all clusters, by what came of them.",
            ("part", "result"),
            registry=self._registry,
        )
        self._sweep_age = Gauge(
            "af_last_good_sweep_age_seconds",
            "How long ago the last look that went well was.",
            ("part",),
            registry=self._registry,
        )
        self._trees = Gauge(
            "af_trees",
            "What people and groups have of an area while they work, by how full it is.",
            ("fullness",),
            registry=self._registry,
        )
        self._volume_full = Gauge(
            "af_volume_full",
            "1 while the disk that the areas lie on has no room for anybody.",
            registry=self._registry,
        )
        self.rechecks = Counter(
            "af_rechecks",
            "Looks at people's memberships, by the hub's answer.",
            ("status",),
            registry=self._registry,
        )
        self.memberships = Gauge(
            "af_memberships",
            "People with something running, by the last answer about them.",
            ("status",),
            registry=self._registry,
        )
        self.oldest_check = Gauge(
            "af_oldest_check_age_seconds",
            "How old the oldest groups are of anybody with something running.",
            registry=self._registry,
        )
        self.overdue_checks = Gauge(
            "af_overdue_checks",
            "People with something running whose groups are older than recheck_seconds.",
            registry=self._registry,
        )
        self.endings = Gauge(
            "af_endings",
            "Servers that run on until their people have saved, for access that was lost.",
            registry=self._registry,
        )
        self.request_seconds = Histogram(
            "af_request_duration_seconds",
            "Time to answer a request.",
            ("route", "method", "status"),
            registry=self._registry,
        )

    def render(
        self,
        *,
        accounts: int,
        plans: int,
        edition: Edition,
        sweep_ages: Mapping[str, float],
        disks: Disks,
    ) -> bytes:
        """Return the page of metrics."""
        for fullness in get_args(Fullness):
            self._trees.labels(fullness).set(disks.count(fullness))
        self._volume_full.set(disks.is_volume_full)
        for part, age_seconds in sweep_ages.items():
            self._sweep_age.labels(part).set(age_seconds)
        self._accounts.set(accounts)
        self._plans.set(plans)
        self._facility.info({"digest": edition.digest})
        self._accepted_at.set(edition.accepted_at_seconds)
        self._edit_problems.set(len(edition.problems))
        return generate_latest(self._registry)
